"""The whole way from labelled texts to a bundle in memory."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from handler.model.activation import activate, label_thresholds, probabilities
from handler.model.bundle import EMBED, PREDICT, Bundle, Manifest
from training.data.split import Splits
from training.judging.evaluate import Evaluation, judge, on_unseen
from training.judging.outcome import CrossValidated, Outputs, Trained, certainty
from training.learning.batches import predict
from training.learning.calibrate import NEVER, calibrated
from training.learning.fit import run
from training.learning.folds import TIMES_MORE, out_of_fold
from training.learning.job import Encoded, Fitted, Job, OutOfFold
from training.learning.levels import with_levels
from training.learning.plan import Plan, Progress, make_task
from training.learning.reading import SPELLED, Read, cut_texts, read_texts, suited
from training.learning.tasks import MultiLabel, Task, restore_scale
from training.learning.vectors import token_vectors
from training.shipping.manifest import golden_lines, manifest_of
from training.shipping.quantized import Attempt, Comparison, choose

# Fewer development texts than these say little of confidences: 29 that are all right justify one of 90 %.
ENOUGH = 40


class Learned(NamedTuple):
    """A model with the settings that development chose, how it reads, and its development logits; not converted yet."""

    task: Task
    read: Read
    job: Job
    fitted: Fitted
    dev_logits: NDArray[np.float32]
    seconds: float

    @property
    def unseen(self) -> OutOfFold:
        """Answers on texts that were not trained on: out of fold, or in development."""
        return self.fitted.crossed or OutOfFold(self.dev_logits, self.read.dev.targets)

    @property
    def score(self) -> float:
        """How good these answers are."""
        return self.task.score(*self.unseen)


def learn(plan: Plan, splits: Splits, progress: Progress) -> Learned:
    """Trains on the training texts, and chooses on the development texts."""
    started = time.perf_counter()
    task = make_task(plan, splits)
    family = suited(plan.family, [example.text for example in splits.train])
    if family != plan.family:
        progress.say(SPELLED)
    progress.step(f"preparing the {family.tokenizer} tokenizer on {len(splits.train):,} texts")
    read = read_texts(family, task, splits)
    for finding in cut_texts(read.cut, len(splits.train), read.spec.text_tokens):
        progress.say(f"audit: {finding.count:,} {finding.text}")
    progress.step(f"training {family.name} ({family.summary})")
    job = Job(family, read.spec, task, read.train, read.dev, plan.seed, progress.controls)
    fitted = run(job)
    dev_logits = predict(fitted.model, read.dev.ids, read.spec.max_tokens)
    return Learned(task, read, job, fitted, dev_logits, time.perf_counter() - started)


def train(plan: Plan, splits: Splits, progress: Progress, learned: Learned | None = None) -> Trained:
    """Trains, if nothing is learned yet, calibrates, converts, checks parity and evaluates. Writes nothing.

    Raises CommandError.
    """
    from training.learning.layers import embedder

    learned = learned or learn(plan, splits, progress)
    started = time.perf_counter()
    task, read = learned.task, learned.read
    logits, targets = _unseen(plan, learned, progress)
    fitted, trained_on = _on_all(plan, learned, progress)
    if fitted.remark:
        progress.say(fitted.remark)
    model = restore_scale(fitted.model, task)
    seconds = learned.seconds + time.perf_counter() - started

    progress.step("converting to TensorFlow Lite")
    functions = {
        PREDICT: model,
        EMBED: fitted.embedder or embedder(token_vectors(trained_on.ids, read.spec.vocabulary)),
    }
    manifest = manifest_of(plan, splits, task, trained_on, read.spec, functions[EMBED].output_shape[-1])
    if isinstance(task, MultiLabel):
        task.settle(logits, targets)
    manifest = calibrated(manifest, logits, targets, plan.precision, task.cuts)
    if plan.separator:
        manifest = with_levels(manifest, probabilities(manifest, logits), targets, plan.precision)
    if (manifest.level_thresholds or [manifest.threshold])[0] == NEVER:
        progress.warn(certainty(manifest))
    comparison = _comparison(splits, read, model, task, trained_on)
    bare = Bundle(manifest, b"", read.tokenizer.to_str(), b"")
    attempt, parity, variants = choose(functions, bare, plan, comparison, progress)
    lines = golden_lines(comparison.examples, comparison.keras_logits, manifest)
    shipped = msgspec.structs.replace(attempt.bundle, golden_lines=lines)
    evaluation, outputs = _judged(shipped.manifest, attempt, splits, read)
    if evaluation:
        final = msgspec.structs.replace(shipped.manifest, metrics=evaluation.summary)
        shipped = msgspec.structs.replace(shipped, manifest=final)
    first = learned.fitted
    crossed = CrossValidated.of(first.crossed, task) if first.crossed else None
    found = (shipped, splits, evaluation, parity, first.history, first.settings, seconds, variants, outputs)
    return Trained(*found, crossed=crossed, cut=read.cut)


def _unseen(plan: Plan, learned: Learned, progress: Progress) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Logits of texts that were not trained on, by which confidences are set, and their targets.

    Those of development; if these are few, and there is time, of all texts, each by a model trained without it.
    An encoder takes long to train, and a teacher's answers are no labels.
    """
    if learned.fitted.crossed:
        return learned.fitted.crossed
    job, dev = learned.job, learned.read.dev
    in_time = time.monotonic() + TIMES_MORE * learned.seconds < progress.controls.deadline
    slow = plan.family.pretrained is not None or plan.answers is not None
    if plan.task != "classify" or not 0 < len(dev.ids) < ENOUGH or slow or not in_time:
        return learned.dev_logits, dev.targets
    progress.step(f"training {TIMES_MORE} times more, each on other texts, since {len(dev.ids)} to develop on are few")
    return out_of_fold(job, learned.fitted)


def _on_all(plan: Plan, learned: Learned, progress: Progress) -> tuple[Fitted, Encoded]:
    """Trained once more, on the development texts too, if that is wanted and there is time; and what was trained on."""
    job, fitted = learned.job, learned.fitted
    train, dev = job.train, job.dev
    in_time = time.monotonic() + learned.seconds < progress.controls.deadline
    if not (plan.refit and dev.ids and in_time):
        return fitted, train
    progress.step("training once more, on the development texts too")
    both = Encoded(train.ids + dev.ids, np.concatenate([train.targets, dev.targets]))
    nothing = Encoded([], dev.targets[:0])
    return (fitted.again or run)(job._replace(train=both, dev=nothing, settings=fitted.settings)), both


def _comparison(splits: Splits, read: Read, model: Any, task: Task, trained_on: Encoded) -> Comparison:
    """The texts on which Keras and TensorFlow Lite are compared: test, else development, else training."""
    pairs = [(splits.test, read.test), (splits.dev, read.dev), (splits.train, read.train)]
    examples, encoded = next(pair for pair in pairs if pair[0])

    def summary(manifest: Manifest, logits: NDArray[np.float32], truncated: Sequence[bool]) -> dict[str, float]:
        return judge(manifest, logits, truncated, examples, "the compared texts").summary

    logits = predict(model, encoded.ids, read.spec.max_tokens)
    return Comparison(examples, encoded, logits, task, trained_on.ids, summary)


def _judged(
    manifest: Manifest, attempt: Attempt, splits: Splits, read: Read
) -> tuple[Evaluation | None, Outputs | None]:
    """How good what is shipped is on the test texts, if there are any: these are the texts compared on."""
    if not splits.test:
        return None, None
    evaluation = judge(manifest, attempt.logits, attempt.truncated, splits.test, "the test texts")
    if manifest.task != "classify":
        return evaluation, None
    raw, sure = activate(attempt.logits, manifest.activation, 1.0), probabilities(manifest, attempt.logits)
    applies = label_thresholds(manifest)
    evaluation.summary.update(on_unseen(sure, read.test.targets, splits, applies))
    return evaluation, Outputs(raw, sure, read.test.targets, applies)
