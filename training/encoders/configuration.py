"""A checkpoint's config.json: which architecture it is, and its sizes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from training.errors import InputError

# By `model_type`: the prefix of tensor names, and the position that the first token has.
ARCHITECTURES = {
    "bert": ("bert.", 0),
    "roberta": ("roberta.", 2),
    "xlm-roberta": ("roberta.", 2),
    "distilbert": ("distilbert.", 0),
    "mpnet": ("mpnet.", 2),
    "albert": ("albert.", 0),
    "electra": ("electra.", 0),
    "ernie": ("ernie.", 0),
}
# Whose token vectors may be narrower than all else.
FACTORISED = ("albert", "electra")
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
# Of distances between tokens: a near and a far one before a token, and as many after it.
FEWEST_RANGES = 4


class Shape(NamedTuple):
    """The sizes of an encoder, in our words; `first` is the position of the first token.

    `ranges` is how many ranges of distances between tokens have a score, 0 where none has. `embedded` is the width of
    token vectors, from which they are projected to `width` if that is another. So many layers in a row are `shared`,
    that is one and the same; `tasks` says whether there is a vector for each task to add.
    """

    architecture: str
    width: int
    wide: int
    heads: int
    blocks: int
    tokens: int
    positions: int
    first: int
    activation: str
    epsilon: float
    dropout: float
    ranges: int
    embedded: int
    shared: int
    tasks: bool

    @property
    def longest(self) -> int:
        """The longest text in tokens, with those around it."""
        return self.positions - self.first


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises InputError for anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give a checkpoint in Hugging Face layout.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not readable as JSON: {error}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a JSON object.")
    return content


def shape_of(path: Path, config: Mapping[str, Any]) -> Shape:
    """The sizes that a config.json names. Raises InputError for what is missing, senseless or not supported."""
    architecture = config.get("model_type")
    if architecture not in ARCHITECTURES:
        raise InputError(
            f"{path}: the architecture {architecture!r} is not supported; these are: {', '.join(ARCHITECTURES)}."
        )
    distil = architecture == "distilbert"

    def number(name: str, kind: type[int] | type[float] = int, default: float | None = None) -> Any:
        value = config.get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
            raise InputError(f"{path}: {name!r} is {value!r}, and should be a number.")
        return kind(value)

    if config.get("position_embedding_type", "absolute") != "absolute":
        raise InputError(f"{path}: only absolute positions are supported, not {config['position_embedding_type']!r}.")
    albert = architecture == "albert"
    activation = config.get("activation" if distil else "hidden_act", "gelu_new" if albert else "gelu")
    if activation not in ACTIVATIONS:
        raise InputError(
            f"{path}: the activation {activation!r} is not supported; these are: {', '.join(ACTIVATIONS)}."
        )
    width, blocks = number("dim" if distil else "hidden_size"), number("n_layers" if distil else "num_hidden_layers")
    groups = max(1, number("num_hidden_groups", int, 1))
    shape = Shape(
        architecture,
        width,
        number("hidden_dim" if distil else "intermediate_size"),
        number("n_heads" if distil else "num_attention_heads"),
        blocks,
        number("vocab_size"),
        number("max_position_embeddings"),
        ARCHITECTURES[architecture][1],
        ACTIVATIONS[activation],
        1e-12 if distil else number("layer_norm_eps", float, 1e-12),
        number("dropout" if distil else "hidden_dropout_prob", float, 0.0 if albert else 0.1),
        number("relative_attention_num_buckets", int, 32) if architecture == "mpnet" else 0,
        number("embedding_size", int, 128) if architecture in FACTORISED else width,
        blocks // groups if albert else 1,
        architecture == "ernie" and config.get("use_task_id") is True,
    )
    if not shape.heads or not shape.blocks or shape.width % shape.heads:
        raise InputError(f"{path}: a width of {shape.width} cannot be split among {shape.heads} heads.")
    if albert and (blocks % groups or number("inner_group_num", int, 1) != 1):
        raise InputError(f"{path}: its layers are to be in groups of the same size, in each of which all are the same.")
    if architecture == "mpnet" and (shape.ranges < FEWEST_RANGES or shape.ranges % 2):
        raise InputError(
            f"{path}: 'relative_attention_num_buckets' is {shape.ranges}, and should be an even number from "
            f"{FEWEST_RANGES} on."
        )
    return shape
