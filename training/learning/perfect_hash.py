"""A perfect hash: each of n distinct keys has a slot of its own, found by two divisions and two look-ups.

Compress, hash and displace: Belazzougui, Botelho and Dietzfelbinger 2009. A key's bucket is its remainder by a prime,
its slot the remainder by another of the key plus its bucket's displacement. A graph of int32 operations can compute
that: nothing is multiplied, so nothing overflows. Primes, because keys are products plus a token, and a number of
slots that shares a factor with the product would hear of the token only; a few slots therefore stay empty.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
EMPTY = -1
# Of a number below 2**31 and the next prime.
LARGEST_GAP = 292
# More leave fewer slots for pairs to find, and of n-grams that end alike many pairs look for the same; fewer take a
# larger table of displacements.
KEYS_A_BUCKET = 3
STRIDE, TRIED_AT_ONCE = 7919, 4096


class PerfectHash(NamedTuple):
    """`keys` int32 [slots], EMPTY for none; `displacements` int32 [buckets], from 1 - slots to 0: no sum overflows."""

    keys: Ids
    displacements: Ids

    def find(self, wanted: NDArray[Any]) -> NDArray[Any]:
        """The slot of each of the wanted >= 0, from 1; 0 for what is no key. In the graph: `layers.NgramLookup`."""
        slots = (wanted + self.displacements[wanted % len(self.displacements)]) % len(self.keys)
        return np.where(self.keys[slots] == wanted, slots + 1, 0)


def arrange(keys: Ids) -> PerfectHash:
    """Gives each of some distinct keys >= 0 a slot; the same keys always get the same."""
    slots = next(_primes(len(keys)))
    # With a bucket for each value there is nothing left to displace, so that this ends.
    tried = (_displacements(keys, slots, n) for n in _primes(len(keys) // KEYS_A_BUCKET) if n != slots)
    displacements = next(found for found in tried if found is not None)
    by_slot = np.full(slots, EMPTY, np.int32)
    by_slot[(keys + displacements[keys % len(displacements)]) % slots] = keys
    return PerfectHash(by_slot, displacements)


def _displacements(keys: Ids, slots: int, buckets: int) -> Ids | None:
    """A displacement for each bucket with which no two keys meet, fullest first; None if there is none for one."""
    order = np.lexsort((keys % slots, keys % buckets))
    bucket, home = keys[order] % buckets, keys[order] % slots
    if np.any((np.diff(bucket) == 0) & (np.diff(home) == 0)):
        return None
    sizes = np.bincount(bucket, minlength=buckets)
    starts = np.cumsum(sizes) - sizes
    free, found = np.ones(slots, np.bool_), np.zeros(buckets, np.int32)
    for size in range(sizes.max(), 1, -1):
        alike = np.flatnonzero(sizes == size)
        shifts = _shifts(home[starts[alike][:, None] + np.arange(size)], free)
        if shifts is None:
            return None
        found[alike] = shifts
    alone = np.flatnonzero(sizes == 1)
    found[alone] = np.flatnonzero(free)[: len(alone)] - home[starts[alone]]
    return np.where(found > 0, found - slots, found)


def _shifts(homes: NDArray[Any], free: NDArray[np.bool_]) -> NDArray[Any] | None:
    """For each row of homes [buckets, size] a number that takes all of them to free slots, which it takes from `free`.

    None if there is none for one. Each bucket tries all numbers, in an order of its own, many at a time.
    """
    slots, size = len(free), homes.shape[1]
    stride = 1 + STRIDE % (slots - 1)  # no multiple of a prime number of slots
    shifts, waiting, turn, before = np.zeros(len(homes), np.int64), np.arange(len(homes)), 0, len(homes) + 1
    while len(waiting):
        if turn >= slots:
            if len(waiting) == before:
                return None
            turn, before = 0, len(waiting)
        turns = np.arange(turn, turn + max(1, TRIED_AT_ONCE // len(waiting)))
        turn += len(turns)
        tried = (waiting[:, None] + turns * stride) % slots
        fits = free[(homes[waiting][:, None] + tried[..., None]) % slots].all(axis=2)
        able = np.flatnonzero(fits.any(axis=1))
        chosen = tried[able, fits[able].argmax(axis=1)]
        places = (homes[waiting[able]] + chosen[:, None]) % slots
        # Of those that want the same slot, the first has it.
        _, first = np.unique(places, return_index=True)
        wins = np.bincount(first // size, minlength=len(able)) == size
        free[places[wins]] = False
        shifts[waiting[able[wins]]] = chosen[wins]
        waiting = np.delete(waiting, able[wins])
    return shifts


def _primes(least: int) -> Iterator[int]:
    """The primes from `least` on."""
    for number in count(max(2, least)):
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            yield number
