"""Confidences that mean what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from handler.model.classifier import activate
from training.learning.calibrate import (
    HIGHEST,
    LOWEST,
    confidence_and_errors,
    expected_calibration_error,
    log_loss,
    smoothing,
    temperature,
    threshold,
)

NOTHING = np.empty((0, 2))
NO_TARGETS = np.empty(0, np.int64)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def drawn(probabilities: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.int64]:
    """Labels that occur as often as the probabilities say."""
    return (probabilities.cumsum(axis=1) > generator.random((len(probabilities), 1))).argmax(axis=1)


# --- temperature ----------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [0.3, 1.0, 2.5, 8.0])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_the_temperature_of_overconfident_logits_is_found(known: float, activation: str) -> None:
    # GIVEN labels drawn from known probabilities, and the logits of these multiplied by T
    generator = np.random.default_rng(0)
    if activation == "sigmoid":
        logits = generator.normal(0, 1.5, (20_000, 1))
        truth = softmax(np.concatenate([np.zeros_like(logits), logits], axis=1))
    else:
        logits = generator.normal(0, 1.5, (20_000, 4))
        truth = softmax(logits)

    found = temperature((known * logits).astype(np.float32), drawn(truth, generator), activation)

    # THEN dividing by T gives the probabilities back
    assert found == pytest.approx(known, rel=0.05)


def test_however_easy_or_hopeless_a_few_texts_are_the_temperature_stays_near_one() -> None:
    right = temperature(np.float32([[-1], [1]] * 6), np.array([0, 1] * 6), "sigmoid", smoothing(12, 2))
    wrong = temperature(np.float32([[-1], [1]] * 6), np.array([1, 0] * 6), "sigmoid", smoothing(12, 2))

    assert 0.2 < right < 0.6
    assert 1.5 < wrong < 5


def test_without_texts_confidences_stay_as_they_are() -> None:
    assert temperature(np.empty((0, 1), np.float32), NO_TARGETS, "sigmoid") == 1.0


# --- threshold ------------------------------------------------------------------------------------


def binary(confidences: list[float]) -> NDArray[np.float64]:
    """Probabilities of a model that always says the first label, with these confidences."""
    return np.array([[confidence, 1 - confidence] for confidence in confidences])


def test_above_the_threshold_answers_are_wrong_half_as_often() -> None:
    # GIVEN ten answers, the better the surer: wrong are the 5th, the 9th and the 10th
    predicted = binary([0.99, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55])
    targets = np.array([0, 0, 0, 0, 1, 0, 0, 0, 1, 1])

    # THEN of the first eight one is wrong, 12.5 %, and 30 % / 2 is 15 %
    assert threshold(predicted, targets) == pytest.approx(0.65)


def test_at_least_half_stays_certain_where_confidence_tells_nothing() -> None:
    predicted = binary([0.9, 0.8, 0.7, 0.6])

    assert threshold(predicted, np.array([1, 1, 0, 0])) == pytest.approx(0.8)


def test_where_nothing_is_wrong_everything_is_certain() -> None:
    assert threshold(binary([0.9, 0.6]), np.array([0, 0])) == pytest.approx(0.6)


def test_the_threshold_is_rounded_down_so_that_the_texts_it_was_chosen_on_reach_it() -> None:
    found = threshold(binary([0.999999, 0.87659999]), np.array([0, 0]))

    assert found == 0.8765


def test_without_texts_everything_is_certain() -> None:
    assert threshold(NOTHING, NO_TARGETS) == 0.0


@given(
    st.lists(st.tuples(st.integers(501, 1000), st.booleans()), min_size=1, max_size=60, unique_by=lambda pair: pair[0])
)
def test_the_certain_are_half_as_often_wrong_or_exactly_half(rows: list[tuple[int, bool]]) -> None:
    predicted = binary([confidence / 1000 for confidence, _ in rows])
    wrong = np.array([is_wrong for _, is_wrong in rows])

    certain = predicted[:, 0] >= threshold(predicted, wrong.astype(np.int64))

    half = (len(rows) + 1) // 2
    assert certain.sum() >= half
    assert certain.sum() == half or wrong[certain].mean() <= wrong.mean() / 2


# --- development sets of every kind ---------------------------------------------------------------


@st.composite
def development_sets(draw: st.DrawFn) -> tuple[str, NDArray[np.float32], NDArray[np.int64]]:
    """An activation, logits and targets of 1 to 40 texts: perfect, hopeless, of one class, or anything."""
    activation = draw(st.sampled_from(["sigmoid", "softmax", "independent"]))
    texts, labels = draw(st.integers(1, 40)), 2 if activation == "sigmoid" else draw(st.integers(2, 6))
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.001, 0.1, 1.0, 5.0, 200.0]))
    logits = chance.normal(0, scale, (texts, 1 if activation == "sigmoid" else labels)).astype(np.float32)
    answers = (logits > 0).astype(np.int64)
    if activation != "independent":
        answers = answers[:, 0] if activation == "sigmoid" else logits.argmax(axis=1)
    kind = draw(st.sampled_from(["perfect", "hopeless", "one class", "anything"]))
    return (
        activation,
        logits,
        {
            "perfect": answers,
            "hopeless": 1 - answers if activation != "softmax" else (answers + 1) % labels,
            "one class": np.zeros_like(answers),
            "anything": chance.integers(0, 2 if activation != "softmax" else labels, answers.shape),
        }[kind],
    )


@given(development_sets())
def test_confidences_are_what_the_number_of_development_texts_can_justify(
    development: tuple[str, NDArray[np.float32], NDArray[np.int64]],
) -> None:
    activation, logits, targets = development
    texts, labels = len(targets), 2 if activation in ("sigmoid", "independent") else logits.shape[1]

    smoothed = smoothing(texts, labels)
    scale = temperature(logits, targets, activation, smoothed)
    predicted = activate(logits, activation, scale, smoothed)

    # The temperature is at neither bound.
    assert LOWEST * 1.1 < scale < HIGHEST / 1.1
    # No answer, to these texts or to any other, is surer than n of n right ones make it.
    surest = activate(np.float32([[1e6] + [0] * (logits.shape[1] - 1)]), activation, scale, smoothed)
    assert surest.max() == pytest.approx((texts + 1) / (texts + 2))
    # Nothing changes places.
    order = (np.concatenate([0 * logits, logits], axis=1) if activation == "sigmoid" else logits).argsort(axis=1)
    assert np.all(np.diff(np.take_along_axis(predicted, order, axis=1), axis=1) >= 0)
    # At least half of the texts are certain; all, where all is right.
    confidence, wrong = confidence_and_errors(predicted, targets)
    certain = np.round(confidence, 6) >= threshold(predicted, targets)
    assert certain.mean() >= 0.5
    assert certain.all() or wrong.any()


# --- errors of confidences ------------------------------------------------------------------------


def test_confidences_that_come_true_have_no_calibration_error() -> None:
    # 80 % sure, and right in 80 % of 1000
    targets = np.array([0] * 800 + [1] * 200)

    assert expected_calibration_error(binary([0.8] * 1000), targets) == pytest.approx(0, abs=1e-9)


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    # Half of the answers say 0.9 and are right 5 times in 10; the others say 0.6 and are right 6 times in 10.
    predicted = binary([0.9] * 10 + [0.6] * 10)
    targets = np.array([0] * 5 + [1] * 5 + [0] * 6 + [1] * 4)

    assert expected_calibration_error(predicted, targets) == pytest.approx((0.9 - 0.5) / 2)


def test_confidences_a_tenth_apart_do_not_make_up_for_each_other() -> None:
    # Never right at 0.54, always right at 0.64.
    predicted = binary([0.54] * 10 + [0.64] * 10)

    assert expected_calibration_error(predicted, np.array([1] * 10 + [0] * 10)) == pytest.approx((0.54 + 0.36) / 2)


def test_full_confidence_has_a_bin_too() -> None:
    assert expected_calibration_error(binary([1.0, 1.0]), np.array([0, 1])) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_the_calibration_error_is_a_share(rows: list[tuple[float, bool]]) -> None:
    predicted, targets = binary([p for p, _ in rows]), np.array([int(right) for _, right in rows])

    assert 0 <= expected_calibration_error(predicted, targets) <= 1


def test_log_loss_by_hand() -> None:
    predicted = np.array([[0.5, 0.5], [0.9, 0.1]])

    assert log_loss(predicted, np.array([1, 0])) == pytest.approx(-(np.log(0.5) + np.log(0.9)) / 2)


def test_log_loss_stays_finite_where_the_right_label_was_ruled_out() -> None:
    assert log_loss(binary([1.0]), np.array([1])) == pytest.approx(-np.log(1e-12))
