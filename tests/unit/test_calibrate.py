"""Confidences that mean what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.calibrate import expected_calibration_error, log_loss, temperature, threshold

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


def test_the_temperature_of_logits_that_are_always_right_is_the_smallest() -> None:
    assert temperature(np.float32([[-1], [1]]), np.array([0, 1]), "sigmoid") == pytest.approx(1 / 20, rel=0.01)


def test_the_temperature_of_logits_that_are_always_wrong_is_the_largest() -> None:
    assert temperature(np.float32([[-1], [1]]), np.array([1, 0]), "sigmoid") == pytest.approx(20, rel=0.01)


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
