"""Confidences that mean what they say: a temperature, and a threshold under which an answer is uncertain."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handler.classifier import activate

Floats = NDArray[np.float64]


def temperature(logits: NDArray[np.float32], targets: NDArray[np.int64], activation: str) -> float:
    """The temperature T > 0 that minimises the mean negative log-likelihood of the activated logits / T.

    Guo et al. 2017, "On Calibration of Modern Neural Networks"; found by golden-section search over log T
    in [1/20, 20]. Targets are label indices [n], or 0 and 1 [n, labels]. Gives 1.0 for no texts.
    """
    if len(targets) == 0:
        return 1.0

    def loss(scale: float) -> float:
        return log_loss(activate(logits, activation, scale), targets)

    ratio = (np.sqrt(5) - 1) / 2
    low, high = np.log(1 / 20), np.log(20)
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(np.exp(left)) < loss(np.exp(right)):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def confidence_and_errors(predicted: Floats, targets: NDArray[np.int64]) -> tuple[Floats, NDArray[np.bool_]]:
    """Of probabilities [n, labels]: how sure each answer is, and whether it is wrong.

    For 0 and 1 targets [n, labels] an answer is as sure as the least sure of its labels, and wrong if one is.
    """
    if targets.ndim == 2:
        confidence: Floats = np.abs(predicted - 0.5).min(axis=1) + 0.5
        return confidence, np.any((predicted >= 0.5) != (targets > 0), axis=1)
    return predicted.max(axis=1), predicted.argmax(axis=1) != targets


def threshold(predicted: Floats, targets: NDArray[np.int64]) -> float:
    """The confidence from which answers are wrong at most half as often as over all texts.

    At least half of the texts stay certain, so that a model that cannot halve its errors does not call everything
    uncertain. Gives 0.0 for no texts.
    """
    if len(targets) == 0:
        return 0.0
    confidence, wrong = confidence_and_errors(predicted, targets)
    order = np.argsort(-confidence, kind="stable")
    risk = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    half = (len(order) - 1) // 2
    good = np.flatnonzero(risk <= risk[-1] / 2)
    last = max(half, int(good[-1]) if len(good) else half)
    return float(confidence[order[last]])


def expected_calibration_error(predicted: Floats, targets: NDArray[np.int64], bins: int = 15) -> float:
    """The mean gap between confidence and accuracy over equal-width bins (Naeini et al. 2015)."""
    return sum(
        abs(row["right"] - row["confidence"]) * row["texts"] for row in reliability(predicted, targets, bins)
    ) / (len(targets))


def reliability(predicted: Floats, targets: NDArray[np.int64], bins: int = 15) -> list[dict[str, float]]:
    """Per bin of confidence that is not empty: mean confidence, share of right answers, number of texts."""
    confidence, wrong = confidence_and_errors(predicted, targets)
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = []
    for i in np.unique(index):
        inside: Any = index == i
        mean, right = float(np.mean(confidence[inside])), float(np.mean(~wrong[inside]))
        rows.append({"confidence": mean, "right": right, "texts": float(np.sum(inside))})
    return rows


def log_loss(predicted: Floats, targets: NDArray[np.int64]) -> float:
    """The mean negative logarithm of the probability [n, labels] that the right answer was given."""
    if targets.ndim == 2:
        chosen = np.where(targets > 0, predicted, 1 - predicted)
    else:
        chosen = predicted[np.arange(len(targets)), targets]
    return float(-np.mean(np.log(np.maximum(chosen, 1e-12))))
