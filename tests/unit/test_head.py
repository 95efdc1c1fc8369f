"""A head on given vectors is the best there is, and is chosen by answers on texts that it did not see."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax

from training.data.read import Example
from training.families import get_family
from training.families.encoder import credit
from training.learning.chosen_head import COSTS, choose, head_of, surely_best
from training.learning.head import fit_head
from training.learning.job import Controls, Encoded, Job, Spec
from training.learning.tasks import Classify, Regress

WIDTH = 4
random = np.random.default_rng(0)


def wanted_for(activation: str, texts: int) -> np.ndarray:
    if activation == "softmax":
        return np.eye(3)[random.integers(0, 3, texts)]
    return random.normal(size=(texts, 2)) if activation == "identity" else random.integers(0, 2, (texts, 2)) * 1.0


def objective(
    vectors: np.ndarray,
    wanted: np.ndarray,
    importance: np.ndarray,
    activation: str,
    cost: float,
    parameters: np.ndarray,
) -> float:
    """What the head minimises, term by term, for vectors that are centred and of a deviation of 1."""
    weights, bias = parameters[:-1], parameters[-1]
    logits = vectors @ weights + bias
    if activation == "softmax":
        losses = -(wanted * log_softmax(logits, axis=1)).sum(axis=1)
    elif activation == "identity":
        losses = ((logits - wanted) ** 2).sum(axis=1)
    else:
        losses = -np.where(wanted > 0, np.log(expit(logits)), np.log(expit(-logits))).sum(axis=1)
    return float(0.5 * np.sum(weights**2) + cost * np.sum(importance * losses))


@pytest.mark.parametrize("activation", ["sigmoid", "independent", "softmax", "identity"])
@pytest.mark.parametrize("cost", [0.01, 1.0])
def test_no_head_near_it_is_better(activation: str, cost: float) -> None:
    vectors = random.normal(size=(30, WIDTH))
    vectors = (vectors - vectors.mean(axis=0)) / np.sqrt(np.mean((vectors - vectors.mean(axis=0)) ** 2))
    wanted, importance = wanted_for(activation, 30), np.ones(30)

    head = fit_head(vectors, wanted, importance, activation, cost)

    found = np.vstack([head.kernel, head.bias - head.centre @ head.kernel])
    least = objective(vectors, wanted, importance, activation, cost, found)
    for _ in range(50):
        near = found + random.normal(0, 0.05, found.shape)
        assert objective(vectors, wanted, importance, activation, cost, near) > least


@settings(max_examples=10, deadline=None)
@given(scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
def test_where_vectors_lie_and_how_long_they_are_changes_nothing(scale: float, shift: float) -> None:
    vectors = np.random.default_rng(1).normal(size=(20, WIDTH))
    wanted = np.eye(3)[np.arange(20) % 3]

    plain, moved = (fit_head(v, wanted, np.ones(20), "softmax", 1.0) for v in (vectors, vectors * scale + shift))

    assert moved.logits(vectors * scale + shift) == pytest.approx(plain.logits(vectors), abs=1e-2)


def test_what_counts_twice_is_as_if_it_were_there_twice() -> None:
    vectors, wanted = random.normal(size=(12, WIDTH)), wanted_for("identity", 12)
    centred = vectors - vectors.mean(axis=0)
    twice = np.concatenate([centred, centred])

    of_two = fit_head(centred, wanted, np.full(12, 2.0), "identity", 1.0)
    doubled = fit_head(twice, np.concatenate([wanted, wanted]), np.ones(24), "identity", 1.0)

    assert of_two.kernel == pytest.approx(doubled.kernel, abs=1e-6)


# --- the choice -----------------------------------------------------------------------------------


def job(texts: int, dev: int = 0) -> Job:
    """Texts whose only token says which label they have."""
    targets = np.arange(texts + dev) % 2
    ids = [[2 + int(target)] for target in targets]
    parts = Encoded(ids[:texts], targets[:texts]), Encoded(ids[texts:], targets[texts:])
    spec = Spec(tuple(map(str, range(9))), 8, 1)
    return Job(get_family("encoder"), spec, Classify(["no", "yes"]), *parts, 0, Controls(lambda *_: None))


def telling(ids: Any) -> np.ndarray:
    """Vectors in which the label is plain."""
    return np.array([[row[0], 0.1 * i % 1] for i, row in enumerate(ids)], np.float32)


def chance(ids: Any) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(len(ids), 2)).astype(np.float32)


def of_labels(targets: Any) -> np.ndarray:
    """Scores of n-grams that know all."""
    return (targets * 2.0 - 1)[:, None]


CREDIT = partial(credit, Classify(["no", "yes"]))


def test_every_training_text_is_answered_by_a_head_that_did_not_see_it() -> None:
    few = job(24)

    plain = choose(few, telling, np.zeros((24, 1)), CREDIT).crossed
    by_chance = choose(few, chance, np.zeros((24, 1)), CREDIT).crossed

    assert plain is not None
    assert by_chance is not None
    assert np.array_equal(plain.targets, few.train.targets)
    assert np.all((plain.logits[:, 0] > 0) == few.train.targets)
    assert np.mean((by_chance.logits[:, 0] > 0) == few.train.targets) < 0.8


@pytest.mark.parametrize("dev", [0, 40])
def test_n_grams_weigh_what_they_help(dev: int) -> None:
    texts = job(40, dev)
    left_out = texts.dev if dev else texts.train

    helped = choose(texts, chance, of_labels(left_out.targets), CREDIT)
    alone = choose(texts, telling, chance(left_out.ids)[:, :1], CREDIT)

    assert helped.ngrams > 0 == alone.ngrams
    assert (helped.crossed is None) == bool(dev)


def test_of_too_few_texts_nothing_is_chosen() -> None:
    assert choose(job(4), telling, None, CREDIT) == (COSTS[0], 0.0, None)


def test_what_is_better_by_chance_is_not_taken() -> None:
    usual, luck, better = np.zeros(50), np.tile([1.0, -0.9], 25), np.tile([0.3, 0.1], 25)

    assert surely_best({"usual": usual, "luck": luck}) == "usual"
    assert surely_best({"usual": usual, "luck": luck, "better": better}) == "better"


def test_numbers_are_found_too() -> None:
    task = Regress([Example("a", "1"), Example("b", "3")])
    targets = np.linspace(-1, 1, 20)

    head = head_of(task, targets[:, None] * [1.0, 2.0], targets, 10.0)

    assert head.logits(targets[:, None] * [1.0, 2.0])[:, 0] == pytest.approx(targets, abs=0.05)
