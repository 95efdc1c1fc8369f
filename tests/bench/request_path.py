"""What a request costs beyond the work itself: `make bench`.

In process, one text of 50 characters (and 32 of them): `lambda_handler` beside a floor of tokenizer.encode and
interpreter.invoke alone. The two take turns, so that a slow moment of the machine hits both; medians.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from handler import bundle as bundles
from handler.api import lambda_handler
from handler.classifier import Classifier
from handler.interpreter import RUNTIME
from training.serve import Context, proxy_event

ROUNDS = 2000
CHARACTERS = 50


def main(bundle_path: Path) -> None:
    os.environ["MODEL_DIR"] = str(bundle_path)
    results, sys.stdout = sys.stdout, Path(os.devnull).open("w")  # noqa: SIM115 - the handler prints its metrics there
    bundle = bundles.load(bundle_path)
    classifier = Classifier(bundle)
    sources = [golden.text for golden in bundle.golden() if len(golden.text) >= CHARACTERS]
    print(
        f"{bundle.manifest.name} ({bundle.manifest.family}) on {RUNTIME}, Python {sys.version.split()[0]}", file=results
    )
    print(f"{'texts':>6} {'handler us':>11} {'floor us':>9} {'ratio':>6}", file=results)
    for count in (1, 32):
        texts = [(sources[i % len(sources)])[:CHARACTERS] for i in range(count)]
        body = json.dumps({"texts": texts}, ensure_ascii=False).encode()
        event = proxy_event("POST", "/v1/classify", {"Content-Type": "application/json"}, body)
        context = Context("bench")

        def request() -> None:
            assert lambda_handler(event, context)["statusCode"] == 200  # noqa: B023

        handler_us, floor_us = interleaved(request, floor(classifier, texts), ROUNDS if count == 1 else 300)
        print(f"{count:>6} {handler_us:>11.0f} {floor_us:>9.0f} {handler_us / floor_us:>6.2f}", file=results)


def floor(classifier: Classifier, texts: list[str]) -> Callable[[], None]:
    """The least that must be done: tokenize, and run the network on a ready batch."""
    ids = classifier.encode(texts).ids
    signature = next(
        s for s in classifier.manifest.signatures if s.batch >= len(texts) and s.length >= len(max(ids, key=len))
    )
    batch = np.zeros((signature.batch, signature.length), np.int32)
    for row, tokens in zip(batch, ids, strict=False):
        row[: len(tokens)] = tokens
    interpreter = classifier._interpreter._interpreter
    runner = interpreter.get_signature_runner(signature.name("predict"))
    encode = classifier.tokenizer.encode

    def run() -> None:
        for text in texts:
            encode(text)
        runner(token_ids=batch)

    return run


def interleaved(first: Callable[[], None], second: Callable[[], None], rounds: int) -> tuple[float, float]:
    """Median microseconds of two functions that take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for i in range(rounds + 20):
        for function, taken in zip((first, second), times, strict=True):
            started = time.perf_counter()
            function()
            if i >= 20:
                taken.append((time.perf_counter() - started) * 1e6)
    return median(times[0]), median(times[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
