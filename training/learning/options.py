"""What the user chose for a training, how the work tells where it is, and the task that follows."""

from collections.abc import Callable
from typing import NamedTuple

from training.data.read import Splits
from training.learning.job import Controls, Family
from training.learning.soft_labels import Distil, SoftLabels
from training.learning.tasks import Classify, Cluster, MultiLabel, Regress, Task


class Options(NamedTuple):
    """What the user chose."""

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


class Progress(NamedTuple):
    """How the work tells where it is, and how it may be watched and stopped."""

    step: Callable[[str], None]
    warn: Callable[[str], None]
    controls: Controls


def make_task(options: Options, splits: Splits) -> Task:
    """The task that the user chose, over the labels of the training texts."""
    if options.task == "regress":
        return Regress(splits.train)
    if options.task == "cluster":
        return Cluster(options.clusters)
    if options.multi_label:
        return MultiLabel(splits.labels)
    if options.answers:
        return Distil(splits.labels, options.answers)
    return Classify(splits.labels)
