"""Whether a model still says what it said where it was trained: its golden texts, replayed."""

from collections.abc import Sequence

import numpy as np
from msgspec import UNSET

from handler.model.bundle import Golden, Manifest
from handler.model.classifier import Classifier
from handler.model.prediction import Prediction, Replay

# Quantisation may turn the answer to a text that was a near tie, hardly ever more; and it moves probabilities a little:
# 0.002 on average in the default model, while a tokenizer that merely forgot to normalise moves them by 0.03.
SAME_ANSWERS = 0.99
MEAN_DIFFERENCE = 0.02


def replay(classifier: Classifier, golden: Sequence[Golden]) -> Replay:
    """Runs the golden texts and compares."""
    return compare(classifier.manifest, golden, classifier.answer([g.text for g in golden])[1])


def compare(manifest: Manifest, golden: Sequence[Golden], predictions: Sequence[Prediction]) -> Replay:
    """Holds the answers to the golden texts, wherever they come from, against those of training.

    Labels are compared by name: were they by place, labels in another order would look the same. Differences of values
    and distances over 1 are relative, as far as the mean goes.
    """
    read = _READERS.get(manifest.task, _classified)
    rows = [read(manifest, one, answer) for one, answer in zip(golden, predictions, strict=True)]
    differences = np.array([difference for _, difference, _ in rows])
    scales = np.array([scale for _, _, scale in rows])
    return Replay(
        manifest.name,
        len(rows),
        sum(same for same, _, _ in rows),
        round(float(differences.max()), 6),
        round(float((differences / scales).mean()), 6),
    )


def healthy(replayed: Replay) -> bool:
    """Whether the answers are those of training, but for what quantisation does."""
    return replayed.same_answers >= SAME_ANSWERS * replayed.texts and replayed.mean_difference <= MEAN_DIFFERENCE


# Each gives whether the answer is the same, by how much it differs, and what of.
Row = tuple[bool, float, float]


def _classified(manifest: Manifest, golden: Golden, answer: Prediction) -> Row:
    expected = dict(zip(manifest.labels, golden.probabilities, strict=True))
    found = {} if answer.scores is UNSET else {score.label: score.score for score in answer.scores}
    label = max(expected, key=expected.__getitem__) if golden.label is UNSET else golden.label
    answered = next(iter(found), answer.label)  # of a path, `label` is as much of it as is certain
    return answered == label, max(abs(found.get(name, 0.0) - p) for name, p in expected.items()), 1.0


def _valued(_: Manifest, golden: Golden, answer: Prediction) -> Row:
    expected = golden.probabilities[0]
    difference = abs(expected - (0.0 if answer.value is UNSET else answer.value))
    return difference <= 0.01 * max(1.0, abs(expected)), difference, max(1.0, abs(expected))


def _clustered(manifest: Manifest, golden: Golden, answer: Prediction) -> Row:
    nearest = min(range(len(manifest.labels)), key=golden.probabilities.__getitem__)
    expected = golden.probabilities[nearest]
    cluster = manifest.labels[nearest] if golden.label is UNSET else golden.label
    difference = abs(expected - (0.0 if answer.distance is UNSET else answer.distance))
    return answer.cluster == cluster, difference, max(1.0, expected)


_READERS = {"regress": _valued, "cluster": _clustered}
