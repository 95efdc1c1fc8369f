"""Whether a model still says what it said where it was trained: its golden texts, replayed."""

import numpy as np

from handler.bundle import Golden
from handler.classifier import Classifier
from handler.schema import Replay

# Quantisation may turn the answer to a text that was a near tie, hardly ever more.
SAME_ANSWERS = 0.99


def replay(classifier: Classifier, golden: list[Golden]) -> Replay:
    """Runs the golden texts and compares."""
    found = classifier.predict(classifier.encode([g.text for g in golden]).ids)
    expected = np.array([g.probabilities for g in golden])
    difference = np.abs(found - expected)
    task = classifier.manifest.task
    if task == "regress":
        same = difference[:, 0] <= 0.01 * np.maximum(1, np.abs(expected[:, 0]))
    elif task == "cluster":
        same = found.argmin(axis=1) == expected.argmin(axis=1)
    else:
        same = found.argmax(axis=1) == expected.argmax(axis=1)
    return Replay(classifier.manifest.name, len(golden), int(same.sum()), round(float(difference.max()), 6))


def healthy(replayed: Replay) -> bool:
    return replayed.same_answers >= SAME_ANSWERS * replayed.texts
