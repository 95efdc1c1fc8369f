"""Targets that are a teacher's probabilities instead of labels: Hinton et al. 2015, as `training.distil` says."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.read import Example
from training.learning.tasks import Classify

# Log-odds of 4 at most, for labels without an answer too: 99.9 % is no more than 98 % to learn from.
SURE = (0.018, 0.982)

SoftLabels = dict[str, NDArray[np.float32]]


class Distil(Classify):
    """Texts that the teacher answered have its probabilities as their target, others their label.

    A target is the index of a label, or beyond those the row of an answer; so all of them are numbers [n].
    """

    exact = True

    def __init__(self, labels: Sequence[str], answers: SoftLabels, class_weight: str = "auto") -> None:
        super().__init__(labels, class_weight)
        self.row = {text: len(labels) + i for i, text in enumerate(answers)}
        self.table = np.vstack([np.eye(len(labels), dtype=np.float32), *answers.values()])

    def targets(self, examples: Iterable[Example]) -> NDArray[np.int64]:
        rows = list(examples)
        known = super().targets(rows).tolist()
        return np.array([self.row.get(e.text, label) for e, label in zip(rows, known, strict=True)], np.int64)

    def feed(self, targets: NDArray[np.int64]) -> NDArray[np.float32]:
        soft: NDArray[np.float32] = self.table[targets]
        return soft[:, 1:] if self.width == 1 else soft

    def importance(self, targets: NDArray[np.int64]) -> NDArray[np.float32]:
        return super().importance(self.table[targets].argmax(axis=1))

    def weighs(self, targets: NDArray[np.int64]) -> bool:
        return super().weighs(self.table[targets].argmax(axis=1))

    def balance(self, targets: NDArray[np.int64]) -> NDArray[np.float32]:
        return super().balance(self.table[targets].argmax(axis=1))

    def signs(self, targets: NDArray[np.int64]) -> NDArray[np.float64]:
        """Half the log-odds that the teacher gives each label: near 0 where it doubts."""
        chance = np.clip(self.table[targets].astype(np.float64), *SURE)
        odds: NDArray[np.float64] = np.log(chance / (1 - chance)) / 2
        return odds[:, 1:] if self.width == 1 else odds

    def loss(self) -> object:
        """Without smoothing: the teacher's doubt is that already."""
        from keras import losses

        return (losses.BinaryCrossentropy if self.width == 1 else losses.CategoricalCrossentropy)(from_logits=True)
