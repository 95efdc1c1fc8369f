"""Where a model's time goes, operator by operator: in TensorFlow Lite and in ONNX Runtime.

TensorFlow Lite's Python packages hold no profiler, so each operator of a model is run as a model of its own, with its
own constants, and zeros of the right shape as its input.
"""

import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from handler.interpreter import Interpreter

ROUNDS, WARM = 100, 10


class Cost(NamedTuple):
    """An operator, how often a model runs it, and the milliseconds of all those runs."""

    operator: str
    runs: int
    milliseconds: float


def of_tensorflow_lite(model: bytes) -> list[Cost]:
    """The costs of the operators of a model's first function, on one thread, the dearest first."""
    from tensorflow.lite.python import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    whole = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    graph = whole.subgraphs[0]
    alike: dict[tuple[object, ...], list[Any]] = {}
    for operator in graph.operators:
        code = whole.operatorCodes[operator.opcodeIndex]
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        shapes = tuple((graph.tensors[i].type, *graph.tensors[i].shape) for i in operator.inputs if i >= 0)
        alike.setdefault((name, *shapes), []).append(operator)
    runs, times = Counter[str](), Counter[str]()
    for (name, *_), operators in alike.items():
        runs[str(name)] += len(operators)
        times[str(name)] += len(operators) * _milliseconds(_alone(schema, whole, operators[0]))
    return [Cost(name, runs[name], taken) for name, taken in times.most_common()]


def _alone(schema: Any, whole: Any, operator: Any) -> bytes:
    """A model of one operator of another; what is constant there is constant here."""
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
    inner.inputs = [place[i] for i in used if i not in operator.outputs and not _constant(whole, graph.tensors[i])]
    single.version, single.operatorCodes, single.subgraphs = 3, [whole.operatorCodes[operator.opcodeIndex]], [inner]
    builder = flatbuffers.Builder(1024)
    builder.Finish(single.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _constant(whole: Any, tensor: Any) -> bool:
    data = whole.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _milliseconds(model: bytes) -> float:
    interpreter = Interpreter(model)._interpreter
    interpreter.allocate_tensors()
    for given in interpreter.get_input_details():
        interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
    times = []
    for _ in range(WARM + ROUNDS):
        started = time.perf_counter()
        interpreter.invoke()
        times.append(1e3 * (time.perf_counter() - started))
    return median(times[WARM:])


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
