"""Labels that are numbers: reading them, and those so far out that a squared error would hear nothing else."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.data.read import Example
from training.errors import InputError

# From the median, in spreads: 13 deviations of normal numbers. Of lognormal ones, whose far ones are meant, 1 in 600.
FAR = 20


class Usual(NamedTuple):
    """The lowest and the highest number that is not far out."""

    lowest: float
    highest: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Usual":
        """Far out is what is FAR spreads from the median, a spread being the median distance of what is not there.

        A median hears nothing of how far out a few are: Hampel 1974, "The Influence Curve and its Role in Robust
        Estimation". Of the other numbers, so that a spread is not 0 where most numbers are the same.
        """
        distances = np.abs(values - np.median(values))
        away = distances[distances > 0]
        near = values[distances <= FAR * np.median(away)] if len(away) else values
        return cls(float(near.min()), float(near.max()))

    def holds(self, example: Example) -> bool:
        return self.lowest <= float(example.label) <= self.highest

    def bring_near(self, examples: Iterable[Example]) -> list[Example]:
        """The examples, with a number far out replaced by the nearest that is not: winsorised, Tukey 1962."""
        return [
            example
            if self.holds(example)
            else example._replace(label=repr(float(np.clip(float(example.label), *self))))
            for example in examples
        ]


def mean_number(examples: Sequence[Example]) -> str:
    """The mean of their numbers, as a label."""
    return repr(float(np.mean(numbers(examples))))


def numbers(examples: Iterable[Example]) -> NDArray[np.float64]:
    """The labels as numbers. Raises InputError for one that is none."""
    values = []
    for example in examples:
        try:
            values.append(float(example.label))
        except ValueError:
            values.append(np.nan)
        if not np.isfinite(values[-1]):
            raise InputError(
                f"Line {example.line}: {example.label!r} is not a number, and --task regress needs numbers; "
                "use --task classify for words."
            )
    return np.array(values)
