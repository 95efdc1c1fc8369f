"""Labels that are likely wrong, as models that did not see them tell.

Source: Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels".
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handler.model.activation import activate
from training.data.read import Example
from training.data.split import Splits
from training.families import get_family
from training.families.hybrid import most_ngrams
from training.learning.calibrate import temperature
from training.learning.folds import FOLDS, few
from training.learning.job import Controls, Job
from training.learning.reading import read_texts, suited
from training.learning.tasks import Classify
from training.learning.wide_part import COSTS, Setting, choose_on_folds, cross, of_many

# Of many texts and more than two labels. A scale made of wrong labels believes them: of 17 settings this found best
# the twentieth of 6,000 titles of ten labels that was made wrong.
NO_SCALE = Setting(1.0, 0.0)

Floats = NDArray[np.floating[Any]]


class LabelError(NamedTuple):
    """A text, by its number from 0, its likelier label, and how likely its own and that one are."""

    text: int
    suggested: str
    own: float
    other: float


def label_errors(examples: Sequence[Example], seed: int = 0) -> list[LabelError]:
    """The texts whose labels are likely wrong, the likeliest first; no two of them should be alike.

    A label of fewer than FOLDS texts is not judged: some model would not have seen it. With fewer than two labels that
    are, nothing is found.
    """
    texts_of: dict[str, int] = {}
    for example in examples:
        texts_of[example.label] = texts_of.get(example.label, 0) + 1
    labels = sorted(label for label, count in texts_of.items() if count >= FOLDS)
    if len(labels) < 2:
        return []
    judged = [number for number, example in enumerate(examples) if texts_of[example.label] >= FOLDS]
    probabilities, given = out_of_fold([examples[number] for number in judged], labels, seed)
    rows = confident_errors(probabilities, given)
    return [
        LabelError(judged[row], labels[best], float(probabilities[row, given[row]]), float(probabilities[row, best]))
        for row, best in zip(rows.tolist(), probabilities[rows].argmax(axis=1).tolist(), strict=True)
    ]


def out_of_fold(examples: Sequence[Example], labels: Sequence[str], seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Calibrated probabilities [n, labels] of texts, each by n-grams that were weighed without it, and its label [n].

    That is the family `linear`, in NumPy alone. Each label needs FOLDS texts.
    """
    family = suited(get_family("linear"), [example.text for example in examples])
    task = Classify(labels, "none")
    read = read_texts(family, task, Splits(list(examples), [], [], list(labels)))
    job = Job(family, read.spec, task, read.train, read.dev, seed, Controls(lambda *_: None))
    most = most_ngrams(read.spec)
    if few(job):
        logits = choose_on_folds(job, most)[1].logits
    else:
        setting = NO_SCALE if task.width > 1 else of_many(job, COSTS[1])
        logits = cross(job, most, [setting])[setting]
    given = read.train.targets
    return activate(logits, task.activation, temperature(logits, given, task.activation)), given


def confident_errors(probabilities: Floats, given: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of probabilities [n, labels] that are off the diagonal of the confident joint, the worst first.

    A label is confident from its threshold on, which is its mean probability among the texts that carry it. Of the
    labels that are confident the likeliest counts; a text whose own label is the likeliest of all is no error. Ordered
    by the normalised margin: the probability of the label given less that of the likeliest other.
    """
    rows = np.arange(len(given))
    own = probabilities[rows, given]
    count = np.bincount(given, minlength=probabilities.shape[1])
    thresholds = np.bincount(given, own, minlength=probabilities.shape[1]) / np.maximum(count, 1)
    thresholds[count == 0] = np.inf
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    others = probabilities.copy()
    others[rows, given] = -1.0
    margin = own - others.max(axis=1)
    wrong = np.flatnonzero((confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != given) & (margin < 0))
    return wrong[np.argsort(margin[wrong], kind="stable")]
