"""How texts go through a model: in batches of like length, to train and to predict."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handler.model.windows import Windows
from training.learning.job import Job
from training.learning.ngrams import pad

# Many texts go in larger batches, up to so many times the family's own, so that an epoch has about so many steps.
LARGEST_BATCH = 3
STEPS = 640
FINE = 8
SHORT = 24


def lengths_up_to(max_tokens: int) -> list[int]:
    """The static input lengths: halves of the longest input, down to 32."""
    lengths = [max_tokens]
    while lengths[0] > 32:
        lengths.insert(0, max(32, lengths[0] // 2))
    return lengths


def served_lengths(max_tokens: int) -> list[int]:
    """The lengths that a bundle has functions for: SHORT too, which holds most titles and what one asks in a line."""
    return [*([SHORT] if max_tokens > SHORT else []), *lengths_up_to(max_tokens)]


def many(job: Job) -> bool:
    """Whether the texts are so many that batches of the family's own size would make an epoch longer than it need be.

    Of fewer texts each is worth more, and training on them again costs little.
    """
    return len(job.train.ids) >= STEPS * job.family.batch_size


def make_batches(job: Job) -> tuple[Any, int]:
    """A tf.data pipeline of (ids, targets, importance), shuffled anew each epoch, and how many of these an epoch has.

    Texts of like length stand together. What a step takes grows with each token, padding too, so that many texts, and
    those of an encoder, are padded less. Of a text that is read by windows, it is the first one.
    """
    import tensorflow as tf

    longest = job.spec.max_tokens
    fine = job.family.pretrained or many(job)
    lengths = [*range(FINE, longest, FINE), longest] if fine else lengths_up_to(longest)
    smallest = job.family.batch_size
    batch_size = max(smallest, min(LARGEST_BATCH * smallest, len(job.train.ids) // STEPS))
    begun = [row[:longest] for row in job.train.ids]
    taken = np.array([len(row) for row in begun])
    ids = tf.RaggedTensor.from_row_lengths(np.concatenate([np.asarray(row, np.int32) for row in begun]), taken)
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
    """Keras logits [n, width] of n texts, each at the smallest length that holds it; of longer ones by windows."""
    lengths, windows = lengths_up_to(max_tokens), Windows.of(ids, max_tokens)
    output = np.zeros((len(windows.ids), model.output_shape[-1]), np.float32)
    fits = np.searchsorted(lengths, [len(row) for row in windows.ids])
    for i, length in enumerate(lengths):
        rows = np.flatnonzero(fits == i)
        if len(rows):
            batch = pad([windows.ids[row] for row in rows.tolist()], length)
            output[rows] = model.predict(batch, batch_size=256, verbose=0)
    return windows.pooled(output)
