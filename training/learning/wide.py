"""A linear model over exact n-grams with Naive Bayes scaling, the wide part of `hybrid`.

Features are counts times inverse document frequency, of unit length. Each weight is w = s v, where s is the absolute
log-count ratio of its n-gram for the label against the rest, and v is regularised: Wang and Manning 2012,
"Baselines and Bigrams". The loss is the squared hinge, one label against the rest, as in Fan et al. 2008,
"LIBLINEAR"; for numbers it is the squared error. Minimised as in Keerthi and DeCoste 2005, "A Modified Finite Newton
Method for Fast Solution of Large Scale Linear SVMs", several times as fast here as L-BFGS.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.learning.dual import dual_weights
from training.learning.ngrams import NgramDictionary, some_at_once
from training.learning.perfect_hash import Ids

NEWTON_STEPS, GRADIENT_STEPS, HALVINGS = 30, 30, 20
TOLERANCE = 2e-3
# Labels that are solved for together: more do not fit the processor's caches.
AT_ONCE = 8
# Each takes the memory of its weights several times.
TOGETHER = 2
# So many are solved for by `dual_weights`, which is faster then.
MANY_LABELS = 100
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
    """Token ids [n, length], padded with 0 -> features; a row that stands for nothing counts nothing."""
    from scipy import sparse

    smoothed = (1 + texts_trained_on) / (1 + dictionary.document_frequency)
    inverse = np.log(smoothed) + 1.0
    inverse[dictionary.empty] = 0.0

    def rows_of(ids: Ids) -> Any:
        flat = dictionary.rows_of(dictionary.places(ids)).reshape(len(ids), ids.shape[1] * (1 + len(dictionary.levels)))
        text, position = np.nonzero(flat)
        columns = flat[text, position]
        # The length is over occurrences, not distinct n-grams: the graph then needs no de-duplication.
        squares = np.bincount(text, inverse[columns] ** 2, minlength=len(ids))
        values = inverse[columns] / np.sqrt(np.maximum(squares, 1e-12))[text]
        return sparse.csr_matrix((values, (text, columns)), shape=(len(ids), dictionary.rows))

    blocks = [rows_of(ids[block]) for block in some_at_once(ids)]
    return Features(blocks[0] if len(blocks) == 1 else sparse.vstack(blocks, "csr"), inverse)


def fit_wide(
    features: Features,
    signs: Floats,
    squared_error: bool,
    cost: float,
    share: float,
    importance: Floats | None = None,
) -> Wide:
    """Finds the weights. `signs` are -1 or 1 [n, width], or numbers if `squared_error`.

    `cost` weighs errors against regularisation, those of a text by its `importance` [n] too; `share` is how much of the
    scale is Naive Bayes, the rest uniform. Hundreds of labels have one scale.
    """
    from scipy import sparse

    matrix, inverse = features.matrix, features.inverse_frequency
    with_bias = sparse.hstack([matrix, np.ones((matrix.shape[0], 1))]).tocsr().astype(np.float32)
    costs = np.full((len(signs), 1), cost, np.float32) * (1 if importance is None else importance[:, None])
    if signs.shape[1] >= MANY_LABELS and not squared_error:
        weights = dual_weights(with_bias, signs, costs)
        return Wide(weights[:-1] * inverse[:, None].astype(np.float32), inverse**2, weights[-1])
    scale = np.ones((matrix.shape[1], signs.shape[1]))
    if not squared_error:
        ratio = np.abs(_log_count_ratio(matrix, signs > 0))
        scale = share * ratio + (1 - share) * ratio[1:].mean(axis=0)
    scale = np.vstack([scale, np.ones(signs.shape[1])]).astype(np.float32)
    problem = _Problem(with_bias.T.tocsr(), scale, signs.astype(np.float32, copy=False), squared_error, costs)
    found = np.hstack(_in_blocks(problem)).astype(np.float64) * scale
    return Wide(found[:-1] * inverse[:, None], inverse**2, found[-1])


class _Problem(NamedTuple):
    """|v|^2 / 2 + the sum of costs [n, 1] * squared gaps, over free weights v [rows, width], each column by itself."""

    transposed: Any
    scale: Floats
    signs: Floats
    squared_error: bool
    costs: Floats

    def columns(self, first: int, end: int) -> "_Problem":
        """The problem of some labels: each label's is a problem by itself."""
        return self._replace(scale=self.scale[:, first:end], signs=self.signs[:, first:end])

    def output(self, free: Floats) -> Floats:
        """What texts are given [n, width]. By n-gram, as the matrix is stored: by text takes three times as long."""
        found: Floats = self.transposed.T @ (self.scale * free)
        return found

    def back(self, slope: Floats) -> Floats:
        """The change of v that a change of the output [n, width] asks for: the transpose of `output`."""
        found: Floats = self.scale * (self.transposed @ slope)
        return found

    def gaps(self, output: Floats) -> Floats:
        """How far the output is from what it should be, with its sign."""
        if self.squared_error:
            return output - self.signs
        return np.minimum(self.signs * output - 1, 0) * self.signs

    def values(self, free: Floats, output: Floats) -> Floats:
        """What is minimised, by column."""
        total: Floats = 0.5 * np.sum(free**2, axis=0) + np.sum(self.costs * self.gaps(output) ** 2, axis=0)
        return total

    def step_size(self, free: Floats, output: Floats, step: Floats, change: Floats, slope: Floats) -> Floats:
        """The largest of 1, 1/2, 1/4, ... by which each column's step goes down enough (Armijo's condition)."""
        size, before = np.ones_like(slope), self.values(free, output)
        for _ in range(HALVINGS):
            too_far = self.values(free + size * step, output + size * change) > before + 1e-4 * size * slope
            if not too_far.any():
                break
            size = np.where(too_far, size / 2, size)
        return size


def _in_blocks(problem: _Problem) -> list[Floats]:
    """The labels' weights [rows, labels], in blocks of about the same size, AT_ONCE at most, two at a time."""
    labels = problem.signs.shape[1]
    ends = np.linspace(0, labels, 1 + max(min(labels, TOGETHER), -(-labels // AT_ONCE)), dtype=int).tolist()
    with ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(lambda block: _minimise(problem.columns(*block)), pairwise(ends)))


def _minimise(problem: _Problem) -> Floats:
    """Newton's method over the texts that have a gap, each step found by conjugate gradients, all columns at once."""
    free, output = np.zeros_like(problem.scale), np.zeros_like(problem.signs)
    first: Floats | None = None
    for _ in range(NEWTON_STEPS):
        gaps = problem.gaps(output)
        gradient = free + problem.back(2 * problem.costs * gaps)
        norm = np.linalg.norm(gradient, axis=0)
        first = norm if first is None else first
        if np.all(norm <= TOLERANCE * first):
            break
        counted = 2 * problem.costs * (gaps != 0).astype(np.float32)
        near = np.minimum(0.1, np.sqrt(norm / np.maximum(first, TINY))) * norm
        step = _conjugate_gradients(problem, counted, -gradient, near)
        change = problem.output(step)
        size = problem.step_size(free, output, step, change, np.sum(gradient * step, axis=0))
        free, output = free + size * step, output + size * change
    return free


def _conjugate_gradients(problem: _Problem, counted: Floats, target: Floats, near: Floats) -> Floats:
    """Solves H x = target [rows, width], each column by itself, until the residuals are as small as `near`.

    H = 1 + M' diag(counted) M, M being `problem.output`: Hestenes and Stiefel 1952.
    """
    found, residual, direction = np.zeros_like(target), target.copy(), target.copy()
    squares = np.sum(residual**2, axis=0)
    for _ in range(GRADIENT_STEPS):
        curved = direction + problem.back(counted * problem.output(direction))
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
