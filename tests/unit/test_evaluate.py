"""Figures over labelled texts, against calculations by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from handler.model.classifier import Classifier
from training.data.read import Example
from training.errors import InputError
from training.judging.evaluate import evaluate, measure
from training.learning.batches import lengths_up_to, served_lengths
from training.learning.ngrams import pad
from training.learning.tasks import macro_f1, predict_labels


def sure_of(answers: list[int], labels: int = 3, confidence: float = 0.8) -> NDArray[np.float64]:
    predicted = np.full((len(answers), labels), (1 - confidence) / (labels - 1))
    predicted[np.arange(len(answers)), answers] = confidence
    return predicted


def test_a_case_by_hand() -> None:
    targets = np.array([0, 0, 0, 1, 1, 2])
    predicted = sure_of([0, 0, 1, 1, 2, 2])
    predicted[5] = [0.3, 0.3, 0.4]  # right, but not certain

    found = measure(predicted, targets, ["a", "b", "c"], threshold=0.5)

    assert found.confusion == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert found.summary["accuracy"] == pytest.approx(4 / 6, abs=1e-6)
    assert [(row.label, row.precision, row.recall, row.support) for row in found.labels] == [
        ("a", pytest.approx(2 / 2), pytest.approx(2 / 3), 3),
        ("b", pytest.approx(1 / 2), pytest.approx(1 / 2), 2),
        ("c", pytest.approx(1 / 2), pytest.approx(1 / 1), 1),
    ]
    # F1 = 2 TP / (2 TP + FP + FN)
    assert [row.f1 for row in found.labels] == pytest.approx([4 / 5, 2 / 4, 2 / 3], abs=1e-6)
    assert found.summary["macro_f1"] == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3, abs=1e-6)
    assert found.summary["coverage"] == pytest.approx(5 / 6, abs=1e-6)
    assert found.summary["accuracy_when_certain"] == pytest.approx(3 / 5, abs=1e-6)
    assert found.summary["log_loss"] == pytest.approx(-(3 * np.log(0.8) + 2 * np.log(0.1) + np.log(0.4)) / 6, abs=1e-6)
    assert found.summary["texts"] == 6


def test_a_label_that_nobody_has_and_nobody_gets_does_not_count() -> None:
    found = measure(sure_of([0, 1]), np.array([0, 1]), ["a", "b", "c"], threshold=0)

    assert found.summary["macro_f1"] == 1
    assert found.labels[2].support == 0


def test_where_nothing_is_certain_no_accuracy_is_claimed() -> None:
    found = measure(sure_of([0]), np.array([0]), ["a", "b", "c"], threshold=0.9)

    assert found.summary["coverage"] == 0
    assert "accuracy_when_certain" not in found.summary


def test_macro_f1_by_hand() -> None:
    assert macro_f1(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])) == pytest.approx((2 / 3 + 4 / 5) / 2, abs=1e-6)
    assert macro_f1(np.array([], np.int64), np.array([], np.int64)) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_training_and_evaluation_measure_the_same_f1(rows: list[tuple[int, int]]) -> None:
    targets, answers = (np.array(column) for column in zip(*rows, strict=True))

    evaluated = measure(sure_of(answers.tolist(), 4), targets, list("abcd"), threshold=0)

    assert evaluated.summary["macro_f1"] == pytest.approx(macro_f1(targets, answers), abs=1e-6)
    assert evaluated.summary["accuracy"] == pytest.approx(np.mean(targets == answers), abs=1e-6)


def test_a_bundle_is_evaluated_through_the_code_that_serves(classifier: Classifier, reviews: list[str]) -> None:
    # GIVEN texts that carry the labels that the bundle gives them, but for one
    first, second = classifier.manifest.labels
    examples = [Example(text, p.label) for text, p in zip(reviews, classifier.classify(reviews), strict=True)]
    examples[0] = examples[0]._replace(label=second if examples[0].label == first else first)

    found = evaluate(classifier, examples, "the test set")

    assert found.summary["accuracy"] == pytest.approx(1 - 1 / len(reviews), abs=1e-6)
    assert found.summary["texts"] == len(reviews)
    predictions = classifier.classify(reviews)
    assert found.summary["coverage"] == pytest.approx(np.mean([p.certain for p in predictions]), abs=1e-6)
    assert found.summary["truncated"] == pytest.approx(np.mean([p.truncated for p in predictions]), abs=1e-6)


def test_a_label_that_the_bundle_does_not_know_is_refused_with_its_line(classifier: Classifier) -> None:
    with pytest.raises(InputError, match=r"In more\.csv line 7, the label 'fair' was never seen in training"):
        evaluate(classifier, [Example("ok", "fair", 7)], "more.csv")


# --- shapes ---------------------------------------------------------------------------------------


def test_one_logit_is_for_the_second_label_and_several_are_one_each() -> None:
    assert predict_labels(np.float32([[-1], [0.5]])).tolist() == [0, 1]
    assert predict_labels(np.float32([[1, 3, 2], [9, 0, 0]])).tolist() == [1, 0]


def test_texts_are_padded_with_zeros() -> None:
    assert pad([[5, 6], [], [7]], 3).tolist() == [[5, 6, 0], [0, 0, 0], [7, 0, 0]]


@pytest.mark.parametrize(
    ("longest", "lengths"), [(256, [32, 64, 128, 256]), (32, [32]), (20, [20]), (100, [32, 50, 100])]
)
def test_the_lengths_halve_from_the_longest_down_to_32(longest: int, lengths: list[int]) -> None:
    assert lengths_up_to(longest) == lengths


@pytest.mark.parametrize(("longest", "lengths"), [(64, [24, 32, 64]), (32, [24, 32]), (20, [20])])
def test_a_bundle_has_a_length_for_titles_too(longest: int, lengths: list[int]) -> None:
    assert served_lengths(longest) == lengths
