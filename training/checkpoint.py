"""A pre-trained encoder on disk, in Hugging Face layout: config.json, model.safetensors, tokenizer.json or vocab.txt.

BERT (and what shares its architecture: MiniLM, RoBERTa-wwm-ext, ...), RoBERTa, XLM-RoBERTa, DistilBERT and MPNet.
Everything is checked when it is opened, without TensorFlow, so that a mistake shows before training starts.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from training.errors import InputError
from training.tokenizer import PADDING_ID, UNKNOWN_ID

# By `model_type`: the prefix of tensor names, and the position that the first token has.
ARCHITECTURES = {
    "bert": ("bert.", 0),
    "roberta": ("roberta.", 2),
    "xlm-roberta": ("roberta.", 2),
    "distilbert": ("distilbert.", 0),
    "mpnet": ("mpnet.", 2),
}
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
# What the special tokens are called; MPNet has all of these names, and uses the second ones, but for what is unknown.
SPECIAL = {
    "padding": ("[PAD]", "<pad>"),
    "unknown": ("[UNK]", "<unk>"),
    "start": ("[CLS]", "<s>"),
    "end": ("[SEP]", "</s>"),
}
# An embedding may have a few rows more than there are tokens, up to the next multiple of this.
ROUNDED_UP = 128
# The first and the last token of each text.
ENDS = 2
# Of distances between tokens: a near and a far one before a token, and as many after it.
FEWEST_RANGES = 4

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


class Shape(NamedTuple):
    """The sizes of an encoder, in our words; `first` is the position of the first token.

    `ranges` is how many ranges of distances between tokens have a score, 0 where none has.
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

    @property
    def max_tokens(self) -> int:
        """The longest text in tokens, without the two at its ends."""
        return self.positions - self.first - ENDS


class Checkpoint(NamedTuple):
    """An encoder that was checked: its sizes, where it is, and its tokenizer.

    `order` permutes the rows of the embedding table, so that padding is token 0 and what is unknown token 1, as in
    every graph of ours; the tokenizer gives the ids after that. `start` and `end` are the tokens around each text.
    """

    directory: Path
    shape: Shape
    tokenizer: Tokenizer
    order: list[int]
    start: int
    end: int
    parameters: int

    def tensors(self) -> dict[str, Floats]:
        """Every weight by our names, in float32: kernels [in, out], tables [rows, width].

        Raises InputError if a tensor is missing or of another size than config.json says.
        """
        with _weights(self.directory) as file:
            return _read(file, self.shape, self.order)


def open_checkpoint(directory: Path) -> Checkpoint:
    """Reads and checks all but the values of the weights. Raises InputError that says what is wrong with which file."""
    if not directory.is_dir():
        raise InputError(
            f"{directory} is not a directory; --checkpoint names one with config.json and model.safetensors."
        )
    shape = _shape(directory / "config.json", _json(directory / "config.json"))
    with _weights(directory) as file:
        parameters = sum(int(np.prod(size)) for size in _check(file, shape).values())
    tokenizer, special, order = _tokenizer(directory, shape)
    return Checkpoint(directory, shape, tokenizer, order, special["start"], special["end"], parameters)


# --- config.json ------------------------------------------------------------------------------------


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give a checkpoint in Hugging Face layout.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not readable as JSON: {error}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a JSON object.")
    return content


def _shape(path: Path, config: Mapping[str, Any]) -> Shape:
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
    activation = config.get("activation" if distil else "hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise InputError(
            f"{path}: the activation {activation!r} is not supported; these are: {', '.join(ACTIVATIONS)}."
        )
    shape = Shape(
        architecture,
        number("dim" if distil else "hidden_size"),
        number("hidden_dim" if distil else "intermediate_size"),
        number("n_heads" if distil else "num_attention_heads"),
        number("n_layers" if distil else "num_hidden_layers"),
        number("vocab_size"),
        number("max_position_embeddings"),
        ARCHITECTURES[architecture][1],
        ACTIVATIONS[activation],
        1e-12 if distil else number("layer_norm_eps", float, 1e-12),
        number("dropout" if distil else "hidden_dropout_prob", float, 0.1),
        number("relative_attention_num_buckets", int, 32) if architecture == "mpnet" else 0,
    )
    if not shape.heads or not shape.blocks or shape.width % shape.heads:
        raise InputError(f"{path}: a width of {shape.width} cannot be split among {shape.heads} heads.")
    if architecture == "mpnet" and (shape.ranges < FEWEST_RANGES or shape.ranges % 2):
        raise InputError(
            f"{path}: 'relative_attention_num_buckets' is {shape.ranges}, and should be an even number from "
            f"{FEWEST_RANGES} on."
        )
    return shape


# --- model.safetensors ------------------------------------------------------------------------------


def _weights(directory: Path) -> Any:
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


def _check(file: Any, shape: Shape) -> dict[str, tuple[int, ...]]:
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


def _read(file: Any, shape: Shape, order: list[int]) -> dict[str, Floats]:
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


# --- tokenizer.json, vocab.txt ----------------------------------------------------------------------


def _tokenizer(directory: Path, shape: Shape) -> tuple[Tokenizer, dict[str, int], list[int]]:
    """The tokenizer with padding at 0 and what is unknown at 1; the special tokens' ids, and the order of the rows."""
    path = directory / "tokenizer.json"
    content = _json(path) if path.exists() else json.loads(_from_vocabulary(directory).to_str())
    try:
        size = Tokenizer.from_str(json.dumps(content)).get_vocab_size()
        # Neither padding nor truncation of its own, and a text that holds [SEP] is no end of a text.
        content |= {"added_tokens": [], "truncation": None, "padding": None, "post_processor": None}
        bare = Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # the library raises nothing narrower
        raise InputError(f"{path} is not a tokenizer: {error}.") from None
    special = {}
    for role, names in SPECIAL.items():
        found = [i for i in map(bare.token_to_id, names) if i is not None]
        if shape.architecture == "mpnet" and role != "unknown":
            found.reverse()
        if not found:
            raise InputError(f"The tokenizer in {directory} has no token {' or '.join(names)}; an encoder needs one.")
        special[role] = found[0]
    if not size <= shape.tokens < size + ROUNDED_UP:
        raise InputError(
            f"The tokenizer in {directory} has {size:,} tokens, and the embedding {shape.tokens:,} rows; "
            "they do not belong together."
        )
    order = list(range(shape.tokens))
    for place, role in ((PADDING_ID, "padding"), (UNKNOWN_ID, "unknown")):
        now = order.index(special[role])
        order[place], order[now] = order[now], order[place]
    place_of = {old: new for new, old in enumerate(order)}
    content["model"] = _renumbered(content["model"], order, place_of, set(special.values()))
    return Tokenizer.from_str(json.dumps(content)), {role: place_of[i] for role, i in special.items()}, order


def _renumbered(
    model: dict[str, Any], order: list[int], place_of: Mapping[int, int], special: set[int]
) -> dict[str, Any]:
    """A tokenizer's model with other ids. A vocabulary is the id of each piece, or a list of pieces with scores.

    Such a list would find `</s>` in a text; with a space before it, which no word holds, it is never found.
    """
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        return model | {"vocab": {token: place_of[i] for token, i in vocabulary.items()}}
    pieces = [[f" {piece}" if i in special else piece, score] for i, (piece, score) in enumerate(vocabulary)]
    return model | {"vocab": [pieces[i] for i in order if i < len(pieces)], "unk_id": place_of[model["unk_id"]]}


def _from_vocabulary(directory: Path) -> Tokenizer:
    """BERT's own tokenizer, from its list of pieces."""
    path = directory / "vocab.txt"
    if not path.exists():
        raise InputError(
            f"{directory} holds neither tokenizer.json nor vocab.txt; save the tokenizer beside the weights."
        )
    settings = directory / "tokenizer_config.json"
    lower = bool((_json(settings) if settings.exists() else {}).get("do_lower_case", True))
    try:
        pieces = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable: {error}.") from None
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL["unknown"][0]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer
