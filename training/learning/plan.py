"""What a training is to be, how the work tells where it is, and the task that follows."""

from collections.abc import Callable
from typing import NamedTuple

from training.data.split import Splits
from training.learning.job import Controls, Family
from training.learning.soft_labels import Distil, SoftLabels
from training.learning.tasks import Classify, Cluster, MultiLabel, Regress, Task


class Plan(NamedTuple):
    """What a training is to be: what the user chose, with the family itself; `answers` are a teacher's.

    Of the answers that are certain the share `precision` should be right. Labels with a `separator` are paths.
    """

    name: str
    family: Family
    quantization: str
    seed: int
    source: str
    task: str = "classify"
    multi_label: bool = False
    refit: bool = True
    all_quantizations: bool = False
    clusters: int = 10
    text_column: str = "text"
    answers: SoftLabels | None = None
    precision: float = 0.9
    class_weight: str = "auto"
    separator: str = ""


class Progress(NamedTuple):
    """How the work tells where it is, what it found and what is doubtful, and how it may be watched and stopped."""

    step: Callable[[str], None]
    say: Callable[[str], None]
    warn: Callable[[str], None]
    controls: Controls


def make_task(plan: Plan, splits: Splits) -> Task:
    """The task that is planned, over the labels of the training texts."""
    if plan.task == "regress":
        return Regress(splits.train)
    if plan.task == "cluster":
        return Cluster(plan.clusters)
    if plan.multi_label:
        return MultiLabel(splits.labels)
    if plan.answers:
        return Distil(splits.labels, plan.answers, plan.class_weight)
    return Classify(splits.labels, plan.class_weight)
