"""A file too large to hold, split into files to train with: read twice in a stream, with some bytes held of each row.

Which rows are copies, and which of them are held out, is told by the hash of a text and the number of its label, and is
what `split.make_splits` tells by the texts themselves.
"""

import csv
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.data.files import Opened
from training.data.formats.rows import Missing
from training.data.labels import MOST_LABELS, check_looks_of
from training.data.read import Kind
from training.data.split import HELD_OUT_SHARE, core, hold_out
from training.errors import InputError

PARTS = ("train", "dev", "test", "unlabelled")
TRAIN, DEV, TEST, UNLABELLED, NOWHERE = range(5)
# Of so many texts one has the hash of another in a case of 400,000: 8 bytes tell ten million.
HASH_BYTES = 8
LACKS = -1


class Told(NamedTuple):
    """What is held of each row that is not blank: the hash of its text [n], the number of its labels [n] or LACKS."""

    hashes: NDArray[np.uint64]
    codes: NDArray[np.int32]
    labels: list[str]
    read: int
    blank: int


class Split(NamedTuple):
    """How many rows were read, what was left out of them, how many went where, and the labels to train on."""

    read: int
    blank: int
    duplicates: int
    conflicting: int
    parts: dict[str, int]
    labels: list[str]


def look(opened: Opened, kind: Kind, source: str) -> Told:
    """Reads all rows once. Raises InputError, also for labels that look like ids and texts that are all alike."""
    hashes, codes = array("Q"), array("i")
    numbers_of: dict[str, int] = {}
    texts: set[str] = set()
    read = blank = 0
    for example, lacks in opened.rows():
        read += 1
        if not example.text:
            blank += 1
            continue
        if len(texts) < 3:
            texts.add(example.text)
        digest = blake2b(core(example.text).encode(), digest_size=HASH_BYTES).digest()
        hashes.append(int.from_bytes(digest, "little"))
        codes.append(LACKS if lacks else numbers_of.setdefault(kind.canonical(example.label), len(numbers_of)))
        if kind is Kind.LABEL and len(numbers_of) > MOST_LABELS:
            break
    labels = list(numbers_of)
    check_looks_of(texts, sorted(labels) if kind is Kind.LABEL else [], len(hashes), source)
    return Told(np.frombuffer(hashes, np.uint64), np.frombuffer(codes, np.int32), labels, read, blank)


def counts_of(told: Told, kind: Kind) -> Counter[str]:
    """How many rows carry each label."""
    counts: Counter[str] = Counter()
    for label, count in zip(told.labels, np.bincount(told.codes[told.codes != LACKS]).tolist(), strict=True):
        counts.update(dict.fromkeys(kind.split(label), count))
    return counts


def merge(told: Told, spell: Callable[[str], str]) -> Told:
    """The same with labels as they are to be spelled."""
    spelled = list(map(spell, told.labels))
    numbers_of = {label: number for number, label in enumerate(dict.fromkeys(spelled))}
    renumbered = np.array([numbers_of[label] for label in spelled] + [LACKS], np.int32)
    return told._replace(codes=renumbered[told.codes], labels=list(numbers_of))


def places(told: Told, kind: Kind, seed: int, missing: Missing) -> tuple[NDArray[np.int8], Split]:
    """Where each row goes [n], and what that comes to. Raises InputError if fewer than two labels are left."""
    where = np.full(len(told.codes), NOWHERE, np.int8)
    if missing is Missing.UNLABELLED:
        where[told.codes == LACKS] = UNLABELLED
    labelled = np.flatnonzero(told.codes != LACKS)
    first, conflicting, duplicates = _first_of_alike(told.hashes[labelled], told.codes[labelled])
    kept = labelled[first]
    generator = np.random.default_rng(seed)
    sets = [kind.split(label) for label in told.labels]
    for part, share in ((TEST, HELD_OUT_SHARE), (DEV, HELD_OUT_SHARE / (1 - HELD_OUT_SHARE))):
        taken = hold_out(told.codes[kept], sets, share, generator)
        where[kept[taken]] = part
        kept = kept[~taken]
    where[kept] = TRAIN
    labels = sorted({label for code in np.unique(told.codes[kept]) for label in sets[code]})
    if len(labels) < 2:
        raise InputError(
            f"The texts carry {len(labels)} distinct label(s) ({', '.join(labels)}), and a classifier needs at least "
            "two; check the label column."
        )
    counts = {part: int((where == number).sum()) for number, part in enumerate(PARTS)}
    return where, Split(told.read, told.blank, duplicates, conflicting, counts, labels)


def _first_of_alike(hashes: NDArray[np.uint64], codes: NDArray[np.int32]) -> tuple[NDArray[np.intp], int, int]:
    """The first row of those that are alike, in order, unless these have two labels; rows of such, and copies."""
    order = np.argsort(hashes, kind="stable")
    begins = np.flatnonzero(np.append(True, hashes[order][1:] != hashes[order][:-1])[: len(order)])
    if not len(order):
        return order, 0, 0
    sizes = np.diff(np.append(begins, len(order)))
    told = codes[order]
    agree = np.minimum.reduceat(told, begins) == np.maximum.reduceat(told, begins)
    first = np.sort(order[begins[agree]])
    return first, int(sizes[~agree].sum()), int((sizes[agree] - 1).sum())


def write(opened: Opened, where: NDArray[np.int8], spell: Callable[[str], str], directory: Path) -> None:
    """Reads all rows again, and writes each to its part; the files appear when all of them are whole.

    `spell` gives a label as it is to be written. Raises InputError if they cannot be written.
    """
    spell = cache(spell)
    there = [part for number, part in enumerate(PARTS) if (where == number).any()]
    try:
        with tempfile.TemporaryDirectory(dir=directory, prefix=".split-") as temporary, ExitStack() as stack:
            writers: dict[int, Any] = {}
            for part in there:
                file = stack.enter_context(Path(temporary, f"{part}.csv").open("w", encoding="utf-8", newline=""))
                writers[PARTS.index(part)] = writer = csv.writer(file)
                writer.writerow(("text", "label"))
            place = 0
            for example, lacks in opened.rows():
                if not example.text:
                    continue
                if (number := int(where[place])) != NOWHERE:
                    writers[number].writerow((example.text, "" if lacks else spell(example.label)))
                place += 1
            stack.pop_all().close()
            for part in there:
                Path(temporary, f"{part}.csv").replace(directory / f"{part}.csv")
    except OSError as error:
        raise InputError(f"{directory} cannot be written to: {error.strerror}; choose another --output.") from None
