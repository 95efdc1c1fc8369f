"""How a head on given vectors is regularised, and how much n-grams weigh beside it: by answers on texts left out."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.learning.folds import crossed, folds, standard_error
from training.learning.head import Floats, Head, fit_head
from training.learning.job import Job, OutOfFold
from training.learning.tasks import Task

# The first is the usual one: with 8, 16 and 64 texts a label of three sets it had 0.9 points more than 1 on development
# texts, and more than 0.001, 0.003, 0.03 and 0.1.
COSTS = (0.01, 0.001, 0.1, 1.0)
# The deviation that the scores of n-grams have, over that of the head's.
SHARES = (0.0, 0.25, 0.5, 1.0)
# By how many standard errors another choice than the usual one has to be better: with one, chosen on development texts
# of three sets, n-grams were taken by chance one time in nine.
SURE = 2

Vectors = Callable[[Sequence[Sequence[int]]], Floats]
# How good each answer is [n], of logits [n, width] and targets.
Credit = Callable[[NDArray[Any], NDArray[Any]], NDArray[np.float64]]
Choice = TypeVar("Choice")


class Mix(NamedTuple):
    """What errors cost the head, what the scores of n-grams are multiplied by, and the answers that say so.

    `crossed` are those of cross-validation, where no development texts are held out.
    """

    cost: float
    ngrams: float
    crossed: OutOfFold | None


def head_of(task: Task, vectors: Floats, targets: NDArray[Any], cost: float) -> Head:
    """The head for vectors of texts [n, width] and their targets."""
    wanted = task.signs(targets) if task.activation == "identity" else task.feed(targets)
    return fit_head(vectors, wanted, task.importance(targets), task.activation, cost)


def choose(job: Job, vectors: Vectors, beside: Floats | None, credit: Credit) -> Mix:
    """The mix whose answers on texts left out are best: on those of development, or out of fold.

    `beside` are the scores of n-grams on the same texts [n, width].
    """
    if beside is None:
        return Mix(COSTS[0], 0.0, None)
    out_of_fold = crossed(job)
    targets = job.train.targets if out_of_fold else job.dev.targets
    answer = _out_of_fold if out_of_fold else _in_development
    logits = {cost: answer(job, vectors, cost) for cost in COSTS}
    cost = surely_best({cost: credit(answers, targets) for cost, answers in logits.items()})
    scale = float(np.std(logits[cost])) / max(float(np.std(beside)), 1e-9)
    mixed = {share * scale: (logits[cost] + share * scale * beside).astype(np.float32) for share in SHARES}
    weight = surely_best({weight: credit(answers, targets) for weight, answers in mixed.items()})
    return Mix(cost, weight, OutOfFold(mixed[weight], targets) if out_of_fold else None)


def surely_best(credits: dict[Choice, NDArray[np.float64]]) -> Choice:
    """The choice with the highest credit [n] on average, if that is surely above the first one's.

    Among a dozen texts the best of several is so by chance.
    """
    usual = next(iter(credits))
    best = max(credits, key=lambda choice: float(credits[choice].mean()))
    gain = credits[best] - credits[usual]
    return best if gain.mean() > SURE * standard_error(gain) else usual


def _out_of_fold(job: Job, vectors: Vectors, cost: float) -> NDArray[np.float32]:
    """What heads say of the training texts, each of a head that was found without it."""
    said, found = vectors(job.train.ids), np.zeros((len(job.train.ids), job.spec.width), np.float32)
    for fold in folds(job):
        inside = np.setdiff1d(np.arange(len(said)), fold.rows)
        found[fold.rows] = head_of(job.task, said[inside], job.train.targets[inside], cost).logits(said[fold.rows])
    return found


def _in_development(job: Job, vectors: Vectors, cost: float) -> NDArray[np.float32]:
    """What the head of the training texts says of the development texts."""
    head = head_of(job.task, vectors(job.train.ids), job.train.targets, cost)
    return head.logits(vectors(job.dev.ids))
