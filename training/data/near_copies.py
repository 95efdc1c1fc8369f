"""Texts that are nearly the same, in time that grows with their number and not with its square.

Texts are compared by the characters that make them (`split.core`), three in a row: two are near copies if they share
LIKE of what either has (Jaccard). Candidates agree in a band of their signatures: Broder 1997, "On the Resemblance and
Containment of Documents", for min-hashes, and Indyk and Motwani 1998, "Approximate Nearest Neighbors", for bands.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.data.split import core

LIKE = 0.6
IN_A_ROW = 3
# Of two texts that share LIKE, 99 of 100 agree in a band at least.
BANDS, HASHES_A_BAND = 20, 3
# Of a longer text the beginning is compared; so many characters are hashed together.
LONGEST, AT_ONCE = 5_000, 1_000_000

Hashes = NDArray[np.uint64]


class NearCopy(NamedTuple):
    """A text, the earlier one that it is most like, both by number from 0, and the share that they have in common."""

    text: int
    earlier: int
    share: float


def near_copies(texts: Sequence[str], known: int = 0) -> list[NearCopy]:
    """Of each text the earlier one that it is most like, as far as signatures tell, if any; the most alike first.

    Where so many at the beginning are `known`, only the others are looked at, and only beside these. A text has at most
    two candidates for each band, and is compared until one is alike, so that one phrase in all texts makes it no
    slower.
    """
    cores = [core(text)[:LONGEST] or "\0" for text in texts]
    found: dict[int, NearCopy] = {}
    for earlier, text in _candidates(_signatures(cores)).tolist():
        if text in found or (known and not earlier < known <= text):
            continue
        first, second = _rows(cores[earlier]), _rows(cores[text])
        share = len(first & second) / len(first | second)
        if share >= LIKE:
            found[text] = NearCopy(text, earlier, share)
    return sorted(found.values(), key=lambda near: (-near.share, near.text))


def _rows(told: str) -> set[str]:
    """Each run of IN_A_ROW characters; the end is marked, so that a text of one character has one too."""
    ended = told + "\0" * (IN_A_ROW - 1)
    return {ended[i : i + IN_A_ROW] for i in range(len(told))}


def _signatures(cores: Sequence[str]) -> NDArray[np.uint32]:
    """The least hash of each text's runs under each hash function [n, BANDS * HASHES_A_BAND]."""
    generator = np.random.default_rng(0)
    count = BANDS * HASHES_A_BAND
    multipliers = generator.integers(1, 2**63, count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    found = np.zeros((len(cores), count), np.uint32)
    for first, end in _parts(cores):
        lengths = np.array([len(told) for told in cores[first:end]])
        hashes = _hashes("".join(told + "\0" * (IN_A_ROW - 1) for told in cores[first:end]))
        ends = np.cumsum(lengths + IN_A_ROW - 1)
        starts = ends - lengths - IN_A_ROW + 1
        # What begins in the marks of an end belongs to no text.
        inside = np.ones(len(hashes), np.bool_)
        for mark in range(1, IN_A_ROW):
            inside[ends - mark] = False
        hashes = hashes[inside]
        starts -= np.arange(len(lengths)) * (IN_A_ROW - 1)
        for column, multiplier in enumerate(multipliers):
            shifted = ((hashes * multiplier) >> np.uint64(32)).astype(np.uint32)
            found[first:end, column] = np.minimum.reduceat(shifted, starts)
    return found


def _parts(cores: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Texts from one number up to another, about AT_ONCE characters together."""
    first, characters = 0, 0
    for number, told in enumerate(cores, 1):
        characters += len(told)
        if characters >= AT_ONCE or number == len(cores):
            yield first, number
            first, characters = number, 0


def _hashes(told: str) -> Hashes:
    """A hash of the run of characters that begins at each place; at the end it goes round."""
    codes = np.frombuffer(told.encode("utf-32-le"), np.uint32).astype(np.uint64)
    mixed = np.zeros(len(codes), np.uint64)
    for place in range(IN_A_ROW):
        mixed = (mixed << np.uint64(21)) | np.roll(codes, -place)
    return _mix(mixed)


def _mix(values: Hashes) -> Hashes:
    """Spreads numbers over 64 bits: the last steps of splitmix64 (Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _candidates(signatures: NDArray[np.uint32]) -> NDArray[Any]:
    """Pairs (earlier, later) that agree in a band [pairs, 2]: neighbours there, and each with the first of them.

    Those whose signatures agree most stand first.
    """
    pairs = [np.zeros((0, 2), np.int64)]
    for band in range(BANDS):
        columns = signatures[:, band * HASHES_A_BAND : (band + 1) * HASHES_A_BAND].astype(np.uint64)
        key = np.zeros(len(signatures), np.uint64)
        for column in columns.T:
            key = _mix(key * np.uint64(0x9E3779B97F4A7C15) + column)
        order = np.argsort(key, kind="stable")
        alike = np.append(False, key[order][1:] == key[order][:-1])
        firsts = order[np.maximum.accumulate(np.where(alike, 0, np.arange(len(order))))]
        rows = np.flatnonzero(alike)
        pairs += [np.stack([order[rows - 1], order[rows]], 1), np.stack([firsts[rows], order[rows]], 1)]
    unique = np.unique(np.concatenate(pairs), axis=0)
    agree = np.zeros(len(unique), np.int8)
    for column in signatures.T:
        agree += column[unique[:, 0]] == column[unique[:, 1]]
    return unique[np.argsort(-agree, kind="stable")]
