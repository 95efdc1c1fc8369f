"""How good a bundle is, measured through the code that serves it."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from handler.classifier import Classifier
from training.calibrate import expected_calibration_error, log_loss
from training.data import Example, check_labels


class LabelScore(Struct):
    """Precision, recall and F1 of one label, and how many texts carry it."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


class Evaluation(Struct):
    """Figures over one set of labelled texts.

    `coverage` is the share of texts answered with certainty, `accuracy_when_certain` the accuracy on those.
    """

    texts: int
    accuracy: float
    macro_f1: float
    log_loss: float
    calibration_error: float
    coverage: float
    accuracy_when_certain: float
    truncated: float
    labels: list[LabelScore]
    confusion: list[list[int]]

    def summary(self) -> dict[str, float]:
        """The figures that fit in one row."""
        names = ("accuracy", "macro_f1", "log_loss", "calibration_error", "coverage", "accuracy_when_certain")
        return {"texts": float(self.texts)} | {name: round(getattr(self, name), 6) for name in names}


def evaluate(classifier: Classifier, examples: Sequence[Example], where: str) -> Evaluation:
    """Classifies the examples and compares. Raises InputError for a label that the bundle does not know."""
    labels = classifier.manifest.labels
    check_labels(examples, labels, where)
    encoded = classifier.encode([example.text for example in examples])
    predicted = classifier.predict(encoded.ids)
    targets = np.array([labels.index(example.label) for example in examples])
    return measure(predicted, targets, labels, classifier.manifest.threshold, sum(encoded.truncated) / len(examples))


def measure(
    predicted: NDArray[np.float64],
    targets: NDArray[np.int64],
    labels: Sequence[str],
    threshold: float,
    truncated: float,
) -> Evaluation:
    """Compares probabilities [n, labels] with the index of the right label of each text."""
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (targets, predicted.argmax(axis=1)), 1)
    hits, support, answered = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = 2 * hits / np.maximum(support + answered, 1)
    certain = predicted.max(axis=1) >= threshold
    right = predicted.argmax(axis=1) == targets
    return Evaluation(
        texts=len(targets),
        accuracy=float(np.mean(right)),
        macro_f1=float(np.mean(f1[(support + answered) > 0])),
        log_loss=log_loss(predicted, targets),
        calibration_error=expected_calibration_error(predicted, targets),
        coverage=float(np.mean(certain)),
        accuracy_when_certain=float(np.mean(right[certain])) if certain.any() else 0.0,
        truncated=truncated,
        labels=[
            LabelScore(label, hit / max(a, 1), hit / max(s, 1), f, s)
            for label, hit, a, s, f in zip(
                labels, hits.tolist(), answered.tolist(), support.tolist(), f1.tolist(), strict=True
            )
        ],
        confusion=confusion.tolist(),
    )
