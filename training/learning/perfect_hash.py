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
# More would take longer to find displacements for, fewer a larger table of them.
KEYS_A_BUCKET = 4


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
    order = np.lexsort((keys, keys % buckets))
    bucket, home = keys[order] % buckets, keys[order] % slots
    sizes = np.bincount(bucket, minlength=buckets)
    starts = np.cumsum(sizes) - sizes
    fullest = np.argsort(-sizes, kind="stable")
    shared, occupied = np.count_nonzero(sizes > 1), np.count_nonzero(sizes)
    free, found = np.ones(slots, np.bool_), np.zeros(buckets, np.int32)
    for one in fullest[:shared]:
        homes = home[starts[one] : starts[one] + sizes[one]]
        shift = _shift(homes, free, first=int(one)) if len(set(homes.tolist())) == len(homes) else None
        if shift is None:
            return None
        free[(homes + shift) % slots] = False
        found[one] = shift
    alone = fullest[shared:occupied]
    found[alone] = np.flatnonzero(free)[: len(alone)] - home[starts[alone]]
    return np.where(found > 0, found - slots, found)


def _shift(homes: NDArray[Any], free: NDArray[np.bool_], first: int) -> int | None:
    """The first number from `first` on, round and round, that takes all homes to free slots; None if there is none."""
    slots, start, at_once = len(free), 0, 16
    while start < slots:
        tried = (first + np.arange(start, start + at_once)) % slots
        fits = free[(homes[:, None] + tried) % slots].all(axis=0)
        if fits.any():
            return int(tried[fits.argmax()])
        start, at_once = start + at_once, min(4 * at_once, 4096)
    return None


def _primes(least: int) -> Iterator[int]:
    """The primes from `least` on."""
    for number in count(max(2, least)):
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            yield number
