"""Logits -> what they mean: calibrated probabilities, distances or values, and which of several labels apply."""

import numpy as np
from numpy.typing import NDArray

from handler.model.bundle import Manifest


def probabilities(manifest: Manifest, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a bundle says where its network says these logits [n, width]."""
    return activate(logits, manifest.activation, manifest.temperature, manifest.smoothing)


def label_thresholds(manifest: Manifest) -> NDArray[np.float64]:
    """The probability [labels] from which each of several labels applies, or [1] of all."""
    return np.array(manifest.label_thresholds or [0.5])


def least_sure(predicted: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of probabilities [..., labels] that labels apply: how sure the least sure of the answers is, from 0.5 to 1.

    That is how far a probability is from its threshold, as a share of how far it can be: of 0.5, its distance from it.
    """
    room = np.where(predicted >= thresholds, 1 - thresholds, thresholds)
    sure: NDArray[np.float64] = 0.5 + 0.5 * (np.abs(predicted - thresholds) / room).min(axis=-1)
    return sure


def activate(
    logits: NDArray[np.float32], activation: str, temperature: float, smoothing: float = 0.0
) -> NDArray[np.float64]:
    """What a network's output [n, width] means: see `Manifest.activation`.

    Probabilities are calibrated by temperature scaling: Guo et al. 2017, "On Calibration of Modern Neural
    Networks", eq. 9; then `smoothing` of each is the uniform distribution's, which changes no ranking.
    """
    if activation in ("identity", "distance"):
        return logits.astype(np.float64)
    scaled = logits.astype(np.float64) / temperature
    if activation == "independent":
        independent: NDArray[np.float64] = np.exp(-np.logaddexp(0.0, -scaled))
        return (1 - smoothing) * independent + smoothing / 2
    if activation == "sigmoid":
        scaled = np.concatenate([np.zeros_like(scaled), scaled], axis=1)  # sigmoid(z) = softmax(0, z)
    # The methods `max` and `sum` are the same behind a function in Python, which one text notices.
    exponentials = np.exp(scaled - np.maximum.reduce(scaled, axis=1, keepdims=True))
    normalised: NDArray[np.float64] = exponentials / np.add.reduce(exponentials, axis=1, keepdims=True)
    smoothed: NDArray[np.float64] = (1 - smoothing) * normalised + smoothing / scaled.shape[1]
    return smoothed
