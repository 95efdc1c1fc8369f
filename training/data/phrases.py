"""Phrases that stand in half of the texts of a label and hardly elsewhere: what is not said about the subject.

A model learns such a phrase instead of the label: a signature, a heading, or the label itself, which fresh texts may
not have. Phrases grow unit by unit, since one is frequent only if its beginning and its end are: Agrawal and Srikant
1994, "Fast Algorithms for Mining Association Rules".
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from training.data.read import Example

INSIDE, OUTSIDE = 0.5, 0.05
FEWEST_TEXTS = 10
# So many texts of a label are looked at, of each the first and the last units, and so many phrases are told.
TEXTS, UNITS, LONGEST, TOLD = 500, 100, 50, 5
# Of a phrase within a longer one the longer is told, if it stands in nearly as many texts.
NEARLY = 0.9
# Han, kana and marks one by one; else words.
_UNIT = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+|[^\w\s]")
_END = "\0"


class Phrase(NamedTuple):
    """A phrase, the label in whose texts it stands, and in which share of them and of the others."""

    text: str
    label: str
    inside: float
    outside: float


def phrases(examples: Sequence[Example]) -> list[Phrase]:
    """The phrases of each label, the most telling first; at most TEXTS of its texts are looked at."""
    texts_of: dict[str, list[str]] = {}
    for example in examples:
        texts_of.setdefault(example.label, []).append(example.text)
    units_of = {label: [_units(text) for text in _some(texts)] for label, texts in texts_of.items()}
    whole_of = {label: [_key(units) for units in texts] for label, texts in units_of.items()}
    found = []
    for label, texts in units_of.items():
        others = [whole for other, wholes in whole_of.items() if other != label for whole in wholes]
        if len(texts) >= FEWEST_TEXTS and others:
            found += _of_label(label, texts, others)
    return found


def _of_label(label: str, texts: Sequence[list[str]], others: Sequence[str]) -> list[Phrase]:
    telling = {}
    for units, count in _frequent(texts).items():
        outside = sum(_key(units) in other for other in others) / len(others)
        if outside <= OUTSIDE:
            telling[units] = (count, outside)
    found = []
    for units, (count, outside) in sorted(telling.items(), key=lambda item: (-item[1][0] * len(item[0]), item[0])):
        if not any(
            _key(units) in _key(told) and telling[told][0] >= NEARLY * count for told in telling if told != units
        ):
            found.append(Phrase(_written(units), label, count / len(texts), outside))
    return found[:TOLD]


def _frequent(texts: Sequence[list[str]]) -> dict[tuple[str, ...], int]:
    """In how many texts each phrase stands that stands in INSIDE of them."""
    least = max(2, INSIDE * len(texts))
    frequent: dict[tuple[str, ...], int] = {}
    level: set[tuple[str, ...]] = set()
    for length in range(1, LONGEST + 1):
        counts: Counter[tuple[str, ...]] = Counter()
        for units in texts:
            runs = [tuple(units[i : i + length]) for i in range(len(units) - length + 1)]
            counts.update({run for run in runs if length == 1 or (run[:-1] in level and run[1:] in level)})
        level = {run for run, count in counts.items() if count >= least and run != (_END,)}
        if not level:
            break
        frequent |= {run: counts[run] for run in level}
    return frequent


def _some(texts: Sequence[str]) -> Sequence[str]:
    """At most TEXTS of the texts, from all over them."""
    return texts[:: -(-len(texts) // TEXTS)]


def _units(text: str) -> list[str]:
    """The first and the last units of a text, in small letters."""
    units = _UNIT.findall(text.lower())
    return units if len(units) <= 2 * UNITS else [*units[:UNITS], _END, *units[-UNITS:]]


def _key(units: Sequence[str]) -> str:
    """Units as one string, in which others can be looked for."""
    return f" {' '.join(units)} "


def _written(units: Sequence[str]) -> str:
    """Units as one would write them: with spaces between words of letters only."""
    written = " ".join(units)
    return re.sub(r"(?<![a-z0-9]) | (?![a-z0-9])", "", written) if not written.isascii() else written
