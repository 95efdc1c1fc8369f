"""The TensorFlow Lite interpreter, whichever distribution is installed.

tflite-runtime ends at Python 3.11; ai-edge-litert carries the same class on for 3.12 and later. This is
the only file that knows.
"""

import os
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handler.errors import BundleError

try:
    from ai_edge_litert.interpreter import Interpreter as _Interpreter

    RUNTIME = "ai-edge-litert"
except ModuleNotFoundError:
    from tflite_runtime.interpreter import Interpreter as _Interpreter

    RUNTIME = "tflite-runtime"

# Lambda gives a function processors in proportion to its memory: one whole at so many MB.
MEMORY_OF_ONE_PROCESSOR = 1769

TokenIds = NDArray[np.int32]
Runner = Callable[[TokenIds], NDArray[np.float32]]


class Interpreter:
    """A loaded model.

    Each signature is a function of int32 token ids of one static shape [batch, length]; all share their
    weights. Signatures are prepared on first use, so a cold start pays for one only. If not told how many threads to
    use, it takes those that the function's memory buys. Any thread may call: they wait for one another, since what runs
    underneath keeps inputs and outputs in one place, and would answer one thread with another's.
    """

    def __init__(self, model: bytes, threads: int | None = None) -> None:
        try:
            self._interpreter: Any = _Interpreter(model_content=model, num_threads=threads or processors())
        except (ValueError, RuntimeError) as error:
            raise BundleError(
                f"model.tflite cannot run on {RUNTIME} ({error}); convert it again for this runtime"
            ) from None
        self._runners: dict[str, Runner] = {}
        self._lock = Lock()

    def runner(self, signature: str) -> Runner:
        """Gives the function behind a signature: int32 [batch, length] -> float32 [batch, width].

        Raises BundleError when the model has no such signature.
        """
        runner = self._runners.get(signature)
        if runner is None:
            with self._lock:
                runner = self._runners[signature] = self._prepare(signature)
        return runner

    def _prepare(self, signature: str) -> Runner:
        try:
            run = self._interpreter.get_signature_runner(signature)
        except (ValueError, KeyError):
            raise BundleError(f"model.tflite has no signature {signature!r}; train the bundle again") from None

        def call(token_ids: TokenIds) -> NDArray[np.float32]:
            with self._lock:
                (output,) = run(token_ids=token_ids).values()  # a copy
            result: NDArray[np.float32] = output
            return result

        return call


def processors() -> int:
    """The whole processors that the function's memory size buys; one outside Lambda.

    A share of one more is not used: whoever runs over the share is made to wait.
    """
    return max(1, int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "0")) // MEMORY_OF_ONE_PROCESSOR)
