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

from handler.model.interpreter import Interpreter, _Interpreter

ROUNDS, WARM = 100, 10


class Cost(NamedTuple):
    """An operator, how often a model runs it, and the milliseconds of all those runs."""

    operator: str
    runs: int
    milliseconds: float


class Costs(NamedTuple):
    """The milliseconds of a model as a whole, and those of its operators, the dearest first."""

    whole: float
    operators: list[Cost]


def of_tensorflow_lite(model: bytes, ids: Any) -> Costs:
    """The costs of a model's first function for token ids, on one thread.

    From each operator is taken off what the call of it costs: the time of the one that does least.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    parsed = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    given, found, ready = _given(model, ids), [], [_ready(model, [ids])]
    for operator in parsed.subgraphs[0].operators:
        code = parsed.operatorCodes[operator.opcodeIndex]
        found.append(str(names[max(code.builtinCode, code.deprecatedBuiltinCode)]))
        ready.append(_ready(*_alone(schema, parsed, operator, given)))
    times: list[list[float]] = [[] for _ in ready]
    for _ in range(WARM + ROUNDS):
        for interpreter, taken in zip(ready, times, strict=True):
            started = time.perf_counter()
            interpreter.invoke()
            taken.append(1e3 * (time.perf_counter() - started))
    whole, *each = [median(taken[WARM:]) for taken in times]
    runs, costs, call = Counter(found), Counter[str](), min(each)
    for name, taken in zip(found, each, strict=True):
        costs[name] += taken - call
    return Costs(whole, [Cost(name, runs[name], taken) for name, taken in costs.most_common()])


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
    interpreter = Interpreter(model, threads=1)._interpreter
    interpreter.allocate_tensors()
    for place, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(place["index"], value)
    return interpreter


def of_onnx_runtime(file: Path, ids: Any) -> Costs:
    """The same of an ONNX model with one input, `ids`, by ONNX Runtime's own profiler: means over the runs.

    The model as a whole takes its turns without the profiler.
    """
    import onnxruntime

    times = []
    with tempfile.TemporaryDirectory() as directory:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        plain = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        options.enable_profiling, options.profile_file_prefix = True, str(Path(directory) / "profile")
        profiled = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        for _ in range(ROUNDS):
            profiled.run(None, {"ids": ids})
            started = time.perf_counter()
            plain.run(None, {"ids": ids})
            times.append(1e3 * (time.perf_counter() - started))
        events = json.loads(Path(profiled.end_profiling()).read_text(encoding="utf-8"))
    runs, costs = Counter[str](), Counter[str]()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            runs[event["args"]["op_name"]] += 1
            costs[event["args"]["op_name"]] += event["dur"] / 1e3
    operators = [Cost(name, runs[name] // ROUNDS, taken / ROUNDS) for name, taken in costs.most_common()]
    return Costs(median(times), operators)
