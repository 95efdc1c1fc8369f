"""An exact dictionary of token n-grams, found again inside the graph from token ids alone.

An n-gram is known by its prefix's place in the level below and its last token: key = place * vocabulary + token,
which fits int32, has no collisions, and prunes as Agrawal and Srikant 1994 do ("Fast Algorithms for Mining
Association Rules"): an n-gram can be kept only if its prefix was. Each level is a perfect hash of its keys, and an
n-gram's place is its slot there: the graph finds it in a fixed number of steps, however many there are.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.learning.perfect_hash import EMPTY, LARGEST_GAP, Ids, PerfectHash, arrange

INT32_MAX = 2**31 - 1
# Each takes some dozen bytes while it is looked at.
PLACES_AT_ONCE = 1 << 22


class NgramDictionary(NamedTuple):
    """Rows: 0 for none, then the tokens at their ids, then the kept n-grams level by level.

    `levels` holds the keys of bigrams, of trigrams and so on, `document_frequency` the number of training texts that
    hold each row's n-gram: 0 for a slot that stays empty.
    """

    vocabulary: int
    levels: tuple[PerfectHash, ...]
    document_frequency: NDArray[np.int64]

    @property
    def rows(self) -> int:
        return len(self.document_frequency)

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Which rows stand for no n-gram."""
        tokens = np.arange(self.vocabulary) == 0
        return np.concatenate([tokens, *(level.keys == EMPTY for level in self.levels)])

    @property
    def offsets(self) -> list[int]:
        """The row of each level's first n-gram."""
        sizes = [self.vocabulary, *(len(level.keys) for level in self.levels)]
        return [sum(sizes[:level]) for level in range(1, len(sizes))]

    def places(self, ids: Ids) -> Ids:
        """Token ids [n, length], padded with 0 -> [n, levels, length]: the id, then each level's place or 0.

        This is what the graph computes (`layers.NgramLookup`), in NumPy.
        """
        found = [ids.astype(np.int32)]
        for order, level in enumerate(self.levels, 2):
            candidates, present = _candidates(ids, found[-1], order, self.vocabulary)
            found.append(_found(level, candidates, present))
        return np.stack(found, axis=1)

    def rows_of(self, places: Ids) -> Ids:
        """Places [n, levels, length] -> rows of the dictionary, 0 for none."""
        offsets = np.array([0, *(offset - 1 for offset in self.offsets)], np.int32)
        return np.where(places > 0, places + offsets[: places.shape[1], None], 0)


def learn(ids: Ids, vocabulary: int, orders: int, most: int, least_texts: int) -> NgramDictionary:
    """Collects the n-grams up to `orders` that stand in at least `least_texts` texts, `most` with the tokens at most.

    Over that number, the most frequent of the last level that fits are kept. `ids` is [n, length].
    """
    blocks = list(some_at_once(ids))
    tokens, counts = _document_frequency((ids[block], ids[block] > 0) for block in blocks)
    frequency = [np.zeros(vocabulary, np.int64)]
    frequency[0][tokens] = counts
    levels: list[PerfectHash] = []
    places, rows = ids, vocabulary
    for order in range(2, orders + 1):
        keys, counts = _document_frequency(_candidates(ids[b], places[b], order, vocabulary) for b in blocks)
        kept = np.flatnonzero(counts >= least_texts)
        # The next level's keys must fit int32 too.
        room = min(most - rows, INT32_MAX // vocabulary - 1 - LARGEST_GAP)
        if len(kept) > room:
            kept = np.sort(kept[np.argsort(-counts[kept], kind="stable")[: max(0, room)]])
        if not len(kept):
            break
        levels.append(arrange(keys[kept].astype(np.int32)))
        slots = levels[-1].keys
        frequency.append(np.where(slots == EMPTY, 0, counts[np.searchsorted(keys, slots)]))
        rows += len(kept)
        found = [_found(levels[-1], *_candidates(ids[b], places[b], order, vocabulary)) for b in blocks]
        places = np.concatenate(found)
    return NgramDictionary(vocabulary, tuple(levels), np.concatenate(frequency))


def pad(ids: Sequence[Sequence[int]], length: int) -> Ids:
    """Token ids of n texts -> int32 [n, length], padded with zeros; of longer texts the beginning."""
    padded = np.zeros((len(ids), length), np.int32)
    for row, tokens in zip(padded, ids, strict=True):
        row[: len(tokens)] = tokens[:length]
    return padded


def some_at_once(ids: Ids) -> Iterator[slice]:
    """Rows of token ids [n, length], some at a time: of a million texts, numbers about each place take gigabytes."""
    texts = max(1, PLACES_AT_ONCE // max(1, ids.shape[1]))
    return (slice(first, first + texts) for first in range(0, max(1, len(ids)), texts))


def _found(level: PerfectHash, candidates: NDArray[np.int64], present: NDArray[np.bool_]) -> Ids:
    return np.where(present, level.find(candidates), 0).astype(np.int32)


def _candidates(ids: Ids, places: Ids, order: int, vocabulary: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The key of the n-gram that starts at each position, and whether its prefix is known and its end is there."""
    last = np.zeros(ids.shape, np.int64)
    last[:, : ids.shape[1] - order + 1] = ids[:, order - 1 :]
    return places.astype(np.int64) * vocabulary + last, (places > 0) & (last > 0)


def _document_frequency(
    blocks: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The keys that are present, sorted, and in how many texts each stands, from keys of texts [n, length] by block."""
    found = []
    for candidates, present in blocks:
        keys, index = np.unique(candidates[present], return_inverse=True)
        pairs = np.unique(np.nonzero(present)[0] * len(keys) + index)
        found.append((keys.astype(np.int64), np.bincount(pairs % max(1, len(keys)), minlength=len(keys))))
    if len(found) == 1:
        return found[0]
    keys, index = np.unique(np.concatenate([keys for keys, _ in found]), return_inverse=True)
    counts = np.bincount(index, np.concatenate([counts for _, counts in found]), minlength=len(keys))
    return keys, counts.astype(np.int64)
