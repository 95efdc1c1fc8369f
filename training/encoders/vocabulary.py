"""A checkpoint's tokenizer.json or vocab.txt, renumbered: padding is 0 and what is unknown 1, as in all our graphs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from training.data.tokenizer import PADDING_ID, UNKNOWN_ID
from training.encoders.configuration import Shape, read_json
from training.errors import InputError

# What the special tokens are called; MPNet has all of these names, and uses the second ones, but for what is unknown.
SPECIAL = {
    "padding": ("[PAD]", "<pad>"),
    "unknown": ("[UNK]", "<unk>"),
    "start": ("[CLS]", "<s>"),
    "end": ("[SEP]", "</s>"),
}
# An embedding may have a few rows more than there are tokens, up to the next multiple of this.
ROUNDED_UP = 128


def tokenizer_of(directory: Path, shape: Shape) -> tuple[Tokenizer, dict[str, int], list[int]]:
    """The tokenizer with padding at 0 and what is unknown at 1; the special tokens' ids, and the order of the rows."""
    path = directory / "tokenizer.json"
    content = read_json(path) if path.exists() else json.loads(_from_vocabulary(directory).to_str())
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
    lower = bool((read_json(settings) if settings.exists() else {}).get("do_lower_case", True))
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
