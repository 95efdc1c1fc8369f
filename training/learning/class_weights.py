"""How much a text counts by its label: texts of rare labels more, so that these are found too."""

import numpy as np
from numpy.typing import NDArray

from training.data.audit import SKEW
from training.errors import InputError

# The first tries the second where labels are skewed.
CLASS_WEIGHTS = ("auto", "balanced", "none")


def check_class_weight(name: str, task: str, multi_label: bool) -> str:
    """Gives the name back. Raises InputError if there is no such weight, or the task has no use for it."""
    if name not in CLASS_WEIGHTS:
        raise InputError(f"There is no --class-weight {name!r}; there is: {', '.join(CLASS_WEIGHTS)}.")
    if name != CLASS_WEIGHTS[0] and (task != "classify" or multi_label):
        raise InputError(f"--class-weight {name} is for one label a text; leave it out, or --task and --multi-label.")
    return name


def skewed(targets: NDArray[np.int64], labels: int) -> bool:
    """Whether the most frequent of labels [n] is far more frequent than the rarest."""
    counts = np.bincount(targets, minlength=labels)
    return bool(counts.max() >= SKEW * max(1, int(counts.min())))


def balance(targets: NDArray[np.int64], labels: int, power: float = 1.0) -> NDArray[np.float32]:
    """How much each text counts [n], 1 on average, if each label is to count the same; less so with a lower power."""
    weights = (1.0 / np.maximum(np.bincount(targets, minlength=labels), 1))[targets] ** power
    balanced: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return balanced
