"""Training: token ids and targets -> a Keras model with the best weights that were seen."""

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from training.errors import InputError
from training.learning.batches import make_batches
from training.learning.job import Fitted, Job

WARMUP_SHARE = 0.05


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

    from training.learning.callbacks import Checkpoint, KeepBest, StopInTime
    from training.learning.optimizer import Adam

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
