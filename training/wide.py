"""A linear model over exact n-grams with Naive Bayes scaling, the wide part of `hybrid`.

Features are counts times inverse document frequency, of unit length. Each weight is w = s v, where s is the absolute
log-count ratio of its n-gram for the label against the rest, and v is regularised: Wang and Manning 2012,
"Baselines and Bigrams". The loss is the squared hinge, one label against the rest, as in Fan et al. 2008,
"LIBLINEAR"; for numbers it is the squared error. Minimised as in Keerthi and DeCoste 2005, "A Modified Finite Newton
Method for Fast Solution of Large Scale Linear SVMs", several times as fast here as L-BFGS.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.ngrams import Ids, NgramDictionary

NEWTON_STEPS, GRADIENT_STEPS, HALVINGS = 30, 30, 20
TOLERANCE = 2e-3
TINY = 1e-30

Floats = NDArray[np.floating[Any]]


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
    from scipy import sparse

    matrix, inverse = features.matrix, features.inverse_frequency
    scale = np.ones((matrix.shape[1], signs.shape[1]))
    if not squared_error:
        ratio = np.abs(_log_count_ratio(matrix, signs > 0))
        scale = share * ratio + (1 - share) * ratio[1:].mean(axis=0)
    with_bias = sparse.hstack([matrix, np.ones((matrix.shape[0], 1))]).tocsr()
    scale = np.vstack([scale, np.ones(signs.shape[1])])
    found = _minimise(with_bias, scale, signs, squared_error, cost) * scale
    return Wide(found[:-1] * inverse[:, None], inverse**2, found[-1])


def _minimise(matrix: Any, scale: Floats, signs: Floats, squared_error: bool, cost: float) -> Floats:
    """The free weights v [rows, width] that minimise |v|^2 / 2 + cost * sum of squared gaps, each column by itself.

    Newton's method over the texts that have a gap, each step found by conjugate gradients, all columns at once.
    """
    matrix, scale, signs = matrix.astype(np.float32), scale.astype(np.float32), signs.astype(np.float32)
    transposed = matrix.T.tocsr()

    def gaps(output: Floats) -> Floats:
        return output - signs if squared_error else np.minimum(signs * output - 1, 0) * signs

    def values(free: Floats, output: Floats) -> Floats:
        total: Floats = 0.5 * np.sum(free**2, axis=0) + cost * np.sum(gaps(output) ** 2, axis=0)
        return total

    free, output = np.zeros_like(scale), np.zeros_like(signs)
    first: Floats | None = None
    for _ in range(NEWTON_STEPS):
        gap = gaps(output)
        gradient = free + 2 * cost * scale * (transposed @ gap)
        norm = np.linalg.norm(gradient, axis=0)
        first = norm if first is None else first
        if np.all(norm <= TOLERANCE * first):
            break
        counted = 2 * cost * (gap != 0).astype(np.float32)

        def curve(direction: Floats, counted: Floats = counted) -> Floats:
            product: Floats = matrix @ (scale * direction)
            curved: Floats = direction + scale * (transposed @ (counted * product))
            return curved

        near = np.minimum(0.1, np.sqrt(norm / np.maximum(first, TINY))) * norm
        direction = _conjugate_gradients(curve, -gradient, near)
        change = matrix @ (scale * direction)
        needed = 1e-4 * np.sum(gradient * direction, axis=0)
        size, before = np.ones_like(norm), values(free, output)
        for _ in range(HALVINGS):
            too_far = values(free + size * direction, output + size * change) > before + size * needed
            if not too_far.any():
                break
            size = np.where(too_far, size / 2, size)
        free, output = free + size * direction, output + size * change
    found: Floats = free.astype(np.float64)
    return found


def _conjugate_gradients(curve: Callable[[Floats], Floats], target: Floats, near: Floats) -> Floats:
    """Solves curve(x) = target [rows, width], each column by itself, until the residuals are as small as `near`."""
    found, residual, direction = np.zeros_like(target), target.copy(), target.copy()
    squares = np.sum(residual**2, axis=0)
    for _ in range(GRADIENT_STEPS):
        curved = curve(direction)
        length = squares / np.maximum(np.sum(direction * curved, axis=0), TINY)
        found += length * direction
        residual -= length * curved
        left = np.sum(residual**2, axis=0)
        if np.all(np.sqrt(left) <= near):
            break
        direction = residual + left / np.maximum(squares, TINY) * direction
        squares = left
    return found


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
