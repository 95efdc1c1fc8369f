"""The whole way from labelled texts to a bundle in memory."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from handler.model.bundle import EMBED, PREDICT, Bundle, Manifest
from handler.model.classifier import activate, probabilities
from training.data.split import Splits
from training.judging.evaluate import Evaluation, judge, on_unseen
from training.judging.outcome import Outputs, Trained
from training.learning.batches import predict
from training.learning.calibrate import calibrated
from training.learning.fit import run
from training.learning.job import Encoded, Fitted, Job
from training.learning.plan import Plan, Progress, make_task
from training.learning.reading import Read, read_texts
from training.learning.tasks import Task, restore_scale
from training.learning.vectors import token_vectors
from training.shipping.manifest import golden_lines, manifest_of
from training.shipping.quantized import Attempt, Comparison, choose


def train(plan: Plan, splits: Splits, progress: Progress) -> Trained:
    """Trains, calibrates, converts, checks parity and evaluates. Raises CommandError; writes nothing."""
    from training.learning.layers import embedder

    started = time.perf_counter()
    task = make_task(plan, splits)
    progress.step(f"preparing the {plan.family.tokenizer} tokenizer on {len(splits.train):,} texts")
    read = read_texts(plan.family, task, splits)
    spec = read.spec
    progress.step(f"training {plan.family.name} ({plan.family.summary})")
    job = Job(plan.family, spec, task, read.train, read.dev, plan.seed, progress.controls)
    chosen = run(job)
    dev_logits = predict(chosen.model, read.dev.ids, spec.max_tokens)
    fitted, trained_on = _on_all(plan, job, chosen, time.perf_counter() - started, progress)
    model = restore_scale(fitted.model, task)
    seconds = time.perf_counter() - started

    progress.step("converting to TensorFlow Lite")
    functions = {PREDICT: model, EMBED: fitted.embedder or embedder(token_vectors(trained_on.ids, spec.vocabulary))}
    manifest = manifest_of(plan, splits, task, trained_on, spec, functions[EMBED].output_shape[-1])
    manifest = calibrated(manifest, dev_logits, read.dev.targets)
    comparison = _comparison(splits, read, model, task, trained_on)
    bare = Bundle(manifest, b"", read.tokenizer.to_str(), b"")
    attempt, parity, variants = choose(functions, bare, plan, comparison, progress)
    lines = golden_lines(comparison.examples, comparison.keras_logits, manifest)
    shipped = msgspec.structs.replace(attempt.bundle, golden_lines=lines)
    evaluation, outputs = _judged(shipped.manifest, attempt, splits, read)
    if evaluation:
        final = msgspec.structs.replace(shipped.manifest, metrics=evaluation.summary)
        shipped = msgspec.structs.replace(shipped, manifest=final)
    return Trained(shipped, splits, evaluation, parity, chosen.history, chosen.settings, seconds, variants, outputs)


def _on_all(plan: Plan, job: Job, fitted: Fitted, seconds: float, progress: Progress) -> tuple[Fitted, Encoded]:
    """Trained once more, on the development texts too, if that is wanted and there is time; and what was trained on."""
    train, dev = job.train, job.dev
    in_time = time.monotonic() + seconds < progress.controls.deadline
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
    evaluation.summary.update(on_unseen(sure, read.test.targets, splits))
    return evaluation, Outputs(raw, sure, read.test.targets)
