"""A linear head on given vectors: logistic regression, or ridge regression for numbers.

Minimises |W|^2 / 2 + cost * the sum of the losses of all texts, the bias being free: Hoerl and Kennard 1970, "Ridge
Regression"; Cox 1958, "The Regression Analysis of Binary Sequences". Few texts fix a head that descends by steps no
better than chance; this one is found exactly.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

STEPS = 500


class Head(NamedTuple):
    """Logits are (vectors [n, in] - centre [in]) @ kernel [in, out] + bias [out].

    Vectors of texts have much in common, beside which what tells them apart is small.
    """

    centre: Floats
    kernel: Floats
    bias: Floats

    def logits(self, vectors: Floats) -> NDArray[np.float32]:
        """float32 [n, out]."""
        found: NDArray[np.float32] = ((vectors - self.centre) @ self.kernel + self.bias).astype(np.float32)
        return found


def fit_head(vectors: Floats, wanted: Floats, importance: Floats, activation: str, cost: float) -> Head:
    """Finds the head that says `wanted`: probabilities or numbers [n, out], for vectors [n, in].

    `importance` is how much each text counts [n], and `activation` that of `handler.model.classifier.activate`. The
    vectors may lie anywhere, and be of any length: they are centred, and a deviation of 1 is theirs on average.
    """
    centre = vectors.mean(axis=0)
    deviation = float(np.sqrt(np.mean((vectors - centre) ** 2))) or 1.0
    scaled = ((vectors - centre) / deviation).astype(np.float64)
    solve = _ridge if activation == "identity" else _logistic
    weights, bias = solve(scaled, wanted.astype(np.float64), importance.astype(np.float64), activation, cost)
    return Head(centre, weights / deviation, bias)


def _ridge(vectors: Floats, wanted: Floats, importance: Floats, _: str, cost: float) -> tuple[Floats, Floats]:
    mean = np.average(wanted, axis=0, weights=importance)
    weighted = vectors * importance[:, None]
    pull = np.eye(vectors.shape[1]) / (2 * cost)
    weights = np.linalg.solve(vectors.T @ weighted + pull, weighted.T @ (wanted - mean))
    return weights, mean


def _logistic(
    vectors: Floats, wanted: Floats, importance: Floats, activation: str, cost: float
) -> tuple[Floats, Floats]:
    from scipy.optimize import minimize
    from scipy.special import expit, log_softmax, softmax

    rows, columns = vectors.shape[1], wanted.shape[1]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights, bias = np.split(flat.reshape(rows + 1, columns), [rows])
        logits = vectors @ weights + bias
        if activation == "softmax":
            losses, gaps = -(wanted * log_softmax(logits, axis=1)).sum(axis=1), softmax(logits, axis=1) - wanted
        else:
            losses, gaps = (np.logaddexp(0, logits) - wanted * logits).sum(axis=1), expit(logits) - wanted
        gaps *= cost * importance[:, None]
        slope = np.vstack([weights + vectors.T @ gaps, gaps.sum(axis=0)])
        return 0.5 * float(np.sum(weights**2)) + cost * float(importance @ losses), slope.ravel()

    found = minimize(loss, np.zeros((rows + 1) * columns), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
    weights, bias = np.split(found.reshape(rows + 1, columns), [rows])
    return weights, bias[0]
