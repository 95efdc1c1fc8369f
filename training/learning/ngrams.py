"""An exact dictionary of token n-grams, found again inside the graph from token ids alone.

An n-gram is known by its prefix's place in the level below and its last token: key = place * vocabulary + token,
which fits int32, has no collisions, and prunes as Agrawal and Srikant 1994 do ("Fast Algorithms for Mining
Association Rules"): an n-gram can be kept only if its prefix was. Each level is a perfect hash of its keys, and an
n-gram's place is its slot there: the graph finds it in a fixed number of steps, however many there are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.learning.perfect_hash import EMPTY, LARGEST_GAP, Ids, PerfectHash, arrange

INT32_MAX = 2**31 - 1


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
        found = [ids.astype(np.int64)]
        for order, level in enumerate(self.levels, 2):
            candidates, present = _candidates(ids, found[-1], order, self.vocabulary)
            found.append(np.where(present, level.find(candidates), 0))
        return np.stack(found, axis=1).astype(np.int32)

    def rows_of(self, places: Ids) -> Ids:
        """Places [n, levels, length] -> rows of the dictionary, 0 for none."""
        offsets = np.array([0, *(offset - 1 for offset in self.offsets)], np.int32)
        return np.where(places > 0, places + offsets[: places.shape[1], None], 0)


def learn(ids: Ids, vocabulary: int, orders: int, most: int, least_texts: int) -> NgramDictionary:
    """Collects the n-grams up to `orders` that stand in at least `least_texts` texts, `most` with the tokens at most.

    Over that number, the most frequent of the last level that fits are kept. `ids` is [n, length].
    """
    texts = np.broadcast_to(np.arange(len(ids))[:, None], ids.shape)
    frequency = [_document_frequency(texts, ids.astype(np.int64), ids > 0, np.arange(vocabulary))]
    levels: list[PerfectHash] = []
    places, rows = ids.astype(np.int64), vocabulary
    for order in range(2, orders + 1):
        candidates, present = _candidates(ids, places, order, vocabulary)
        keys = np.unique(candidates[present])
        counts = _document_frequency(texts, candidates, present, keys)
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
        places = np.where(present, levels[-1].find(candidates), 0)
    return NgramDictionary(vocabulary, tuple(levels), np.concatenate(frequency))


def pad(ids: Sequence[Sequence[int]], length: int) -> Ids:
    """Token ids of n texts -> int32 [n, length], padded with zeros; of longer texts the beginning."""
    padded = np.zeros((len(ids), length), np.int32)
    for row, tokens in zip(padded, ids, strict=True):
        row[: len(tokens)] = tokens[:length]
    return padded


def _candidates(
    ids: Ids, places: NDArray[np.int64], order: int, vocabulary: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The key of the n-gram that starts at each position, and whether its prefix is known and its end is there."""
    last = np.zeros(ids.shape, np.int64)
    last[:, : ids.shape[1] - order + 1] = ids[:, order - 1 :]
    return places * vocabulary + last, (places > 0) & (last > 0)


def _document_frequency(
    texts: NDArray[np.int64], candidates: NDArray[np.int64], present: NDArray[np.bool_], keys: NDArray[np.int64]
) -> NDArray[np.int64]:
    """In how many texts each of the sorted keys stands."""
    if not len(keys):
        return np.zeros(0, np.int64)
    index = np.searchsorted(keys, candidates[present])
    pairs = np.unique(texts[present] * len(keys) + index)
    return np.bincount(pairs % len(keys), minlength=len(keys))
