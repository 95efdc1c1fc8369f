"""From which probability each of several labels applies."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

# As if so many more texts with a label had asked for the common threshold.
RARE = 20
# Thresholds are looked for at so many quantiles of the probabilities.
POINTS = 200


def f1_by_label(truth: NDArray[np.bool_], answered: NDArray[np.bool_]) -> Floats:
    """F1 = 2 TP / (2 TP + FP + FN) of each label, from [n, labels]; 0 where nothing is there and nothing was found."""
    hits, both = np.sum(truth & answered, axis=0), np.sum(truth, axis=0) + np.sum(answered, axis=0)
    scores: Floats = 2 * hits / np.maximum(both, 1)
    return scores


def choose_thresholds(scores: Floats, truth: NDArray[np.bool_]) -> Floats:
    """The score from which each label applies [labels], given scores and which labels apply [n, labels].

    Each label's own threshold has the best F1 on these texts. It is drawn towards the one that has the best mean F1 as
    that of all labels: the rarer a label, the more, since a best of few is mostly chance.
    """
    grid = np.unique(np.quantile(scores, np.linspace(0, 1, POINTS + 1)))
    table = np.array([f1_by_label(truth, scores >= point) for point in grid])
    common, own = grid[int(table.mean(axis=1).argmax())], grid[table.argmax(axis=0)]
    texts = truth.sum(axis=0)
    drawn: Floats = (texts * own + RARE * common) / (texts + RARE)
    return drawn
