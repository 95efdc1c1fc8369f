"""How near a pre-trained encoder's embeddings stay to the reference's: `make bench-embeddings DATA=...`.

    python -m tests.bench.embeddings CHECKPOINT DIRECTORY

The first 200 texts of the directory's test.tsv (label TAB text, no header) are embedded by ONNX Runtime (in float, and
with int8 weights), by Keras before conversion, and by the converted models on both interpreters.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handler.model.bundle import EMBED, Signature
from tests.support import PYTHONS, ROOT
from training.data.files import read
from training.data.formats.rows import Columns
from training.encoders.checkpoint import Checkpoint, open_checkpoint
from training.families.encoder import LONGEST, lengths

TEXTS = 200

Vectors = NDArray[np.float32]

# Embeds padded ids [n, length] with each model of a directory, in an environment that holds only what ships.
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from handler.model.interpreter import RUNTIME, Interpreter
directory = Path(sys.argv[1])
ids = np.load(directory / "ids.npy")
print(RUNTIME)
for model in sorted(directory.glob("*.tflite")):
    run = Interpreter(model.read_bytes()).runner(f"embed_1x{ids.shape[1]}")
    np.save(directory / f"{RUNTIME}.{model.stem}.npy", np.concatenate([run(row[None]) for row in ids]))
"""


def encode(checkpoint: Checkpoint, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of texts, as training cuts them."""
    checkpoint.tokenizer.enable_truncation(LONGEST - checkpoint.ends)
    return [row.ids for row in checkpoint.tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def embed(
    checkpoint: Checkpoint, ids: Sequence[Sequence[int]], quantizations: Sequence[str]
) -> tuple[Vectors, dict[tuple[str, str], Vectors], dict[str, float]]:
    """Embeddings by Keras, by (runtime, quantisation), and the megabytes of each converted model."""
    from training.encoders.transformer import build_encoder, measure_inputs
    from training.learning.batches import predict
    from training.learning.ngrams import pad
    from training.shipping.convert import convert

    longest = next(n for n in lengths(LONGEST - checkpoint.ends, checkpoint.ends) if n >= max(map(len, ids)))
    encoder = build_encoder(checkpoint, longest)
    measure_inputs(encoder.pooled, ids)
    found: dict[tuple[str, str], Vectors] = {}
    megabytes = {}
    with tempfile.TemporaryDirectory() as work:
        directory = Path(work)
        np.save(directory / "ids.npy", pad(ids, longest))
        for quantization in quantizations:
            model = convert({EMBED: encoder.embed}, [Signature(1, longest)], quantization)
            megabytes[quantization] = len(model) / 1e6
            (directory / f"{quantization}.tflite").write_bytes(model)
        for python in PYTHONS:
            command = [python, "-X", "utf8", "-c", PROGRAM, directory]
            ran = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
            runtime = ran.stdout.strip()
            found |= {(runtime, q): np.load(directory / f"{runtime}.{q}.npy") for q in quantizations}
    return predict(encoder.embed, ids, longest), found, megabytes


def cosines(found: Vectors, reference: Vectors) -> NDArray[np.float64]:
    """Cosines [n] of L2-normalised vectors [n, width]."""
    return np.sum(found.astype(np.float64) * reference, axis=1)


def main(directory: Path, data: Path) -> None:
    from tests.bench.encoder import onnx_model
    from training.learning.fit import load_tensorflow

    load_tensorflow()
    checkpoint = open_checkpoint(directory)
    texts = [example.text for example in read(data / "test.tsv", Columns(names=("label", "text")))]
    ids = encode(checkpoint, texts[:TEXTS])
    with tempfile.TemporaryDirectory() as work:
        exact, small = (by_onnx(onnx_model(checkpoint, Path(work), s), checkpoint, ids) for s in (False, True))
    keras, converted, megabytes = embed(checkpoint, ids, ("none", "dynamic"))
    print(
        f"{len(ids)} texts of {data.name}; cosine to ONNX Runtime in float\n| | MB | least | mean |\n|---|---|---|---|"
    )
    rows: list[tuple[str, str, Vectors]] = [("Keras, before conversion", "", keras)]
    rows += [(f"{q}, {runtime}", f"{megabytes[q]:.1f}", found) for (runtime, q), found in sorted(converted.items())]
    for name, size, found in [*rows, ("ONNX Runtime, int8", "", small)]:
        near = cosines(found, exact)
        print(f"| {name} | {size} | {near.min():.7f} | {near.mean():.7f} |")


def by_onnx(file: Path, checkpoint: Checkpoint, ids: Sequence[Sequence[int]]) -> Vectors:
    import onnxruntime

    run: Callable[..., Any] = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run
    around = [np.array([[*checkpoint.before, *row, checkpoint.end]], np.int64) for row in ids]
    return np.concatenate([run(None, {"ids": row})[0] for row in around])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
