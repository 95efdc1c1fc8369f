"""A checkpoint's model.safetensors: its tensors by our names, whichever architecture they are of."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.encoders.configuration import ARCHITECTURES, Shape
from training.errors import InputError

# Our names of tensors, and theirs, after what stands before the number of the block.
_BERT = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "mixed": "attention.output.dense",
    "mixed_norm": "attention.output.LayerNorm",
    "wide": "intermediate.dense",
    "narrow": "output.dense",
    "narrow_norm": "output.LayerNorm",
}
_DISTILBERT = {
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "mixed": "attention.out_lin",
    "mixed_norm": "sa_layer_norm",
    "wide": "ffn.lin1",
    "narrow": "ffn.lin2",
    "narrow_norm": "output_layer_norm",
}
_MPNET = _BERT | {
    "query": "attention.attn.q",
    "key": "attention.attn.k",
    "value": "attention.attn.v",
    "mixed": "attention.attn.o",
    "mixed_norm": "attention.LayerNorm",
}

Floats = NDArray[np.float32]


def open_weights(directory: Path) -> Any:
    """The open safetensors file of a checkpoint. Raises InputError if there is none, or it is damaged."""
    from safetensors import SafetensorError, safe_open

    path = directory / "model.safetensors"
    if not path.exists():
        other = sorted(p.name for p in directory.iterdir() if p.suffix in (".bin", ".h5", ".safetensors"))
        found = f" (there is {', '.join(other[:3])})" if other else ""
        raise InputError(f"{path} does not exist{found}; save the weights as one safetensors file.")
    try:
        return safe_open(path, framework="np")
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged: {error}; fetch it again.") from None


def _wanted(shape: Shape) -> dict[str, tuple[str, tuple[int, ...]]]:
    """By our names: the name of each tensor in the file, without its prefix, and its size there."""
    width, wide = shape.width, shape.wide
    blocks = {"distilbert": _DISTILBERT, "mpnet": _MPNET}.get(shape.architecture, _BERT)
    before = "transformer" if shape.architecture == "distilbert" else "encoder"
    wanted = {
        "tokens": ("embeddings.word_embeddings.weight", (shape.tokens, width)),
        "positions": ("embeddings.position_embeddings.weight", (shape.positions, width)),
        "norm.scale": ("embeddings.LayerNorm.weight", (width,)),
        "norm.shift": ("embeddings.LayerNorm.bias", (width,)),
    }
    if blocks is _BERT:
        wanted["types"] = ("embeddings.token_type_embeddings.weight", (-1, width))
    if shape.ranges:
        wanted["distances"] = ("encoder.relative_attention_bias.weight", (shape.ranges, shape.heads))
    outputs = {"wide": wide}
    inputs = {"narrow": wide}
    for block in range(shape.blocks):
        for name, after in blocks.items():
            theirs, ours = f"{before}.layer.{block}.{after}", f"{block}.{name}"
            out = outputs.get(name, width)
            if name.endswith("norm"):
                wanted |= {
                    f"{ours}.scale": (f"{theirs}.weight", (width,)),
                    f"{ours}.shift": (f"{theirs}.bias", (width,)),
                }
            else:
                wanted[f"{ours}.kernel"] = (f"{theirs}.weight", (out, inputs.get(name, width)))
                wanted[f"{ours}.bias"] = (f"{theirs}.bias", (out,))
    return wanted


def _places(file: Any, shape: Shape) -> dict[str, str]:
    """By our names: the full name of each tensor in the file; older checkpoints call scales gamma and shifts beta."""
    held, places = set(file.keys()), {}
    prefix = ARCHITECTURES[shape.architecture][0]
    for ours, (theirs, _) in _wanted(shape).items():
        older = theirs.replace("norm.weight", "norm.gamma").replace("norm.bias", "norm.beta")
        older = older.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta")
        found = [name for name in (prefix + theirs, theirs, prefix + older, older) if name in held]
        if not found:
            raise InputError(
                f"model.safetensors holds no tensor {theirs!r}, which a {shape.architecture} of {shape.blocks} layers "
                "needs; config.json and the weights do not belong together, or the file is incomplete."
            )
        places[ours] = found[0]
    return places


def check(file: Any, shape: Shape) -> dict[str, tuple[int, ...]]:
    """The size of each tensor, by our names. Raises InputError for one that is missing or of another size."""
    sizes = {}
    for ours, theirs in _places(file, shape).items():
        sizes[ours] = tuple(file.get_slice(theirs).get_shape())
        expected = _wanted(shape)[ours][1]
        if len(sizes[ours]) != len(expected) or any(
            e not in (-1, s) for e, s in zip(expected, sizes[ours], strict=True)
        ):
            raise InputError(
                f"model.safetensors: {theirs!r} is of size {list(sizes[ours])}, and config.json says {list(expected)}."
            )
    return sizes


def read(file: Any, shape: Shape, order: list[int]) -> dict[str, Floats]:
    """Every weight by our names, the rows of the token table in that order. Raises InputError for no numbers."""
    tensors = {ours: file.get_tensor(theirs).astype(np.float32) for ours, theirs in _places(file, shape).items()}
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise InputError(f"model.safetensors: {name!r} holds values that are no numbers; fetch the file again.")
        if name.endswith(".kernel"):
            tensors[name] = value.T.copy()
    tensors["tokens"] = tensors["tokens"][order]
    tensors["positions"] = tensors["positions"][shape.first :]
    if "types" in tensors:
        tensors["positions"] = tensors["positions"] + tensors.pop("types")[0]
    return tensors
