"""The weights of n-grams: one solver for few labels, another for hundreds, and the same problem."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.families.hybrid import LARGEST_BYTES, MODEL_BYTES, most_ngrams, ngram_bytes, remark
from training.learning import wide
from training.learning.dual import dual_weights
from training.learning.job import Spec
from training.learning.ngrams import learn, pad
from training.learning.wide import featurize, fit_wide, score_wide


def some_texts(labels: int, seed: int = 0) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """120 texts of 6 tokens, two of which depend on the label."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, labels, 120)
    ids = generator.integers(1, 12, (120, 6)).astype(np.int32)
    ids[:, :2] = 12 + 2 * targets[:, None] + generator.integers(0, 2, (120, 2))
    return ids, targets


def signs_of(targets: NDArray[np.int64], labels: int) -> NDArray[np.float64]:
    return np.eye(labels)[targets] * 2 - 1


def test_both_solvers_find_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, targets = some_texts(labels=5)
    dictionary = learn(ids, 30, 2, 10_000, 1)
    features, signs = featurize(dictionary, ids, len(ids)), signs_of(targets, 5)

    by_newton = fit_wide(features, signs, False, 0.5, 0.0)._replace()
    monkeypatch.setattr(wide, "MANY_LABELS", 5)
    monkeypatch.setattr("training.learning.dual.PASSES", 60)
    by_dual = fit_wide(features, signs, False, 0.5, 0.0)

    # The scale of one is that of Naive Bayes, the same for all n-grams of a label: a cost of its own.
    first, second = score_wide(features, by_newton), score_wide(features, by_dual)
    assert (first.argmax(axis=1) == second.argmax(axis=1)).mean() > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_the_dual_solution_is_least(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """At the least point of a smooth convex function its slope is nothing."""
    from scipy import sparse

    generator = np.random.default_rng(seed)
    matrix = sparse.csr_matrix(generator.random((40, 15)) * (generator.random((40, 15)) < 0.4))
    signs = np.sign(generator.standard_normal((40, 6)))
    costs = generator.uniform(0.1, 1.0, (40, 1))

    monkeypatch.setattr("training.learning.dual.PASSES", 300)
    weights = dual_weights(matrix, signs, costs)

    gaps = np.minimum(signs * (matrix @ weights) - 1, 0) * signs
    slope = weights + 2 * matrix.T @ (costs * gaps)
    assert np.abs(slope).max() < 0.001 * np.abs(2 * matrix.T @ (costs * signs)).max()


def test_a_text_that_counts_twice_is_as_two() -> None:
    ids, targets = some_texts(labels=2)
    dictionary = learn(ids, 30, 2, 10_000, 1)
    signs = signs_of(targets, 2)[:, 1:]
    twice = np.concatenate([ids, ids[:30]])

    weighed = fit_wide(featurize(dictionary, ids, 120), signs, False, 1.0, 0.0, np.where(np.arange(120) < 30, 2.0, 1.0))
    repeated = fit_wide(featurize(dictionary, twice, 120), np.concatenate([signs, signs[:30]]), False, 1.0, 0.0)

    features = featurize(dictionary, ids, 120)
    np.testing.assert_allclose(score_wide(features, weighed), score_wide(features, repeated), atol=0.1)


def spec_of(labels: int) -> Spec:
    return Spec(tuple(map(str, range(5000))), 64, labels)


@pytest.mark.parametrize(("labels", "megabytes"), [(2, 4.4), (48, 4.4), (300, 40), (1000, 40)])
def test_there_is_room_for_n_grams_whatever_the_labels(labels: int, megabytes: float) -> None:
    spec = spec_of(labels)

    room = most_ngrams(spec)

    assert room > 20_000
    assert room * ngram_bytes(spec) <= megabytes * 1e6


def test_a_larger_model_is_announced_and_so_is_one_without_n_grams() -> None:
    ids = pad([[1, 2, 3], [1, 2, 4]] * 2, 3)
    small = learn(ids, 5000, 3, 10_000, 1)

    assert remark(spec_of(48), small) == ""
    assert "5 n-grams and a weight of each for 1,000 labels make the model about 5 MB large" in remark(
        spec_of(1000), small
    )
    assert "no room for n-grams" in remark(spec_of(LARGEST_BYTES // 5000), small)
    assert small.rows * ngram_bytes(spec_of(48)) < MODEL_BYTES
