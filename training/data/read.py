"""Labelled texts: reading them, cleaning them, splitting them."""

import csv
import gzip
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.errors import InputError

SUFFIXES = (".csv", ".tsv", ".jsonl")
HELD_OUT_SHARE = 0.1
SEPARATOR = "|"
_SPACES = re.compile(r"\s+")
# JSON can escape them alone, Unicode knows them in pairs only.
_SURROGATE = re.compile("[\ud800-\udfff]")


class Example(NamedTuple):
    """One labelled text and the line it came from."""

    text: str
    label: str
    line: int = 0


class Columns(NamedTuple):
    """How to find the columns: `names` are those of a file that has no header; no label column is an empty one."""

    text: str = "text"
    label: str = "label"
    names: tuple[str, ...] = ()


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
    """Reads a .csv, .tsv or .jsonl file, each also as .gz, in UTF-8.

    Raises InputError that names the file and the line.
    """
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    if not suffixes or suffixes[-1] not in SUFFIXES:
        raise InputError(f"{path} is none of {', '.join(SUFFIXES)} (or these with .gz); rename or convert it.")
    rows = _json_rows(path) if suffixes[-1] == ".jsonl" else _table_rows(path, suffixes[-1], columns)
    examples = []
    for number, row in rows:
        text = _cell(path, number, row, columns.text)
        label = _cell(path, number, row, columns.label) if columns.label else ""
        if columns.label and not label.strip():
            raise InputError(f"{path} line {number}: the {columns.label!r} column is empty; every text needs one.")
        examples.append(Example(squeeze(text), label.strip(), number))
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


def _lines(path: Path) -> Iterator[str]:
    """Decodes line by line, so that an error can name the line."""
    number = 0
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            for number, line in enumerate(file, 1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path.") from None
    except UnicodeDecodeError:
        raise InputError(
            f"{path} line {number} is not UTF-8; convert the file, for example: iconv -f GB18030 -t UTF-8."
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read after line {number}: {error}; fetch it again.") from None


def _table_rows(path: Path, suffix: str, columns: Columns) -> Iterator[tuple[int, dict[str, str]]]:
    csv.field_size_limit(2**31 - 1)
    if suffix == ".csv":
        reader = csv.reader(_lines(path), strict=True)
    else:
        reader = csv.reader(_lines(path), delimiter="\t", quoting=csv.QUOTE_NONE)
    try:
        names = list(columns.names) or [name.strip() for name in next(reader, [])]
        for wanted in (columns.text, columns.label):
            if names and wanted and wanted not in names:
                raise InputError(
                    f"{path} has no column {wanted!r}, only: {', '.join(names)[:200]}; name the columns with "
                    "--text-column and --label-column, or with --columns label,text if there is no header."
                )
        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                raise InputError(
                    f"{path} line {reader.line_num} has {len(row)} fields instead of {len(names)}; "
                    "check its separators and quotes."
                )
            yield reader.line_num, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise InputError(f"{path} line {reader.line_num} is not valid {suffix[1:].upper()}: {error}.") from None


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} line {number} is not JSON: {error}.") from None
        if not isinstance(row, dict):
            raise InputError(f"{path} line {number} is not a JSON object with text and label.")
        yield number, row


def _cell(path: Path, number: int, row: dict[str, object] | dict[str, str], name: str) -> str:
    value = row.get(name)
    if value is None:
        raise InputError(f"{path} line {number} has no {name!r}, only: {', '.join(row)[:200]}.")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{path} line {number}: {name!r} is not a text but {json.dumps(value)[:50]}.")
    if "\0" in str(value):
        raise InputError(f"{path} line {number} holds a NUL byte; the file is damaged or is not text.")
    if _SURROGATE.search(str(value)):
        raise InputError(f"{path} line {number} holds half of a surrogate pair, which is no character; remove it.")
    return str(value)
