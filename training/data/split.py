"""Labelled texts, made fit to train on: copies are dropped, numbers settled, and some texts held out.

Texts are alike if they differ in nothing but case, width, spaces and punctuation. Of texts that are alike one is kept,
so that none of them is trained on while another is held out.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.data.numbers import Usual, mean_number, numbers
from training.data.read import Example, Kind
from training.errors import InputError

HELD_OUT_SHARE = 0.1


@dataclass
class Cleaning:
    """What cleaning removed, in rows; and the lines of the numbers that it changed, with what those far out became."""

    read: int = 0
    blank: int = 0
    duplicates: int = 0
    conflicting: int = 0
    averaged: list[int] = field(default_factory=list)
    far_out: list[int] = field(default_factory=list)
    usual: Usual | None = None


@dataclass
class Splits:
    """Training, development and test examples; development and test may be empty on tiny data.

    `labels` are those of the training part, sorted: the output order of the model. Numbers have none.
    """

    train: list[Example]
    dev: list[Example]
    test: list[Example]
    labels: list[str]
    cleaning: Cleaning = field(default_factory=Cleaning)
    kind: Kind = Kind.LABEL


class _Core(dict[int, str | None]):
    """By code point, the characters that make a text what it is: letters, their marks, digits, pictures like emoji."""

    def __missing__(self, code: int) -> str | None:
        category = unicodedata.category(chr(code))
        self[code] = chr(code) if category[0] in "LMN" or category == "So" else None
        return self[code]


_CORE = _Core()


def core(text: str) -> str:
    """A text without case, width, spaces and punctuation: what is left alike is a copy.

    Of a text that is nothing else, all of it is left.
    """
    folded = unicodedata.normalize("NFKC", text).lower()
    return folded.translate(_CORE) or folded


def clean(examples: Iterable[Example], cleaning: Cleaning, kind: Kind = Kind.LABEL) -> list[Example]:
    """Of texts that are alike keeps the first, or none if they carry two labels; drops blank texts. Counts it all.

    Numbers far out become the nearest of the others; texts that are alike get the mean of their numbers. Raises
    InputError for a number that is none.
    """
    rows = [example._replace(label=kind.canonical(example.label)) for example in examples]
    cleaning.read += len(rows)
    if kind is Kind.NUMBER:
        rows = _settle(rows, cleaning)
    groups: dict[str, list[Example]] = {}
    for example in rows:
        if example.text:
            groups.setdefault(core(example.text), []).append(example)
        else:
            cleaning.blank += 1
    kept = []
    for alike in groups.values():
        if len({kind.meaning(example.label) for example in alike}) == 1:
            kept.append(alike[0])
        elif kind is Kind.NUMBER:
            kept.append(alike[0]._replace(label=mean_number(alike)))
            cleaning.averaged += [example.line for example in alike]
        else:
            cleaning.conflicting += len(alike)
            continue
        cleaning.duplicates += len(alike) - 1
    return kept


def make_splits(
    train: list[Example],
    dev: list[Example] | None,
    test: list[Example] | None,
    seed: int,
    kind: Kind = Kind.LABEL,
    few: int = 0,
) -> Splits:
    """Cleans the training examples and holds some out, stratified by label, for each of dev and test not given.

    Given dev and test files stay as they are, but for numbers far out in dev, which is only chosen on. Of fewer than
    `few` texts none is held out for dev. Raises InputError if there are fewer than two labels, or if a label was held
    out that is never trained on.
    """
    cleaning = Cleaning()
    kept = clean(train, cleaning, kind)
    if cleaning.usual and dev:
        dev = cleaning.usual.bring_near(dev)
    generator = np.random.default_rng(seed)
    held: dict[str, list[Example]] = {}
    for name, given, share in (("test", test, HELD_OUT_SHARE), ("dev", dev, HELD_OUT_SHARE / (1 - HELD_OUT_SHARE))):
        if given is None and (kind is Kind.NOTHING or (name == "dev" and len(kept) < few)):
            held[name] = []
        elif given is None:
            taken = hold_out(*numbered(kept, kind), share, generator)
            held[name] = [example for example, out in zip(kept, taken, strict=True) if out]
            kept = [example for example, out in zip(kept, taken, strict=True) if not out]
        else:
            held[name] = [example._replace(label=kind.canonical(example.label)) for example in given]
    labels = kind.labels_of(kept)
    if kind.named and len(labels) < 2:
        raise InputError(
            f"The training texts carry {len(labels)} distinct label(s) ({', '.join(labels)}), "
            "and a classifier needs at least two; check the label column."
        )
    if kind.named:
        for name, where in (("dev", "the development set"), ("test", "the test set")):
            check_labels(held[name], labels, where, kind)
    return Splits(kept, held["dev"], held["test"], labels, cleaning, kind)


def check_labels(examples: Iterable[Example], labels: Sequence[str], where: str, kind: Kind = Kind.LABEL) -> None:
    """Raises InputError for the first label that is none of those trained on."""
    known = set(labels)
    for example in examples:
        for label in kind.split(example.label):
            if label not in known:
                line = f" line {example.line}" if example.line else ""
                raise InputError(
                    f"In {where}{line}, the label {label!r} was never seen in training; "
                    f"the labels are: {', '.join(labels[:20])}."
                )


def _settle(rows: list[Example], cleaning: Cleaning) -> list[Example]:
    """Rows without a number that is far out."""
    cleaning.usual = Usual.of(numbers(rows))
    cleaning.far_out = [example.line for example in rows if not cleaning.usual.holds(example)]
    return cleaning.usual.bring_near(rows)


def numbered(examples: Sequence[Example], kind: Kind) -> tuple[NDArray[np.int32], list[list[str]]]:
    """By number, which of the sets of labels each example has, and these sets."""
    numbers_of: dict[str, int] = {}
    labels = (example.label if kind.named else "" for example in examples)
    codes = np.fromiter((numbers_of.setdefault(label, len(numbers_of)) for label in labels), np.int32, len(examples))
    return codes, [kind.split(label) if kind.named else [label] for label in numbers_of]


def hold_out(
    codes: NDArray[np.int32], sets: Sequence[Sequence[str]], share: float, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Chooses the same share of each label, rounded to the nearest; none loses its last example.

    A text with several labels counts for the rarest of them, since few texts with all of the same labels may be there.
    Texts are told by the numbers of their sets of labels [n]; gives whether each is held out [n].
    """
    counts = np.bincount(codes, minlength=len(sets)).tolist()
    left = Counter[str]()
    for labels, count in zip(sets, counts, strict=True):
        left.update(dict.fromkeys(labels, count))
    strata = [min(labels, key=lambda label: (left[label], label), default="") for labels in sets]
    quota = Counter[str]()
    for stratum, count in zip(strata, counts, strict=True):
        quota[stratum] += count
    quota = Counter({stratum: round(count * share) for stratum, count in quota.items()})
    taken = np.zeros(len(codes), np.bool_)
    for i in generator.permutation(len(codes)):
        labels, stratum = sets[codes[i]], strata[codes[i]]
        if quota[stratum] > 0 and all(left[label] > 1 for label in labels):
            quota[stratum] -= 1
            left.subtract(labels)
            taken[i] = True
    return taken
