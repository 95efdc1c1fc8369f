"""A checkpoint's model.safetensors, one file or several: its tensors by our names, of any architecture."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.encoders.configuration import ARCHITECTURES, Shape, read_json
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

_ALBERT = {
    "query": "attention.query",
    "key": "attention.key",
    "value": "attention.value",
    "mixed": "attention.dense",
    "mixed_norm": "attention.LayerNorm",
    "wide": "ffn",
    "narrow": "ffn_output",
    "narrow_norm": "full_layer_layer_norm",
}
_PROJECTIONS = {"albert": "encoder.embedding_hidden_mapping_in", "electra": "embeddings_project"}

Floats = NDArray[np.float32]


# Where the weights are in several files: which tensor is in which.
INDEX = "model.safetensors.index.json"
CONVERT = (
    "whoever trusts them converts them with transformers: "
    "AutoModel.from_pretrained(NAME).save_pretrained(DIRECTORY), and the same for AutoTokenizer."
)


class Shards(ExitStack):
    """The open safetensors files of a checkpoint, as if they were one."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        """Opens the file of each tensor, by the tensor's name. Raises InputError if one is missing or damaged."""
        from safetensors import SafetensorError, safe_open

        super().__init__()
        opened = {}
        for path in sorted(set(files.values())):
            try:
                opened[path] = self.enter_context(safe_open(path, framework="np"))
            except FileNotFoundError:
                raise InputError(f"{path} does not exist, and {INDEX} names it; fetch it too.") from None
            except (SafetensorError, OSError) as error:
                raise InputError(f"{path} is damaged: {error}; fetch it again.") from None
        self._file_of = {name: opened[path] for name, path in files.items()}

    def keys(self) -> Iterable[str]:
        """The names of all tensors."""
        return self._file_of.keys()

    def get_slice(self, name: str) -> Any:
        """A tensor that is not read yet. Raises InputError if the file does not hold what the index says."""
        from safetensors import SafetensorError

        try:
            return self._file_of[name].get_slice(name)
        except SafetensorError as error:
            raise InputError(f"{INDEX} does not go with the files that it names: {error}.") from None

    def get_tensor(self, name: str) -> Any:
        """A tensor as an array."""
        return self._file_of[name].get_tensor(name)


def weight_files(directory: Path) -> list[Path]:
    """The file with the weights of a checkpoint, or those that its index names. Raises InputError if there are none."""
    path = directory / "model.safetensors"
    if path.exists():
        return [path]
    if (directory / INDEX).exists():
        return sorted(set(_index(directory).values()))
    other = sorted(p.name for p in directory.iterdir() if p.suffix in (".bin", ".h5", ".safetensors"))
    if not other:
        raise InputError(f"{path} does not exist; save the weights as safetensors.")
    raise InputError(
        f"{path} does not exist (there is {', '.join(other[:3])}); save the weights as safetensors: {CONVERT}"
    )


def _index(directory: Path) -> dict[str, Path]:
    """The file of each tensor. Raises InputError for an index that says something else."""
    places = read_json(directory / INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise InputError(f"{directory / INDEX} has no 'weight_map' with the file of each tensor; fetch it again.")
    return {tensor: directory / Path(name).name for tensor, name in places.items()}


def open_weights(directory: Path) -> Shards:
    """The open weights of a checkpoint. Raises InputError if there are none, or they are damaged."""
    from safetensors import SafetensorError, safe_open

    first, *others = weight_files(directory)
    if others or first.name != "model.safetensors":
        return Shards(_index(directory))
    try:
        with safe_open(first, framework="np") as file:
            names = list(file.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(f"{first} is damaged: {error}; fetch it again.") from None
    return Shards(dict.fromkeys(names, first))


def _wanted(shape: Shape) -> dict[str, tuple[str, tuple[int, ...]]]:
    """By our names: the name of each tensor in the file, without its prefix, and its size there.

    Layers that are shared have the number of the first of them.
    """
    wanted = _around(shape)
    for block in range(0, shape.blocks, shape.shared):
        wanted |= _of_block(shape, block)
    return wanted


def _around(shape: Shape) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What is wanted besides the blocks."""
    width = shape.embedded
    wanted: dict[str, tuple[str, tuple[int, ...]]] = {
        "tokens": ("embeddings.word_embeddings.weight", (shape.tokens, width)),
        "positions": ("embeddings.position_embeddings.weight", (shape.positions, width)),
        "norm.scale": ("embeddings.LayerNorm.weight", (width,)),
        "norm.shift": ("embeddings.LayerNorm.bias", (width,)),
    }
    if shape.architecture not in ("distilbert", "mpnet"):
        wanted["types"] = ("embeddings.token_type_embeddings.weight", (-1, width))
    if shape.tasks:
        wanted["tasks"] = ("embeddings.task_type_embeddings.weight", (-1, width))
    if shape.ranges:
        wanted["distances"] = ("encoder.relative_attention_bias.weight", (shape.ranges, shape.heads))
    projection = _PROJECTIONS.get(shape.architecture, "")
    if shape.architecture == "albert" or (projection and width != shape.width):
        wanted["projected.kernel"] = (f"{projection}.weight", (shape.width, width))
        wanted["projected.bias"] = (f"{projection}.bias", (shape.width,))
    return wanted


def _of_block(shape: Shape, block: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What is wanted of a block."""
    names = {"distilbert": _DISTILBERT, "mpnet": _MPNET, "albert": _ALBERT}.get(shape.architecture, _BERT)
    within = {
        "distilbert": f"transformer.layer.{block}",
        "albert": f"encoder.albert_layer_groups.{block // shape.shared}.albert_layers.0",
    }.get(shape.architecture, f"encoder.layer.{block}")
    wanted: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, after in names.items():
        theirs, ours = f"{within}.{after}", f"{block}.{name}"
        out = shape.wide if name == "wide" else shape.width
        if name.endswith("norm"):
            wanted |= {f"{ours}.scale": (f"{theirs}.weight", (out,)), f"{ours}.shift": (f"{theirs}.bias", (out,))}
        else:
            wanted[f"{ours}.kernel"] = (f"{theirs}.weight", (out, shape.wide if name == "narrow" else shape.width))
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
    for same_everywhere in tensors.keys() & {"types", "tasks"}:
        tensors["positions"] = tensors["positions"] + tensors.pop(same_everywhere)[0]
    return tensors
