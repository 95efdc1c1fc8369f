"""How good a bundle is, measured through the code that serves it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from handler.model.activation import label_thresholds, probabilities
from handler.model.bundle import Manifest
from handler.model.classifier import Classifier
from training.data.audit import unseen
from training.data.numbers import numbers
from training.data.read import Example, Kind
from training.data.split import Splits, check_labels
from training.learning.calibrate import HALF, confidence_and_errors, expected_calibration_error, log_loss
from training.learning.levels import LevelScore, judge_levels
from training.learning.tasks import Classify, MultiLabel, binary_f1, normalized_mutual_information, r_squared


class LabelScore(Struct):
    """Precision, recall and F1 of one label, and how many texts carry it."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


class Evaluation(Struct):
    """Figures over one set of labelled texts: `summary` fits in one row, the others are per label.

    `confusion` counts [right label][answered label]; it is empty unless each text has one label. `levels` are there
    where labels are paths: `coverage` and `accuracy_when_certain` are then of answers as deep as they are certain.
    """

    summary: dict[str, float]
    labels: list[LabelScore] = []
    confusion: list[list[int]] = []
    levels: list[LevelScore] = []


def evaluate(classifier: Classifier, examples: Sequence[Example], where: str) -> Evaluation:
    """Classifies the examples and compares. Raises InputError for a label that the bundle does not know."""
    read = classifier.encode([example.text for example in examples])
    return judge(classifier.manifest, classifier.logits(read.ids), read.truncated, examples, where)


def judge(
    manifest: Manifest,
    logits: NDArray[np.float32],
    truncated: Sequence[bool],
    examples: Sequence[Example],
    where: str,
) -> Evaluation:
    """Compares what a bundle says of examples, logits [n, width], with their labels; raises as `evaluate` does."""
    predicted = probabilities(manifest, logits)
    if manifest.task == "regress":
        return Evaluation(regression_summary(numbers(examples), predicted[:, 0]))
    if manifest.task == "cluster":
        groups = predicted.argmin(axis=1).tolist()
        shared = normalized_mutual_information(groups, [example.label for example in examples])
        return Evaluation({"texts": float(len(examples)), "normalized_mutual_information": round(shared, 6)})
    several = manifest.activation == "independent"
    check_labels(examples, manifest.labels, where, Kind.LABELS if several else Kind.LABEL)
    task = MultiLabel(manifest.labels) if several else Classify(manifest.labels)
    applies = label_thresholds(manifest)
    evaluation = measure(predicted, task.targets(examples), manifest.labels, manifest.threshold, applies)
    if manifest.separator:
        evaluation.summary.pop("accuracy_when_certain", None)
        evaluation.levels, summary = judge_levels(manifest, predicted, task.targets(examples))
        evaluation.summary.update(summary)
    evaluation.summary["truncated"] = round(sum(truncated) / len(examples), 6)
    return evaluation


def measure(
    predicted: NDArray[np.float64],
    targets: NDArray[np.int64],
    labels: Sequence[str],
    threshold: float,
    applies: NDArray[np.float64] = HALF,
) -> Evaluation:
    """Compares probabilities [n, labels] with label indices [n], or with 0 and 1 [n, labels].

    Answers as confident as `threshold` are certain; several labels apply from the probabilities `applies`.
    """
    several = targets.ndim == 2
    answered = predicted >= applies if several else np.eye(len(labels), dtype=bool)[predicted.argmax(axis=1)]
    truth = targets > 0 if several else np.eye(len(labels), dtype=bool)[targets]
    scores = [_label_score(label, truth[:, i], answered[:, i]) for i, label in enumerate(labels)]
    seen = [score.f1 for score, used in zip(scores, (truth | answered).any(axis=0), strict=True) if used]
    confidence, wrong = confidence_and_errors(predicted, targets, applies)
    certain = np.round(confidence, 6) >= threshold  # as it is served
    summary: dict[str, Any] = {
        "texts": len(targets),
        "accuracy": np.mean(~wrong),
        "macro_f1": np.mean(seen),
        "micro_f1": binary_f1(truth, answered),
        "log_loss": log_loss(predicted, targets),
        "calibration_error": expected_calibration_error(predicted, targets, applies),
        "coverage": np.mean(certain),
    }
    if certain.any():
        summary["accuracy_when_certain"] = np.mean(~wrong[certain])
    if not several:
        del summary["micro_f1"]  # with one label a text it is the accuracy
    confusion = [] if several else _confusion(targets, predicted.argmax(axis=1), len(labels))
    return Evaluation({name: round(float(value), 6) for name, value in summary.items()}, scores, confusion)


def on_unseen(
    predicted: NDArray[np.float64], targets: NDArray[np.int64], splits: Splits, applies: NDArray[np.float64]
) -> dict[str, float]:
    """How many test texts do not stand in training, and the accuracy on them; nothing if that is all or none."""
    fresh = set(unseen(splits.test, [*splits.train, *splits.dev]))
    rows = [i for i, example in enumerate(splits.test) if example in fresh]
    if not 0 < len(rows) < len(splits.test):
        return {}
    _, wrong = confidence_and_errors(predicted[rows], targets[rows], applies)
    return {"texts_not_in_training": float(len(rows)), "accuracy_not_in_training": round(float(np.mean(~wrong)), 6)}


def regression_summary(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    """Mean absolute error, root mean squared error and R2, beside the error of always saying the mean."""
    error = predicted - truth
    figures: dict[str, Any] = {
        "texts": len(truth),
        "mean_absolute_error": np.mean(np.abs(error)),
        "root_mean_squared_error": np.sqrt(np.mean(error**2)),
        "r2": r_squared(truth, predicted),
        "mean_absolute_error_of_the_mean": np.mean(np.abs(truth - np.mean(truth))),
    }
    return {name: round(float(value), 6) for name, value in figures.items()}


def _confusion(targets: NDArray[np.int64], answers: NDArray[np.int64], labels: int) -> list[list[int]]:
    """By label and answer, how many texts: counted, since a product of integers takes seconds for a thousand labels."""
    rows: list[list[int]] = (
        np.bincount(targets * labels + answers, minlength=labels**2).reshape(labels, labels).tolist()
    )
    return rows


def _label_score(label: str, truth: NDArray[np.bool_], answered: NDArray[Any]) -> LabelScore:
    hits, support, found = np.sum(truth & answered), int(np.sum(truth)), np.sum(answered)
    precision, recall = float(hits / max(1, found)), float(hits / max(1, support))
    return LabelScore(label, precision, recall, binary_f1(truth, answered), support)
