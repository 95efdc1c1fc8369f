"""A checkpoint without the pieces of its vocabulary that these texts and others like them hardly need.

The table of a multilingual encoder is most of its weights: 96 of 117 million in multilingual-e5-small. Kept are the
pieces that the texts use, with all that these are merged from; the single characters of the scripts that the texts are
written in, so that nothing becomes unknown that was known; and the most frequent of the others, of each script so many
as its share of the letters. The texts themselves are read as before. Few texts show few of the pieces that others like
them have, so that of few texts all of their main script is kept.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from tokenizers import Encoding, Tokenizer

from training.data.tokenizer import PADDING_ID, UNKNOWN_ID
from training.encoders.checkpoint import Checkpoint

AT_ONCE = 4096
# All of English BERT's vocabulary, nearly, and of a multilingual one what Chinese needs.
USUAL_PIECES = 30_000
# More tokens than these are too many to be read in smaller pieces than the encoder learned them in.
FEW_UNSEEN = 0.02
# What marks the beginning of a word, the inside of one, or its end.
MARKS = re.compile(r"^(\u2581|\u0120|##)|</w>$")
# Written without spaces, so that what stands among them in letters has no mark of where a word begins.
UNSPACED = {"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"}
# A place kept free in the vocabulary for whoever trains on; no text uses it.
UNUSED = re.compile(r"\[unused\d+\]|madeupword\d+")


def prune(checkpoint: Checkpoint, texts: Sequence[str], most: int | None = None) -> Checkpoint:
    """The checkpoint with about `most` pieces: more if the texts and single characters alone take more.

    By default with USUAL_PIECES, and while the texts leave out too many, with all of the script they have most of.
    """
    content = json.loads(checkpoint.tokenizer.to_str())
    pieces = [str(checkpoint.tokenizer.id_to_token(i)) for i in range(checkpoint.tokenizer.get_vocab_size())]
    if (most or USUAL_PIECES) >= len(pieces):
        return checkpoint
    used = _used(checkpoint.tokenizer, texts)
    letters = _letters(pieces, used)
    bare = [MARKS.sub("", piece) for piece in pieces]
    single = {i for i, piece in enumerate(bare) if len(piece) == 1 and _scripts(piece) <= letters.keys()}
    needed = {PADDING_ID, UNKNOWN_ID, *checkpoint.before, checkpoint.end, *used, *single}
    kept = _with_parts(content["model"], needed | _least_likely(content["model"]))
    others = [i for i in _by_frequency(checkpoint, pieces, bare, letters) if i not in kept]
    room = max(0, (most or USUAL_PIECES) - len(kept))
    if most is None and unseen(used) > FEW_UNSEEN:
        main = {max(letters, key=letters.__getitem__, default="")}
        room = max([room, *(place for place, i in enumerate(others, 1) if _scripts(bare[i]) == main)])
    kept |= _with_parts(content["model"], others[:room])
    order = sorted(kept)
    place_of = {old: new for new, old in enumerate(order)}
    content["model"] = _only(content["model"], place_of)
    left_out = len(checkpoint.order) - len(order)
    return checkpoint._replace(
        tokenizer=Tokenizer.from_str(json.dumps(content)),
        order=[checkpoint.order[i] for i in order],
        before=tuple(place_of[i] for i in checkpoint.before),
        end=place_of[checkpoint.end],
        parameters=checkpoint.parameters - left_out * checkpoint.shape.embedded,
    )


def least(checkpoint: Checkpoint, most: int | None) -> Checkpoint:
    """The checkpoint with no more weights than it may have left once it is pruned; nothing else is."""
    left_out = max(0, len(checkpoint.order) - (most or USUAL_PIECES))
    return checkpoint._replace(parameters=checkpoint.parameters - left_out * checkpoint.shape.embedded)


def unseen(used: Mapping[int, int]) -> float:
    """The share of other texts' tokens that these texts do not have, estimated from what they have once: Good 1953,
    "The Population Frequencies of Species and the Estimation of Population Parameters".
    """
    return sum(times == 1 for times in used.values()) / max(1, sum(used.values()))


def compare(before: Checkpoint, after: Checkpoint, texts: Sequence[str]) -> dict[str, float]:
    """How many pieces are left, and the shares of other texts that are read otherwise, and of their tokens unknown."""
    found = {"pieces": float(len(after.order)), "pieces_of_the_checkpoint": float(len(before.order))}
    if not texts:
        return found
    whole, read = (_read(checkpoint.tokenizer, texts) for checkpoint in (before, after))
    unknown = sum(encoding.ids.count(UNKNOWN_ID) for encoding in read)
    otherwise = sum(b.tokens != a.tokens for b, a in zip(whole, read, strict=True))
    return found | {
        "held_out_texts_read_otherwise": round(otherwise / len(texts), 6),
        "unknown_tokens": round(unknown / max(1, sum(len(encoding.ids) for encoding in read)), 6),
    }


def _read(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Encoding]:
    return tokenizer.encode_batch(list(texts), add_special_tokens=False)


def _used(tokenizer: Tokenizer, texts: Sequence[str]) -> Counter[int]:
    """How often each piece stands in the texts, whole."""
    whole = Tokenizer.from_str(tokenizer.to_str())
    whole.no_truncation()
    counts: Counter[int] = Counter()
    for start in range(0, len(texts), AT_ONCE):
        for encoding in whole.encode_batch_fast(list(texts[start : start + AT_ONCE]), add_special_tokens=False):
            counts.update(encoding.ids)
    return counts


def _letters(pieces: Sequence[str], used: Mapping[int, int]) -> Counter[str]:
    """How many letters of the texts are of each script."""
    counts: Counter[str] = Counter()
    for i, times in used.items():
        for character in pieces[i]:
            counts[_script(character)] += times
    del counts[""]
    return counts


@cache
def _script(character: str) -> str:
    """The script of a letter, by the first word of its name in Unicode; empty for what is no letter."""
    return unicodedata.name(character, "").split(" ")[0] if character.isalpha() else ""


def _scripts(piece: str) -> set[str]:
    return {_script(character) for character in piece} - {""}


def _by_frequency(
    checkpoint: Checkpoint, pieces: Sequence[str], bare: Sequence[str], letters: Mapping[str, int]
) -> list[int]:
    """The pieces of these scripts alone, by how frequent they are among those of their script, and that is.

    The vocabularies of checkpoints begin with what is frequent. Within writing that has no spaces words of other
    scripts are names for the most part: of those the pieces come first that begin as a name does, without a mark.
    """
    total = sum(letters.values())
    rank: Counter[str] = Counter()
    places: list[tuple[float, int]] = []
    frequent = sorted(range(len(bare)), key=checkpoint.order.__getitem__)
    if max(letters, key=letters.__getitem__, default="") in UNSPACED:
        frequent.sort(key=lambda i: not (bare[i] == pieces[i] and bare[i][:1].isupper() and bare[i].isascii()))
    for i in frequent:
        scripts = _scripts(bare[i])
        if scripts <= letters.keys() and not UNUSED.fullmatch(bare[i]):
            script = min(scripts, key=letters.__getitem__, default="")
            rank[script] += 1
            places.append((rank[script] * total / letters[script] if script else rank[script], i))
    return [i for _, i in sorted(places)]


def _least_likely(model: Mapping[str, Any]) -> set[int]:
    """The piece whose score those of unknown characters follow, if there are scores."""
    vocabulary = model["vocab"]
    return set() if isinstance(vocabulary, dict) else {min(range(len(vocabulary)), key=lambda i: vocabulary[i][1])}


def _with_parts(model: Mapping[str, Any], kept: Collection[int]) -> set[int]:
    """These pieces and all that they are merged from, whichever way."""
    parts: dict[int, list[int]] = {}
    for left, right, whole in _merges(model):
        parts.setdefault(whole, []).extend((left, right))
    found, waiting = set(kept), list(kept)
    while waiting:
        fresh = set(parts.get(waiting.pop(), ())) - found
        found |= fresh
        waiting += fresh
    return found


def _merges(model: Mapping[str, Any]) -> Iterator[tuple[int, int, int]]:
    """The ids of both parts and of the whole of each merge; none but for byte-pair encoding."""
    vocabulary, inside = model["vocab"], model.get("continuing_subword_prefix") or ""
    for left, right in model.get("merges", ()):
        yield vocabulary[left], vocabulary[right], vocabulary[left + right.removeprefix(inside)]


def _only(model: dict[str, Any], place_of: Mapping[int, int]) -> dict[str, Any]:
    """A tokenizer's model with those pieces alone, and their new ids."""
    vocabulary = model["vocab"]
    if not isinstance(vocabulary, dict):
        kept = [piece for i, piece in enumerate(vocabulary) if i in place_of]
        return model | {"vocab": kept, "unk_id": place_of[model["unk_id"]]}
    held = {piece: place_of[i] for piece, i in vocabulary.items() if i in place_of}
    if "merges" not in model:
        return model | {"vocab": held}
    pairs = zip(model["merges"], _merges(model), strict=True)
    return model | {"vocab": held, "merges": [pair for pair, ids in pairs if all(i in place_of for i in ids)]}
