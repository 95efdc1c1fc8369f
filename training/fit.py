"""Training: token ids and labels -> a Keras model with the weights of its best epoch."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.families import Family, Spec

PATIENCE = 4


class Encoded(NamedTuple):
    """Texts as token ids, and the index of each text's label."""

    ids: list[list[int]]
    targets: NDArray[np.int64]


class Fitted(NamedTuple):
    """A trained model and, per epoch, the loss and the development macro-F1."""

    model: Any
    history: list[dict[str, float]]


def load_tensorflow() -> None:
    """Imports TensorFlow without what its C++ side prints about missing GPUs before its log level counts."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN's results depend on the processor; without it the same seed gives the same model on more machines.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    sys.stderr.flush()
    saved = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def lengths_up_to(max_tokens: int) -> list[int]:
    """The static input lengths: powers of two from 32 up to the longest input."""
    lengths = [max_tokens]
    while lengths[0] > 32:
        lengths.insert(0, max(32, lengths[0] // 2))
    return lengths


def fit(
    family: Family,
    spec: Spec,
    train: Encoded,
    dev: Encoded,
    lengths: Sequence[int],
    seed: int,
    on_epoch: Callable[[int, dict[str, float]], None],
) -> Fitted:
    """Trains with Adam; keeps the weights of the epoch with the best development macro-F1.

    Without development texts the last epoch is kept. The same seed gives the same weights.
    """
    import keras
    import tensorflow as tf

    class KeepBest(keras.callbacks.Callback):  # type: ignore[misc]
        """Scores each epoch on the development texts, stops when that no longer helps, restores the best."""

        def __init__(self) -> None:
            super().__init__()
            self.history: list[dict[str, float]] = []
            self.best = (-1.0, 0)
            self.weights: list[Any] = []

        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            record = {"loss": float(logs["loss"])}
            if dev.ids:
                predicted = predict_labels(predict(self.model, dev.ids, lengths))
                record["dev_macro_f1"] = macro_f1(dev.targets, predicted)
            self.history.append(record)
            on_epoch(epoch, record)
            score = record.get("dev_macro_f1", float(epoch))
            if score > self.best[0]:
                self.best, self.weights = (score, epoch), self.model.get_weights()
            elif epoch - self.best[1] >= PATIENCE:
                self.model.stop_training = True

        def on_train_end(self, logs: dict[str, float]) -> None:  # noqa: ARG002
            self.model.set_weights(self.weights)

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    model = family.build(spec)
    batches = make_batches(train, lengths, family.batch_size, spec.width, seed)
    steps = sum(1 for _ in batches)
    schedule = keras.optimizers.schedules.CosineDecay(family.learning_rate, steps * family.epochs)
    loss: Any = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if spec.width == 1:
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(schedule), loss, jit_compile=False)
    keep_best = KeepBest()
    # The texts are grouped anew each epoch, so the number of batches differs by a few: repeat and count.
    model.fit(
        batches.repeat(),
        epochs=family.epochs,
        steps_per_epoch=steps,
        verbose=0,
        shuffle=False,
        callbacks=[keep_best],
    )
    return Fitted(model, keep_best.history)


def make_batches(data: Encoded, lengths: Sequence[int], batch_size: int, width: int, seed: int) -> Any:
    """A tf.data pipeline of (ids, targets), shuffled anew each epoch, texts of like length together."""
    import tensorflow as tf

    targets = data.targets.astype(np.float32)[:, None] if width == 1 else data.targets
    ids = tf.ragged.constant(data.ids, dtype=tf.int32)
    rows = tf.data.Dataset.from_tensor_slices((ids, targets)).shuffle(len(data.ids), seed=seed)
    rows = rows.map(lambda row, target: (row, target))  # a ragged row becomes a plain tensor on its way
    return rows.bucket_by_sequence_length(
        element_length_func=lambda row, _: tf.shape(row)[0],
        bucket_boundaries=[length + 1 for length in lengths],
        bucket_batch_sizes=[batch_size] * (len(lengths) + 1),
        pad_to_bucket_boundary=True,
    ).prefetch(4)


def pad(ids: Sequence[Sequence[int]], length: int) -> NDArray[np.int32]:
    """Token ids of n texts -> int32 [n, length], padded with zeros."""
    padded = np.zeros((len(ids), length), np.int32)
    for row, tokens in zip(padded, ids, strict=True):
        row[: len(tokens)] = tokens
    return padded


def predict(model: Any, ids: Sequence[Sequence[int]], lengths: Sequence[int]) -> NDArray[np.float32]:
    """Keras logits [n, width] of n texts, each at the smallest length that holds it."""
    output = np.zeros((len(ids), model.output_shape[-1]), np.float32)
    fits = np.searchsorted(lengths, [len(row) for row in ids])
    for i, length in enumerate(lengths):
        rows = np.flatnonzero(fits == i)
        if len(rows):
            output[rows] = model.predict(pad([ids[row] for row in rows], length), batch_size=256, verbose=0)
    return output


def predict_labels(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """Logits [n, width] -> label indices [n]; a width of 1 is one sigmoid for two labels."""
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).astype(np.int64)
    best: NDArray[np.int64] = logits.argmax(axis=1)
    return best


def macro_f1(targets: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """The mean over labels of F1 = 2 TP / (2 TP + FP + FN), of the labels that occur in either."""
    scores = []
    for label in np.union1d(targets, predicted):
        hits = np.sum((targets == label) & (predicted == label))
        scores.append(2 * hits / (np.sum(targets == label) + np.sum(predicted == label)))
    return float(np.mean(scores)) if scores else 0.0
