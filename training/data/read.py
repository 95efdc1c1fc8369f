"""Labelled texts: reading them, cleaning them, splitting them."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.data.formats.any_file import rows_of
from training.data.formats.rows import Columns, cell
from training.errors import InputError

HELD_OUT_SHARE = 0.1
SEPARATOR = "|"
_SPACES = re.compile(r"\s+")


class Example(NamedTuple):
    """One labelled text and the line it came from."""

    text: str
    label: str
    line: int = 0


@dataclass
class Cleaning:
    """What cleaning removed, in rows."""

    read: int = 0
    blank: int = 0
    duplicates: int = 0
    conflicting: int = 0


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


class Kind(Enum):
    """What the label column holds."""

    LABEL = "one label"
    LABELS = "labels with | between them"
    NUMBER = "a number"
    NOTHING = "nothing that counts"

    @property
    def named(self) -> bool:
        """Whether the column holds labels."""
        return self in (Kind.LABEL, Kind.LABELS)

    def labels_of(self, examples: Iterable[Example]) -> list[str]:
        """The distinct labels, sorted; none for numbers."""
        if not self.named:
            return []
        return sorted({label for example in examples for label in self.split(example.label)})

    def split(self, label: str) -> list[str]:
        """The labels that a label column's value names."""
        return label.split(SEPARATOR) if self is Kind.LABELS else [label]


DEFAULT_COLUMNS = Columns()


def read(path: Path, columns: Columns = DEFAULT_COLUMNS) -> list[Example]:
    """Reads a file of labelled texts, of any format in training/data/formats/.

    Raises InputError that names the file and the line.
    """
    examples = []
    for row in rows_of(path, columns):
        text = cell(path, row, columns.text)
        label = cell(path, row, columns.label) if columns.label else ""
        if columns.label and not label.strip():
            raise InputError(f"{path} line {row[0]}: the {columns.label!r} column is empty; every text needs one.")
        examples.append(Example(squeeze(text), label.strip(), row[0]))
    if not examples:
        raise InputError(f"{path} holds no labelled texts; give a file with the columns text and label.")
    return examples


def squeeze(text: str) -> str:
    """Makes runs of white space one space, so that texts that differ in nothing else count as the same."""
    return _SPACES.sub(" ", text).strip()


def clean(examples: Iterable[Example], cleaning: Cleaning) -> list[Example]:
    """Drops blank texts, exact duplicates, and every text that carries two labels; counts what it drops."""
    labels_of: dict[str, set[str]] = {}
    rows = list(examples)
    for example in rows:
        labels_of.setdefault(example.text, set()).add(example.label)
    kept: dict[str, Example] = {}
    for example in rows:
        if not example.text:
            cleaning.blank += 1
        elif len(labels_of[example.text]) > 1:
            cleaning.conflicting += 1
        elif example.text in kept:
            cleaning.duplicates += 1
        else:
            kept[example.text] = example
    cleaning.read += len(rows)
    return list(kept.values())


def make_splits(
    train: list[Example], dev: list[Example] | None, test: list[Example] | None, seed: int, kind: Kind = Kind.LABEL
) -> Splits:
    """Cleans the training examples and holds some out, stratified by label, for each of dev and test not given.

    Given dev and test files stay as they are. Raises InputError if there are fewer than two labels, or if a label
    was held out that is never trained on.
    """
    cleaning = Cleaning()
    kept = clean(train, cleaning)
    generator = np.random.default_rng(seed)
    strata = [example.label if kind.named else "" for example in kept]
    held: dict[str, list[Example]] = {}
    for name, given, share in (("test", test, HELD_OUT_SHARE), ("dev", dev, HELD_OUT_SHARE / (1 - HELD_OUT_SHARE))):
        if given is None and kind is Kind.NOTHING:
            held[name] = []
        elif given is None:
            taken = _hold_out(strata, share, generator)
            held[name] = [example for i, example in enumerate(kept) if i in taken]
            kept = [example for i, example in enumerate(kept) if i not in taken]
            strata = [stratum for i, stratum in enumerate(strata) if i not in taken]
        else:
            held[name] = given
    labels = kind.labels_of(kept)
    if kind.named and len(labels) < 2:
        raise InputError(
            f"The training texts carry {len(labels)} distinct label(s) ({', '.join(labels)}), "
            "and a classifier needs at least two; check the label column."
        )
    if kind.named:
        for name, where in (("dev", "the development set"), ("test", "the test set")):
            check_labels(held[name], labels, where, kind)
    return Splits(kept, held["dev"], held["test"], labels, cleaning)


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


def fingerprint(examples: Iterable[Example]) -> str:
    """A hash of the set of (label, text), whatever their order: 16 hexadecimal digits."""
    digests = sorted(hashlib.sha256(f"{e.label}\t{e.text}".encode()).digest() for e in examples)
    return hashlib.sha256(b"".join(digests)).hexdigest()[:16]


def _hold_out(strata: Sequence[str], share: float, generator: np.random.Generator) -> set[int]:
    """Chooses the same share of each stratum, rounded to the nearest; none loses its last example."""
    quota = {name: min(round(count * share), count - 1) for name, count in sorted(Counter(strata).items())}
    taken = set()
    for i in generator.permutation(len(strata)).tolist():
        if quota[strata[i]] > 0:
            quota[strata[i]] -= 1
            taken.add(i)
    return taken
