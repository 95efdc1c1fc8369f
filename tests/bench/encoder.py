"""A pre-trained encoder beside ONNX Runtime, by length and threads: `make bench-encoder CHECKPOINT=...`.

    python -m tests.bench.encoder CHECKPOINT

Both embed one text of each length that bundles have, special tokens included, from ready token ids, with the
checkpoint's weights. Ours is what `--quantize dynamic` makes. The peer is an ONNX graph of ONNX Runtime's own fused
operators, in float and with int8 weights (one scale a column, activations quantised as they come: the same class); no
padding, so that it needs no mask. They take turns; medians. Then the same 32 tokens, operator by operator.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from handler.model.bundle import EMBED, Signature
from handler.model.interpreter import RUNTIME, Interpreter
from tests.bench.operators import Costs, of_onnx_runtime, of_tensorflow_lite
from training.encoders.checkpoint import Checkpoint, open_checkpoint
from training.families.encoder import LONGEST, lengths

ROUNDS, WARM = 100, 10
TYPICAL = 32
FUSED = "com.microsoft"


def main(checkpoint_path: Path) -> None:
    from training.learning.fit import load_tensorflow
    from training.shipping.convert import convert

    load_tensorflow()
    from training.encoders.transformer import build_encoder, measure_inputs

    checkpoint = open_checkpoint(checkpoint_path)
    most = LONGEST - checkpoint.ends
    encoder, sizes = build_encoder(checkpoint, most), lengths(most, checkpoint.ends)
    measure_inputs(encoder.pooled, [list(range(2000, 2064))])
    model = convert({EMBED: encoder.embed}, [Signature(1, length) for length in sizes], "dynamic")
    print(f"dynamic, {len(model) / 1e6:.1f} MB, on {RUNTIME}; milliseconds a text")
    print(f"| tokens | threads | {RUNTIME} | ONNX Runtime int8 | ratio | ONNX Runtime float |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        files = [onnx_model(checkpoint, Path(directory), small) for small in (True, False)]
        for length in sizes:
            for threads in (1, 2):
                ours = runner(model, length, threads)
                small, exact = (session(file, length + checkpoint.ends, threads) for file in files)
                figures = interleaved([ours, small, exact])
                times = " | ".join(f"{figure:.2f}" for figure in (*figures[:2], figures[0] / figures[1], figures[2]))
                print(f"| {length + checkpoint.ends} | {threads} | {times} |", flush=True)
        ids = np.arange(2000, 2000 + TYPICAL, dtype=np.int64)[None]
        typical = convert({EMBED: encoder.embed}, [Signature(1, TYPICAL - checkpoint.ends)], "dynamic")
        print_costs(RUNTIME, of_tensorflow_lite(typical, ids[:, : TYPICAL - checkpoint.ends].astype(np.int32)))
        print_costs("ONNX Runtime int8", of_onnx_runtime(files[0], ids))


def print_costs(who: str, costs: Costs) -> None:
    print(f"\n| {who}: operator | runs | ms |\n|---|---|---|")
    for cost in costs.operators:
        print(f"| {cost.operator} | {cost.runs} | {cost.milliseconds:.3f} |")
    print(
        f"| all | {sum(cost.runs for cost in costs.operators)} | {sum(c.milliseconds for c in costs.operators):.2f} |"
    )
    print(f"| the model as a whole | 1 | {costs.whole:.2f} |", flush=True)


def runner(model: bytes, length: int, threads: int) -> Callable[[], Any]:
    run = Interpreter(model, threads).runner(f"{EMBED}_1x{length}")
    ids = np.arange(2000, 2000 + length, dtype=np.int32)[None]
    return lambda: run(ids)


def session(file: Path, length: int, threads: int) -> Callable[[], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    opened = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    ids = np.arange(2000, 2000 + length, dtype=np.int64)[None]
    return lambda: opened.run(None, {"ids": ids})


def interleaved(functions: list[Callable[[], Any]]) -> list[float]:
    """Median milliseconds of functions that take turns."""
    times: list[list[float]] = [[] for _ in functions]
    for i in range(ROUNDS + WARM):
        for function, taken in zip(functions, times, strict=True):
            started = time.perf_counter()
            function()
            if i >= WARM:
                taken.append((time.perf_counter() - started) * 1e3)
    return [median(taken) for taken in times]


def onnx_model(checkpoint: Checkpoint, directory: Path, small: bool) -> Path:
    """The checkpoint as an ONNX graph: int64 ids [1, length] -> float32 [1, width], its weights int8 if `small`."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape, tensors = checkpoint.shape, checkpoint.tensors()
    if shape.ranges:
        raise SystemExit(f"{checkpoint.directory}: the ONNX graph knows no distances between tokens; take another one.")
    nodes: list[Any] = []

    def node(kind: str, *inputs: str, domain: str = "", **settings: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [f"n{len(nodes)}"], domain=domain, **settings))
        return str(nodes[-1].output[0])

    def normal(value: str, other: str, name: str) -> str:
        names = (f"{name}.scale", f"{name}.shift")
        return node("SkipLayerNormalization", value, other, *names, domain=FUSED, epsilon=shape.epsilon)

    def product(value: str, name: str) -> str:
        return node("Add", node("MatMul", value, f"{name}.kernel"), f"{name}.bias")

    length = node("Gather", node("Shape", "ids"), "one")
    places = node("Unsqueeze", node("Range", "zero", length, "one"), "first")
    hidden = normal(node("Gather", "tokens", "ids"), node("Gather", "positions", places), "norm")
    for number in range(shape.blocks):
        heads = [product(hidden, f"{number}.{name}") for name in ("query", "key", "value")]
        mixed = node("MultiHeadAttention", *heads, domain=FUSED, num_heads=shape.heads)
        hidden = normal(product(mixed, f"{number}.mixed"), hidden, f"{number}.mixed_norm")
        wide = node("MatMul", hidden, f"{number}.wide.kernel")
        wide = node("BiasGelu", wide, f"{number}.wide.bias", domain=FUSED)
        hidden = normal(product(wide, f"{number}.narrow"), hidden, f"{number}.narrow_norm")
    node("LpNormalization", node("ReduceMean", hidden, axes=[1], keepdims=0), axis=1)
    constants = {"zero": np.int64(0), "one": np.int64(1), "first": np.array([0], np.int64)}
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in {**tensors, **constants}.items()]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "length"])
    out = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, [1, shape.width])
    graph = helper.make_graph(nodes, "encoder", [ids], [out], held)
    domains = [helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)]
    exact = directory / "exact.onnx"
    onnx.save(helper.make_model(graph, opset_imports=domains, ir_version=8), exact)
    if not small:
        return exact
    from onnxruntime.quantization import QuantType, quantize_dynamic

    options = {"DefaultTensorType": TensorProto.FLOAT}  # of what the fused operators give, which it does not know
    quantize_dynamic(
        exact,
        directory / "small.onnx",
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gather"],
        extra_options=options,
    )
    return directory / "small.onnx"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
