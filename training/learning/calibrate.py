"""Confidences that mean what they say: a temperature, and the threshold from which an answer is certain."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from handler.model.activation import activate, label_thresholds, least_sure, probabilities
from handler.model.bundle import Manifest

Floats = NDArray[np.float64]

# Of the prior of log T: the deviation at which log loss and calibration error on fresh texts were least, over 102
# trainings with 16 to 640 labelled texts of three sets (1, of 0.5, 1, 2, 3 and none).
PRIOR_DEVIATION = 1.0
# Fewer than are served: a quantised model moves a probability by more than their last one.
THRESHOLD_DIGITS = 4
# How often in 100 the share of right answers is at least what is said.
SURE = 95
# The threshold that no confidence reaches.
NEVER = 2.0
BINS = 15
HALF, ZERO = np.array([0.5]), np.zeros(1)
LOWEST, HIGHEST = 1e-4, 1e4  # which nothing reaches, thanks to the prior


def smoothing(texts: int, labels: int) -> float:
    """How much of each answer is left to chance, so that none is surer than so many development texts can justify.

    With a share e of the uniform distribution mixed in, no probability is above 1 - e + e / labels, which is made to be
    (n + 1) / (n + 2): the chance that the next answer is right if n of n were (Laplace's rule of succession).
    """
    return labels / ((labels - 1) * (texts + 2))


def temperature(logits: NDArray[np.float32], targets: NDArray[np.int64], activation: str, smoothed: float = 0) -> float:
    """The most probable temperature T > 0 of the activated and smoothed logits / T, given the targets.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", with a prior: log T is normal around 0. Few texts
    hardly move it, and none, however easy, drive T towards 0; many outweigh it. Found by golden-section search over
    log T, about the best of a grid. Targets are label indices [n], or 0 and 1 [n, labels]. Gives 1.0 for no texts.
    """
    if len(targets) == 0:
        return 1.0

    def loss(log_scale: float) -> float:
        likelihood = targets.size * log_loss(activate(logits, activation, np.exp(log_scale), smoothed), targets)
        return likelihood + log_scale**2 / (2 * PRIOR_DEVIATION**2)

    ratio = (np.sqrt(5) - 1) / 2
    grid = np.linspace(np.log(LOWEST), np.log(HIGHEST), 75)
    best = int(np.argmin([loss(point) for point in grid]))
    low, high = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def calibrated(
    manifest: Manifest, logits: NDArray[np.float32], targets: NDArray[Any], precision: float, cuts: Floats = ZERO
) -> Manifest:
    """The manifest with temperature, smoothing and thresholds that suit logits on texts not trained on.

    Of the answers that are certain, so many should be right; without texts to tell by none is certain. `cuts` are the
    logits from which several labels apply.
    """
    if manifest.activation not in ("sigmoid", "softmax", "independent"):
        return manifest
    data = manifest.data | {"calibrated_on_texts": len(targets)}
    manifest = msgspec.structs.replace(manifest, data=data, precision=precision)
    if not len(targets):
        return msgspec.structs.replace(manifest, threshold=NEVER)
    choices = 2 if manifest.activation == "independent" else len(manifest.labels)
    smoothed = round(smoothing(len(targets), choices), 6)
    scale = round(temperature(logits, targets, manifest.activation, smoothed), 6)
    manifest = msgspec.structs.replace(manifest, temperature=scale, smoothing=smoothed)
    if manifest.activation == "independent":
        thresholds = probabilities(manifest, cuts[None].astype(np.float32))[0].round(6).tolist()
        manifest = msgspec.structs.replace(manifest, label_thresholds=thresholds)
    confidence, wrong = confidence_and_errors(probabilities(manifest, logits), targets, label_thresholds(manifest))
    return msgspec.structs.replace(manifest, threshold=threshold(confidence, wrong, precision))


def confidence_and_errors(
    predicted: Floats, targets: NDArray[np.int64], applies: Floats = HALF
) -> tuple[Floats, NDArray[np.bool_]]:
    """Of probabilities [n, labels]: how sure each answer is, and whether it is wrong.

    For 0 and 1 targets [n, labels], labels applying from the probabilities `applies`, an answer is as sure as the least
    sure of its labels, and wrong if one is.
    """
    if targets.ndim == 2:
        return least_sure(predicted, applies), np.any((predicted >= applies) != (targets > 0), axis=1)
    return predicted.max(axis=1), predicted.argmax(axis=1) != targets


def threshold(confidence: Floats, wrong: NDArray[np.bool_], precision: float) -> float:
    """The lowest confidence from which so large a share of answers is right, which SURE times in 100 is so; or NEVER.

    Rounded down, so that the texts it was chosen on are certain whatever is rounded after.
    """
    steps = 10**THRESHOLD_DIGITS
    levels = np.floor(confidence * steps) / steps
    order = np.argsort(-levels, kind="stable")
    levels, right = levels[order], np.cumsum(~wrong[order])
    last_of_level = np.append(np.flatnonzero(np.diff(levels)), len(levels) - 1)[: len(levels)]
    bound = lower_bound(right[last_of_level], last_of_level + 1)
    good = last_of_level[bound >= precision]
    return float(levels[good[-1]]) if len(good) else NEVER


def lower_bound(right: NDArray[np.int64], of: NDArray[np.int64]) -> Floats:
    """What the share of right answers is at least, SURE times in 100, if so many of so many were right.

    One-sided: Clopper and Pearson 1934, "The Use of Confidence or Fiducial Limits Illustrated in the Case of the
    Binomial". 29 of 29 make it 90 %.
    """
    from scipy.special import betaincinv

    bound: Floats = betaincinv(np.maximum(right, 1), of - right + 1, 1 - SURE / 100)
    return np.where(right > 0, bound, 0.0)


def expected_calibration_error(predicted: Floats, targets: NDArray[np.int64], applies: Floats = HALF) -> float:
    """The mean gap between confidence and accuracy over equal-width bins (Naeini et al. 2015)."""
    rows = reliability(predicted, targets, applies)
    return sum(abs(row["right"] - row["confidence"]) * row["texts"] for row in rows) / len(targets)


def reliability(
    predicted: Floats, targets: NDArray[np.int64], applies: Floats = HALF, bins: int = BINS
) -> list[dict[str, float]]:
    """Per bin of confidence that is not empty: mean confidence, share of right answers, number of texts."""
    confidence, wrong = confidence_and_errors(predicted, targets, applies)
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
