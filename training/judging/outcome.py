"""What a training came to, all of it: what is written, and what the documents tell."""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from handler.model.bundle import Bundle, Manifest
from training.data.split import Splits
from training.judging.evaluate import Evaluation
from training.learning.calibrate import NEVER, SURE
from training.learning.folds import FOLDS, standard_error
from training.learning.job import OutOfFold
from training.learning.tasks import Task
from training.shipping.quantized import Parity, Variant


class Outputs(NamedTuple):
    """Probabilities [n, labels] of the test texts, before and after calibration, and their targets.

    Several labels apply from the calibrated probabilities `applies`.
    """

    uncalibrated: NDArray[np.float64]
    calibrated: NDArray[np.float64]
    targets: NDArray[np.int64]
    applies: NDArray[np.float64]


def certainty(manifest: Manifest) -> str:
    """From when on answers are certain, or why none is; in a sentence without its full stop."""
    texts, asked = manifest.data["calibrated_on_texts"], f"{manifest.precision:.3g}"
    if not texts:
        return "no answer is certain, since there were no texts to tell by but those that were trained on"
    told = f"on {texts:,} texts that were not trained on, by a bound that holds {SURE} times in 100"
    thresholds = manifest.level_thresholds or [manifest.threshold]
    if thresholds[0] == NEVER:
        return (
            f"no answer is certain, since from no confidence on the share of right answers was {asked} or more {told}; "
            "label more texts, or ask for a lower --precision"
        )
    from_ = ", ".join("none" if one == NEVER else f"{one:g}" for one in thresholds)
    levels = f", level by level from the top (such as {manifest.separator.join('abc'[: len(thresholds)])})"
    return (
        f"answers are certain from a confidence of {from_} on{levels if manifest.separator else ''}: of these {asked} "
        f"or more are right {told}"
    )


class CrossValidated(msgspec.Struct):
    """How right answers on texts are by models that did not see them, and the standard error of that."""

    score_name: str
    score: float
    standard_error: float
    texts: int
    folds: int

    @classmethod
    def of(cls, answers: OutOfFold, task: Task) -> "CrossValidated":
        right = task.rightness(answers.logits, answers.targets)
        error = round(standard_error(right), 6)
        return cls(task.rightness_name, round(float(right.mean()), 6), error, len(right), FOLDS)

    @property
    def sentence(self) -> str:
        return (
            f"cross-validated on the {self.texts:,} training texts in {self.folds} parts: {self.score_name} "
            f"{self.score:.4f}, standard error {self.standard_error:.4f}; its settings and confidences were chosen so "
            "too, and it was trained on all of them"
        )


class Trained(NamedTuple):
    """A bundle in memory and what is known of it; `evaluation` is None without test texts.

    `crossed` is how it was judged where few texts were all needed to train on; `cut` is how many of the training texts
    are longer than what is read of one.
    """

    bundle: Bundle
    splits: Splits
    evaluation: Evaluation | None
    parity: Parity
    history: list[dict[str, float]]
    settings: dict[str, float]
    seconds: float
    variants: list[Variant]
    outputs: Outputs | None
    crossed: CrossValidated | None = None
    cut: int = 0
