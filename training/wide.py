"""A linear model over exact n-grams with Naive Bayes scaling, the wide part of `hybrid`.

Features are counts times inverse document frequency, of unit length. Each weight is w = s v, where s is the absolute
log-count ratio of its n-gram for the label against the rest, and v is regularised: Wang and Manning 2012,
"Baselines and Bigrams". The loss is the squared hinge, one label against the rest, as in Fan et al. 2008,
"LIBLINEAR"; for numbers it is the squared error. Minimised by L-BFGS (Liu and Nocedal 1989).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.ngrams import Ids, NgramDictionary

ITERATIONS = 150
TOLERANCE = 2e-3

Floats = NDArray[np.float64]


class Wide(NamedTuple):
    """Weights [rows, width], whose scale holds the inverse document frequency, and bias [width].

    score = sum of the weights of a text's n-grams / sqrt(sum of their squared_frequency) + bias
    """

    weights: Floats
    squared_frequency: Floats
    bias: Floats


class Features(NamedTuple):
    """Texts as a sparse matrix [texts, rows] of unit rows, and what made it."""

    matrix: Any
    inverse_frequency: Floats


def featurize(dictionary: NgramDictionary, ids: Ids, texts_trained_on: int) -> Features:
    """Token ids [n, length], padded with 0 -> features; row 0 (none) counts nothing."""
    from scipy import sparse

    smoothed = (1 + texts_trained_on) / (1 + dictionary.document_frequency)
    inverse = np.log(smoothed) + 1.0
    inverse[0] = 0.0
    flat = dictionary.rows_of(dictionary.places(ids)).reshape(len(ids), ids.shape[1] * (1 + len(dictionary.keys)))
    text, position = np.nonzero(flat)
    columns = flat[text, position]
    # The length is over occurrences, not distinct n-grams: the graph then needs no de-duplication.
    squares = np.bincount(text, inverse[columns] ** 2, minlength=len(ids))
    values = inverse[columns] / np.sqrt(np.maximum(squares, 1e-12))[text]
    matrix = sparse.csr_matrix((values, (text, columns)), shape=(len(ids), dictionary.rows))
    return Features(matrix, inverse)


def fit_wide(features: Features, signs: Floats, squared_error: bool, cost: float, share: float) -> Wide:
    """Finds the weights. `signs` are -1 or 1 [n, width], or numbers if `squared_error`.

    `cost` weighs errors against regularisation; `share` is how much of the scale is Naive Bayes, the rest uniform.
    """
    from scipy.optimize import minimize

    matrix, transposed = features.matrix, features.matrix.T.tocsr()
    scale = np.ones((matrix.shape[1], signs.shape[1]))
    if not squared_error:
        ratio = np.abs(_log_count_ratio(matrix, signs > 0))
        scale = share * ratio + (1 - share) * ratio[1:].mean(axis=0)
    size, width = scale.shape
    norms: list[float] = []

    def objective(flat: Floats) -> tuple[float, Floats]:
        free, bias = flat[:-width].reshape(size, width), flat[-width:]
        output = matrix @ (free * scale) + bias
        gap = output - signs if squared_error else np.minimum(signs * output - 1.0, 0.0) * signs
        value = 0.5 * float(flat @ flat) + cost * float(np.sum(gap * gap))
        slope = 2 * cost * gap
        gradient = np.concatenate([(free + scale * (transposed @ slope)).ravel(), bias + slope.sum(axis=0)])
        norms.append(float(np.linalg.norm(gradient)))
        return value, gradient

    def stop_when_flat(_: Floats) -> None:
        if norms[-1] < TOLERANCE * norms[0]:
            raise StopIteration

    start = np.zeros(size * width + width)
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", callback=stop_when_flat, options={"maxiter": ITERATIONS}
    ).x
    weights = found[:-width].reshape(size, width) * scale * features.inverse_frequency[:, None]
    return Wide(weights, features.inverse_frequency**2, found[-width:])


def score_wide(features: Features, wide: Wide) -> Floats:
    """Scores [n, width] of featurized texts."""
    inverse = np.where(features.inverse_frequency > 0, features.inverse_frequency, 1.0)
    scores: Floats = features.matrix @ (wide.weights / inverse[:, None]) + wide.bias
    return scores


def _log_count_ratio(matrix: Any, positive: NDArray[np.bool_]) -> Floats:
    """log of an n-gram's share among a label's texts over that among the rest, add-one smoothed: [rows, width]."""
    held = matrix.copy()
    held.data = np.ones_like(held.data)
    counts = held.T @ positive.astype(np.float64)
    total = np.asarray(held.sum(axis=0)).reshape(-1, 1)
    inside, outside = 1.0 + counts, 1.0 + total - counts
    ratio: Floats = np.log((inside / inside.sum(axis=0)) / (outside / outside.sum(axis=0)))
    return ratio
