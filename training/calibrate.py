"""Confidences that mean what they say: a temperature, and a threshold under which an answer is uncertain."""

import numpy as np
from numpy.typing import NDArray

from handler.classifier import activate

Floats = NDArray[np.float64]


def temperature(logits: NDArray[np.float32], targets: NDArray[np.int64], activation: str) -> float:
    """The temperature T > 0 that minimises the mean negative log-likelihood of softmax(logits / T).

    Guo et al. 2017, "On Calibration of Modern Neural Networks"; found by golden-section search over log T
    in [1/20, 20]. Gives 1.0 for no texts.
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


def threshold(predicted: Floats, targets: NDArray[np.int64]) -> float:
    """The confidence from which answers are wrong at most half as often as over all texts.

    `predicted` are probabilities [n, labels]. At least half of the texts stay certain, so that a model that
    cannot halve its errors does not call everything uncertain. Gives 0.0 for no texts.
    """
    if len(targets) == 0:
        return 0.0
    confidence, wrong = predicted.max(axis=1), predicted.argmax(axis=1) != targets
    order = np.argsort(-confidence, kind="stable")
    risk = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    half = (len(order) - 1) // 2
    good = np.flatnonzero(risk <= risk[-1] / 2)
    last = max(half, int(good[-1]) if len(good) else half)
    return float(confidence[order[last]])


def expected_calibration_error(predicted: Floats, targets: NDArray[np.int64], bins: int = 15) -> float:
    """The mean gap between confidence and accuracy over equal-width bins (Naeini et al. 2015)."""
    confidence, right = predicted.max(axis=1), predicted.argmax(axis=1) == targets
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(float(np.sum(right[index == i]) - np.sum(confidence[index == i]))) for i in range(bins)]
    return sum(gaps) / len(targets)


def log_loss(predicted: Floats, targets: NDArray[np.int64]) -> float:
    """The mean negative logarithm of the probability [n, labels] that the right label was given."""
    chosen = predicted[np.arange(len(targets)), targets]
    return float(-np.mean(np.log(np.maximum(chosen, 1e-12))))
