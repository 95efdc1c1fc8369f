"""Token ids of a plain text from those of its pieces, which the tokenizer itself gave once: texts repeat their words.

A text is plain if the tokenizer's normalizer treats each of its characters alone as it does beside the others, and if
its spaces are single and inside. Its pieces end where no token reaches across: before a space, and around each Han
character where the tokenizer takes those one by one. Any other text is for the tokenizer.
"""

import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from tokenizers import Tokenizer

# Scripts in which no normal form depends on a neighbour: no marks that join, no halves of syllables.
HAN = "\u4e00-\u9fff"
OTHER = (
    "!-~\u00b7\u00c0-\u017f\u0400-\u045f\u2014\u2018\u2019\u201c\u201d\u2026\u3001-\u3003\u3007-\u3011"
    "\u3041-\u3096\u30a1-\u30fa\u30fc\uac00-\ud7a3\uff01-\uff5e"
)
LONGEST_PIECE, LONGEST_TEXT = 40, 1_000
# 20 MB if each is as long as it may be.
MOST_PIECES = 32_768
# Asking for one costs as much as asking for some dozen.
ASKED_TOGETHER = 64
ANCHOR = "\u4e00"
FIRST = "\n"  # marks the piece that begins a text; no plain text holds it
# As tokenizer.json has it where the project trained the tokenizer.
OWN_NORMALIZER = '"normalizers":[{"type":"NFKC"},{"type":"Lowercase"},{"type":"Replace"'
MERGES = '"merges":'
ISOLATES_HAN = (r"\\p{Han}", '"handle_chinese_chars":true')


def isolates_han(tokenizer: str) -> bool:
    """Whether a tokenizer.json reads Han characters one by one: it says so, or none is in a pair that is merged."""
    _, merges, pairs = tokenizer.partition(MERGES)
    alone = OWN_NORMALIZER in tokenizer and merges and not re.search(f"[{HAN}]", pairs)
    return bool(alone) or any(sign in tokenizer for sign in ISOLATES_HAN)


class Pieces:
    """A bounded memory from pieces to their ids, or None for one that has none; the tokenizer fills it."""

    def __init__(self, tokenizer: Tokenizer, isolates_han: bool) -> None:
        self._tokenizer = tokenizer
        run, han = (OTHER, f" ?[{HAN}]|") if isolates_han else (HAN + OTHER, "")
        self._piece = re.compile(f"{han} ?[{run}]{{1,{LONGEST_PIECE}}}(?![{run}])")
        self._known: dict[str, list[int] | None] = {}
        self._new: set[str] = set()

    def ids(self, texts: Sequence[str]) -> list[list[int] | None]:
        """The ids of each text, however many; None for one that the tokenizer has to read."""
        # One text after the other, so that its pieces are still in the processor's cache when they are looked up.
        found = list(map(self._ids, texts))
        if len(self._new) >= ASKED_TOGETHER:
            self._learn()
            return [self._ids(text) if ids is None else ids for text, ids in zip(texts, found, strict=True)]
        return found

    def _ids(self, text: str) -> list[int] | None:
        if len(text) > LONGEST_TEXT or text[:1] == " ":
            return None
        pieces = self._piece.findall(text)
        if not pieces or len("".join(pieces)) != len(text):  # what is in no piece is not plain
            return None
        pieces[0] = FIRST + pieces[0]
        known: Callable[[str], Any] = self._known.__getitem__
        try:
            return list(chain.from_iterable(map(known, pieces)))
        except KeyError:
            self._new.update(piece for piece in pieces if piece not in self._known)
        except TypeError:  # one is known to have no ids
            pass
        return None

    def _learn(self) -> None:
        """Asks for the new pieces: for one within a text behind an anchor, whose own ids are left out.

        A piece that by itself fills the model has no ids: the tokenizer cuts what it says of it.
        """
        # A copy: another thread may still add to the set.
        new, self._new = tuple(self._new), set()
        if len(self._known) + len(new) > MOST_PIECES:
            self._known.clear()
        texts = [piece[1:] if piece[0] == FIRST else ANCHOR + piece for piece in new]
        anchor, *read = self._tokenizer.encode_batch_fast([ANCHOR, *texts], add_special_tokens=False)
        for piece, encoding in zip(new, read, strict=True):
            ids = encoding.ids if piece[0] == FIRST else encoding.ids[len(anchor.ids) :]
            self._known[piece] = None if encoding.overflowing else ids
