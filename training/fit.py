"""Training: token ids and targets -> a Keras model with the best weights that were seen."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.errors import InputError
from training.families import Family, Spec
from training.ngrams import pad
from training.tasks import Task

PATIENCE = 4
WARMUP_SHARE = 0.05
# Weights are averaged over the last part of the schedule: Izmailov et al. 2018, "Averaging Weights Leads to
# Wider Optima and Better Generalization".
AVERAGED_SHARE = 0.25
AVERAGED_POINTS = 10
# Many texts go in larger batches, up to so many times the family's own, so that an epoch has about so many steps.
LARGEST_BATCH = 3
STEPS = 640
FINE = 8


class Encoded(NamedTuple):
    """Texts as token ids, and what the network should say of each."""

    ids: list[list[int]]
    targets: NDArray[Any]


class Controls(NamedTuple):
    """How training may be watched and stopped.

    `deadline` is a time.monotonic(); `log_directory` gets TensorBoard events; `checkpoint` is a directory that keeps
    the state after each epoch, so that the same training goes on from there.
    """

    on_epoch: Callable[[int, dict[str, float]], None]
    deadline: float = float("inf")
    log_directory: Path | None = None
    checkpoint: Path | None = None


class Job(NamedTuple):
    """One training: what, on what, for what."""

    family: Family
    spec: Spec
    task: Task
    train: Encoded
    dev: Encoded
    seed: int
    controls: Controls
    settings: Mapping[str, float] = {}


class Fitted(NamedTuple):
    """A trained model, per epoch the loss and the development score, and the settings that development chose.

    A job with those settings and no development texts trains the same kind of model without choosing anew. `embedder`
    is the model's own way to embed, if it has one: token ids -> L2-normalised vectors [batch, width]. `again` is how a
    family that is not to start anew takes such a job.
    """

    model: Any
    history: list[dict[str, float]]
    settings: dict[str, float]
    embedder: Any = None
    again: Any = None


def run(job: Job) -> Fitted:
    """Trains as the family wants it."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(job.seed)
    tf.config.experimental.enable_op_determinism()
    with _on_all_devices():
        if job.family.fit is not None:
            fitted: Fitted = job.family.fit(job)
            return fitted
        assert job.family.build is not None
        return descend(job, job.family.build(job.spec))


def _on_all_devices() -> AbstractContextManager[Any]:
    """Where there are several GPUs, each trains on its share of every batch; else nothing."""
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU")
    return tf.distribute.MirroredStrategy(devices).scope() if len(devices) > 1 else nullcontext()


def descend(job: Job, model: Any, rates: Mapping[str, float] | None = None) -> Fitted:
    """Trains a model by Adam; keeps the weights with the best development score, or the average of the last ones.

    `rates` gives the share of the step that a variable takes, by its path; else it is 1. Without development texts the
    last epoch is kept. The same seed gives the same weights.
    """
    import keras

    from training.callbacks import Checkpoint, KeepBest, StopInTime
    from training.optimizer import Adam

    batches, steps = make_batches(job)
    epochs = int(job.settings.get("epochs", job.family.epochs))
    total = steps * epochs
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, total - int(total * WARMUP_SHARE)),
        alpha=0.01,
        warmup_target=job.family.learning_rate,
        warmup_steps=max(1, int(total * WARMUP_SHARE)),
    )
    optimizer = Adam(schedule, rates or {})
    model.compile(optimizer, job.task.loss(), jit_compile=False)
    optimizer.build(model.trainable_variables)
    keep_best = KeepBest(job, total)
    callbacks = [keep_best, StopInTime(job.controls.deadline)]
    if job.controls.log_directory:
        callbacks.append(keras.callbacks.TensorBoard(str(job.controls.log_directory)))
    done = 0
    if job.controls.checkpoint:
        checkpoint = Checkpoint(job, keep_best)
        done = checkpoint.restore(model)
        callbacks.append(checkpoint)
    if done < epochs and not keep_best.finished(done - 1):
        model.fit(
            batches.repeat().skip(done * steps),
            initial_epoch=done,
            epochs=epochs,
            steps_per_epoch=steps,
            verbose=0,
            shuffle=False,
            callbacks=callbacks,
        )
    keep_best.restore(model)
    return Fitted(model, keep_best.history, {"epochs": keep_best.epochs_worth})


def load_tensorflow(portable: bool = True) -> None:
    """Imports TensorFlow without what its C++ side prints about missing GPUs before its log level counts.

    Unless `portable`, it uses oneDNN's kernels, whose results depend on the processor; without them the same seed gives
    the same model on more machines. Raises InputError if the environment asks for several workers.
    """
    if "TF_CONFIG" in os.environ:
        raise InputError(
            "TF_CONFIG names several workers, and Keras 3 cannot fit a model on several; unset it to train on this one."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0" if portable else "1")
    sys.stderr.flush()
    saved = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
            tf.get_logger().setLevel("ERROR")
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def lengths_up_to(max_tokens: int) -> list[int]:
    """The static input lengths: halves of the longest input, down to 32."""
    lengths = [max_tokens]
    while lengths[0] > 32:
        lengths.insert(0, max(32, lengths[0] // 2))
    return lengths


def many(job: Job) -> bool:
    """Whether the texts are so many that batches of the family's own size would make an epoch longer than it need be.

    Of fewer texts each is worth more, and training on them again costs little.
    """
    return len(job.train.ids) >= STEPS * job.family.batch_size


def make_batches(job: Job) -> tuple[Any, int]:
    """A tf.data pipeline of (ids, targets, importance), shuffled anew each epoch, and how many of these an epoch has.

    Texts of like length stand together. What a step takes grows with each token, padding too, so that many texts, and
    those of an encoder, are padded less.
    """
    import tensorflow as tf

    longest = job.spec.max_tokens
    fine = job.family.pretrained or many(job)
    lengths = [*range(FINE, longest, FINE), longest] if fine else lengths_up_to(longest)
    smallest = job.family.batch_size
    batch_size = max(smallest, min(LARGEST_BATCH * smallest, len(job.train.ids) // STEPS))
    taken = np.array([len(row) for row in job.train.ids])
    ids = tf.RaggedTensor.from_row_lengths(np.concatenate([np.asarray(row, np.int32) for row in job.train.ids]), taken)
    targets = job.train.targets
    rows = tf.data.Dataset.from_tensor_slices((ids, job.task.feed(targets), job.task.importance(targets)))
    rows = rows.map(lambda *row: row).cache()  # a ragged row becomes a plain tensor on its way, once and for all
    rows = rows.shuffle(len(job.train.ids), seed=job.seed)
    batches = rows.bucket_by_sequence_length(
        element_length_func=lambda row, *_: tf.shape(row)[0],
        bucket_boundaries=[length + 1 for length in lengths],
        bucket_batch_sizes=[batch_size] * (len(lengths) + 1),
        pad_to_bucket_boundary=True,
    )
    of_each_length = np.bincount(np.searchsorted(lengths, taken))
    return batches.prefetch(tf.data.AUTOTUNE), int(np.ceil(of_each_length / batch_size).sum())


def predict(model: Any, ids: Sequence[Sequence[int]], max_tokens: int) -> NDArray[np.float32]:
    """Keras logits [n, width] of n texts, each at the smallest length that holds it."""
    lengths = lengths_up_to(max_tokens)
    output = np.zeros((len(ids), model.output_shape[-1]), np.float32)
    fits = np.searchsorted(lengths, [len(row) for row in ids])
    for i, length in enumerate(lengths):
        rows = np.flatnonzero(fits == i)
        if len(rows):
            output[rows] = model.predict(pad([ids[row] for row in rows], length), batch_size=256, verbose=0)
    return output
