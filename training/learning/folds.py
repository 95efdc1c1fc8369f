"""Answers to texts that were not trained on, where few are held out.

Source: Stone 1974, "Cross-Validatory Choice and Assessment of Statistical Predictions".
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.learning.batches import predict
from training.learning.fit import run
from training.learning.job import Encoded, Fitted, Job

FOLDS = 3


def out_of_fold(job: Job, fitted: Fitted) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Logits of the job's training and development texts, each by a model that was trained on the other folds with the
    settings of the fitted one; and their targets.
    """
    ids, targets = job.train.ids + job.dev.ids, np.concatenate([job.train.targets, job.dev.targets])
    fold = np.random.default_rng(job.seed).permutation(len(ids)) % FOLDS
    logits = np.zeros((len(ids), job.spec.width), np.float32)
    quiet = job.controls._replace(on_epoch=lambda *_: None, log_directory=None, checkpoint=None)
    for number in range(FOLDS):
        inside, others = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        part = Encoded([ids[i] for i in others.tolist()], targets[others])
        once = job._replace(train=part, dev=Encoded([], targets[:0]), settings=fitted.settings, controls=quiet)
        logits[inside] = predict(run(once).model, [ids[i] for i in inside.tolist()], job.spec.max_tokens)
    return logits, targets
