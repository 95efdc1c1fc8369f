"""Texts that are longer than what a network reads at once: a window after the other, and the mean of what it says."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


class Windows(NamedTuple):
    """Token ids that stand for n texts, and where each text's first window stands; None if each text is one."""

    ids: Sequence[Sequence[int]]
    starts: NDArray[np.int64] | None

    @classmethod
    def of(cls, ids: Sequence[Sequence[int]], longest: int) -> "Windows":
        """As few windows a text as hold it, of about the same length: a short last one would count as much as others.

        None is longer than `longest`.
        """
        counts = [-(-len(row) // longest) for row in ids]
        if max(counts, default=0) <= 1:
            return cls(ids, None)
        found: list[Sequence[int]] = []
        starts = []
        for row, count in zip(ids, counts, strict=True):
            starts.append(len(found))
            found += [row[len(row) * i // count : len(row) * (i + 1) // count] for i in range(count)] or [row]
        return cls(found, np.array(starts))

    def pooled(self, said: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is said of windows -> its mean by text [n, width]."""
        if self.starts is None:
            return said
        counts = np.diff(self.starts, append=len(said))[:, None]
        means: NDArray[np.float32] = (np.add.reduceat(said, self.starts, axis=0) / counts).astype(np.float32)
        return means
