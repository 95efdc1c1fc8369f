"""Where a model's time goes, operator by operator: in TensorFlow Lite and in ONNX Runtime.

TensorFlow Lite's Python packages hold no profiler, so each operator of a model is run as a model of its own, with its
own constants, on what it is given in the whole model (zeros would be faster), and all in the order of the model, round
by round, so that an operator's weights are no longer in the processor's cache when its turn comes.
"""

import importlib
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from handler.interpreter import Interpreter, _Interpreter

ROUNDS, WARM = 100, 10


class Cost(NamedTuple):
    """An operator, how often a model runs it, and the milliseconds of all those runs."""

    operator: str
    runs: int
    milliseconds: float


def of_tensorflow_lite(model: bytes, ids: Any) -> list[Cost]:
    """The costs of the operators of a model's first function for token ids, on one thread, the dearest first."""
    from tensorflow.lite.python import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    whole = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    given, found = _given(model, ids), []
    for operator in whole.subgraphs[0].operators:
        code = whole.operatorCodes[operator.opcodeIndex]
        name = str(names[max(code.builtinCode, code.deprecatedBuiltinCode)])
        found.append((name, _ready(*_alone(schema, whole, operator, given))))
    times: list[list[float]] = [[] for _ in found]
    for _ in range(WARM + ROUNDS):
        for (_, interpreter), taken in zip(found, times, strict=True):
            started = time.perf_counter()
            interpreter.invoke()
            taken.append(1e3 * (time.perf_counter() - started))
    runs, costs = Counter(name for name, _ in found), Counter[str]()
    for (name, _), taken in zip(found, times, strict=True):
        costs[name] += median(taken[WARM:])
    return [Cost(name, runs[name], taken) for name, taken in costs.most_common()]


def _given(model: bytes, ids: Any) -> Callable[[int], Any]:
    """What each tensor of the model holds, by its number, after a run on token ids."""
    resolvers = importlib.import_module(_Interpreter.__module__).OpResolverType
    kept = _Interpreter(
        model_content=model,
        experimental_op_resolver_type=resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,  # a delegate shows none of its own
        experimental_preserve_all_tensors=True,
    )
    kept.allocate_tensors()
    kept.set_tensor(kept.get_input_details()[0]["index"], ids)
    kept.invoke()
    values: Callable[[int], Any] = kept.get_tensor
    return values


def _alone(schema: Any, whole: Any, operator: Any, given: Callable[[int], Any]) -> tuple[bytes, list[Any]]:
    """A model of one operator of another, and its inputs; what is constant there is constant here."""
    import flatbuffers

    graph = whole.subgraphs[0]
    used = list(dict.fromkeys(i for i in (*operator.inputs, *operator.outputs) if i >= 0))
    place = {-1: -1} | {tensor: number for number, tensor in enumerate(used)}
    single, inner, alone = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    inner.tensors, single.buffers = [], [schema.BufferT()]
    for index in used:
        tensor = graph.tensors[index]
        single.buffers.append(whole.buffers[tensor.buffer])
        copied = schema.TensorT()
        vars(copied).update(vars(tensor) | {"buffer": len(single.buffers) - 1})
        inner.tensors.append(copied)
    vars(alone).update(vars(operator) | {"opcodeIndex": 0})
    alone.inputs, alone.outputs = ([place[i] for i in side] for side in (operator.inputs, operator.outputs))
    inner.operators, inner.outputs = [alone], alone.outputs
    inputs = [i for i in used if i not in operator.outputs and not _constant(whole, graph.tensors[i])]
    inner.inputs = [place[i] for i in inputs]
    single.version, single.operatorCodes, single.subgraphs = 3, [whole.operatorCodes[operator.opcodeIndex]], [inner]
    builder = flatbuffers.Builder(1024)
    builder.Finish(single.Pack(builder), b"TFL3")
    return bytes(builder.Output()), [given(i) for i in inputs]


def _constant(whole: Any, tensor: Any) -> bool:
    data = whole.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _ready(model: bytes, inputs: list[Any]) -> Any:
    """An interpreter of the model, with its inputs set."""
    interpreter = Interpreter(model)._interpreter
    interpreter.allocate_tensors()
    for place, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(place["index"], value)
    return interpreter


def of_onnx_runtime(file: Path, ids: Any) -> list[Cost]:
    """The same of an ONNX model with one input, `ids`, by ONNX Runtime's own profiler: means over the runs."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as directory:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.enable_profiling = 1, True
        options.profile_file_prefix = str(Path(directory) / "profile")
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        for _ in range(ROUNDS):
            session.run(None, {"ids": ids})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    runs, times = Counter[str](), Counter[str]()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            runs[event["args"]["op_name"]] += 1
            times[event["args"]["op_name"]] += event["dur"] / 1e3
    return [Cost(name, runs[name] // ROUNDS, taken / ROUNDS) for name, taken in times.most_common()]
