"""Confidences that mean what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from handler.model.activation import activate, least_sure
from training.learning.calibrate import (
    HIGHEST,
    LOWEST,
    NEVER,
    expected_calibration_error,
    log_loss,
    lower_bound,
    smoothing,
    temperature,
    threshold,
)
from training.learning.several_labels import choose_thresholds

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


def certain_from(wrong: list[bool], precision: float = 0.9) -> float:
    """The threshold for answers whose confidence falls from 0.999 in steps of 0.001."""
    confidence = 0.999 - 0.001 * np.arange(len(wrong))
    return threshold(confidence, np.array(wrong, bool), precision)


def test_29_right_answers_of_29_show_nine_in_ten() -> None:
    assert lower_bound(np.array([29]), np.array([29]))[0] == pytest.approx(0.05 ** (1 / 29))
    assert certain_from([False] * 29) == pytest.approx(0.971)
    assert certain_from([False] * 28) == NEVER


def test_the_bound_is_that_of_a_table() -> None:
    # Clopper and Pearson's own example, one-sided at 95 %: 0 and 5 right of 10.
    found = lower_bound(np.array([0, 5, 10]), np.array([10, 10, 10]))

    assert found == pytest.approx([0, 0.2224, 0.7411], abs=1e-4)


def test_answers_are_certain_as_far_as_enough_of_them_are_right() -> None:
    wrong = [False] * 100 + [True] * 100

    # One error more and 5 of 105 are wrong, whose bound is 0.901; the next makes it 0.892.
    assert certain_from(wrong) == pytest.approx(0.999 - 0.001 * 104)
    assert certain_from(wrong, 0.5) < certain_from(wrong) < certain_from(wrong, 0.95)


def test_where_confidence_tells_nothing_and_too_few_are_right_none_is_certain() -> None:
    assert certain_from([True, False] * 300) == NEVER
    assert certain_from([True, *[False] * 5] * 300) == NEVER
    assert certain_from([]) == NEVER


def test_the_threshold_is_rounded_down_so_that_the_texts_it_was_chosen_on_reach_it() -> None:
    assert threshold(np.array([0.999999] * 40 + [0.87659999]), np.zeros(41, bool), 0.9) == 0.8765


def test_answers_as_confident_are_certain_together() -> None:
    # 40 right answers with another 40 that are wrong behind the fourth digit
    confidence = np.array([0.97] * 40 + [0.96001] * 40 + [0.96002] * 40)

    assert threshold(confidence, np.array([False] * 80 + [True] * 40), 0.9) == 0.97


@given(st.lists(st.tuples(st.integers(501, 1000), st.booleans()), max_size=200), st.sampled_from([0.5, 0.9]))
def test_of_the_certain_so_many_are_right_by_the_bound(rows: list[tuple[int, bool]], precision: float) -> None:
    confidence = np.array([confidence / 1000 for confidence, _ in rows])
    wrong = np.array([is_wrong for _, is_wrong in rows], bool)

    found = threshold(confidence, wrong, precision)

    certain = confidence >= found
    assert certain.any() == (found != NEVER)
    if certain.any():
        assert lower_bound(np.sum(~wrong[certain]), np.sum(certain)) >= precision


def test_the_promise_is_kept_in_nine_trainings_of_ten() -> None:
    # GIVEN 200 texts each time, of which the surer are righter
    generator, short = np.random.default_rng(0), 0
    for _ in range(300):
        chance = 1 / (1 + np.exp(-np.abs(generator.normal(1.5, 1.8, 200))))
        found = threshold(chance, generator.random(200) > chance, 0.9)
        # THEN of all texts that are so sure, what is right is their mean chance
        everybody = 1 / (1 + np.exp(-np.abs(generator.normal(1.5, 1.8, 20_000))))
        short += bool((everybody >= found).any() and everybody[everybody >= found].mean() < 0.9)
    assert short < 30


# --- several labels -------------------------------------------------------------------------------


def test_labels_apply_from_where_their_f1_is_best_and_rare_ones_from_where_all_do() -> None:
    generator = np.random.default_rng(0)
    truth = generator.random((4000, 3)) < np.array([0.3, 0.3, 0.001])
    scores = generator.normal(0, 0.3, truth.shape) + 2 * truth - np.array([0, 1, 0])

    first, second, rare = choose_thresholds(scores, truth)

    assert (first, second) == (pytest.approx(1, abs=0.25), pytest.approx(0, abs=0.25))
    common = choose_thresholds(scores, truth & False)[0]
    assert min(first, second, common) - 0.3 < rare < max(first, second) + 0.3


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 5))
def test_thresholds_of_labels_lie_among_the_scores(seed: int, texts: int, labels: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(texts, labels))

    found = choose_thresholds(scores, generator.random((texts, labels)) < 0.3)

    assert found.shape == (labels,)
    assert np.all((scores.min() - 1e-9 <= found) & (found <= scores.max() + 1e-9))


def test_an_answer_is_as_sure_as_its_least_sure_label_is_far_from_its_threshold() -> None:
    predicted = np.array([[0.9, 0.1], [0.3, 0.1], [0.3, 0.35]])

    assert least_sure(predicted, np.array([0.5])) == pytest.approx([0.9, 0.7, 0.65])
    # From 0.3 on the second label applies: 0.1 is two thirds of the way to 0, 0.35 a fourteenth of that to 1.
    assert least_sure(predicted, np.array([0.5, 0.3])) == pytest.approx([1 / 2 + 1 / 3, 0.7, 1 / 2 + 1 / 28])


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
