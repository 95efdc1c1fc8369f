"""Answers to texts that were not trained on, where few are held out: stratified k-fold cross-validation.

Source: Stone 1974, "Cross-Validatory Choice and Assessment of Statistical Predictions".
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.learning.batches import predict
from training.learning.fit import run
from training.learning.job import Encoded, Fitted, Job, OutOfFold

# Fewer texts are too few to hold some out for choosing. Of more a tenth tells settings apart about as well.
FEW_TEXTS = 2000
FOLDS = 5
# Of what takes longer to train than n-grams.
TIMES_MORE = 3
RESAMPLES = 100

Floats = NDArray[np.floating[Any]]


class Fold(NamedTuple):
    """A training without one part of the texts, that part, and where in the whole it stands."""

    job: Job
    left_out: Encoded
    rows: NDArray[np.int64]


def few(job: Job) -> bool:
    """Whether the texts that are trained on are few."""
    return len(job.train.ids) < FEW_TEXTS


def crossed(job: Job) -> bool:
    """Whether settings are to be chosen by cross-validation: the texts are few, but enough, and none are held out."""
    return few(job) and len(job.train.ids) >= FOLDS and not job.dev.ids and not job.settings


def deal(targets: NDArray[Any], seed: int, parts: int = FOLDS) -> NDArray[np.int64]:
    """The part of each of n texts: shuffled, sorted by target and dealt out, so that each part has its share of each.

    Targets are label indices or numbers [n], or 0 and 1 [n, labels].
    """
    shuffled = np.random.default_rng(seed).permutation(len(targets))
    _, kind = np.unique(targets, axis=0, return_inverse=True)
    order = shuffled[np.argsort(kind.reshape(-1)[shuffled], kind="stable")]
    part = np.empty(len(targets), np.int64)
    part[order] = np.arange(len(targets)) % parts
    return part


def folds(job: Job, parts: int = FOLDS) -> Iterator[Fold]:
    """The job without each part of its training texts in turn."""
    part = deal(job.train.targets, job.seed, parts)
    for number in range(parts):
        rows, others = np.flatnonzero(part == number), np.flatnonzero(part != number)
        yield Fold(job._replace(train=_some(job.train, others)), _some(job.train, rows), rows)


def out_of_fold(job: Job, fitted: Fitted) -> OutOfFold:
    """Answers on the job's training and development texts, each by a model that was trained without it, with the
    settings of the fitted one.
    """
    quiet = job.controls._replace(on_epoch=lambda *_: None, log_directory=None, checkpoint=None)
    both = Encoded(job.train.ids + job.dev.ids, np.concatenate([job.train.targets, job.dev.targets]))
    nothing = Encoded([], job.dev.targets[:0])
    whole = job._replace(train=both, dev=nothing, settings=fitted.settings, controls=quiet)
    logits = np.zeros((len(both.ids), job.spec.width), np.float32)
    for fold in folds(whole, TIMES_MORE):
        logits[fold.rows] = predict(run(fold.job).model, fold.left_out.ids, job.spec.max_tokens)
    return OutOfFold(logits, both.targets)


def standard_error(values: Floats) -> float:
    """Of the mean of n values, one a text."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def resampled_error(score: Callable[[Any, Any], float], one: Floats, other: Floats, targets: NDArray[Any]) -> float:
    """The standard error of the difference of two scores of logits [n, width], on the same texts.

    By resampling the texts, the same for both, since both find the same texts hard: Efron 1979, "Bootstrap Methods:
    Another Look at the Jackknife".
    """
    generator, differences = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        rows = generator.integers(0, len(targets), len(targets))
        differences.append(score(one[rows], targets[rows]) - score(other[rows], targets[rows]))
    return float(np.std(differences))


def _some(texts: Encoded, rows: NDArray[np.int64]) -> Encoded:
    return Encoded([texts.ids[row] for row in rows.tolist()], texts.targets[rows])
