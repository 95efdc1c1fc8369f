"""Keras layers that the families share. Token id 0 is padding everywhere."""

from itertools import pairwise
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from training.learning.job import Spec
from training.learning.ngrams import NgramDictionary
from training.learning.wide import Wide

# Odd multiplier for rolling hashes: a bucket below 2**18 times it, plus an id, stays within int32.
MULTIPLIER = 8191


class Table(keras.layers.Layer):  # type: ignore[misc]
    """A vector for each id: int32 [...] -> float32 [..., width].

    Unlike keras.layers.Embedding it can be stored as int8: a value times a scale of its column and a power of its
    row, which is int8 too. The graph then gathers int8 and multiplies what it gathered; the converter by itself
    has one scale for a whole table, and turns all of it back into floats when it is loaded.
    """

    def __init__(self, rows: int, width: int, initializer: Any = "uniform", **options: Any) -> None:
        super().__init__(**options)
        self.table = self.add_weight((rows, width), initializer=initializer, name="table")
        self.stored: Int8Table | None = None
        self.built = True  # `total` goes past the call that would say so

    def store_as_int8(self, on: bool) -> None:
        """Stores the table as int8 from now on, or as floats again."""
        self.stored = Int8Table.of(ops.convert_to_numpy(self.table)) if on else None

    def call(self, ids: Any) -> Any:
        return self._scaled(self._gathered(ids))

    def total(self, ids: Any, present: Any = None) -> Any:
        """The sum of the vectors of ids [batch, length], or of those that are present: [batch, width].

        The columns' scale is taken to the sum, which is cheaper than to what is summed.
        """
        gathered = self._gathered(ids)
        values = gathered if present is None else gathered * tf.expand_dims(present, -1)
        return self._scaled(tf.reduce_sum(values, axis=1))

    def _gathered(self, ids: Any) -> Any:
        if self.stored is None:
            return tf.gather(self.table, ids)
        values = tf.cast(tf.gather(self.stored.values, ids), tf.float32)
        if self.stored.rows is None:
            return values
        power = tf.cast(tf.gather(self.stored.rows, ids), tf.float32) * self.stored.step
        return values * tf.expand_dims(tf.exp(power), -1)

    def _scaled(self, values: Any) -> Any:
        return values if self.stored is None else values * self.stored.columns


class Int8Table(NamedTuple):
    """values[i, j] * columns[j] * exp(rows[i] * step); `rows` is None where a byte a row would not pay.

    `values` int8 [rows, width] and `rows` int8 [rows] are tensors, which all functions of a model share; an array would
    be copied into the graph of each.
    """

    values: Any
    columns: NDArray[np.float32]
    rows: Any
    step: float

    @classmethod
    def of(cls, table: NDArray[np.float32]) -> "Int8Table":
        columns = np.maximum(np.abs(table).max(axis=0), 1e-12)
        relative = table / columns
        rows, step, largest = None, 0.0, np.ones((len(table), 1))
        if table.shape[1] > 2:
            size = np.log(np.maximum(np.abs(relative).max(axis=1, keepdims=True), 1e-6))
            step = max(float(-size.min()) / 127, 1e-9)
            rows = np.ceil(size / step).astype(np.int8)
            largest = np.exp(rows * step)
        values = np.round(relative / largest * 127).astype(np.int8)
        powers = None if rows is None else tf.constant(rows[:, 0])
        return cls(tf.constant(values), (columns / 127).astype(np.float32), powers, step)


class TokenDropout(keras.layers.Layer):  # type: ignore[misc]
    """Replaces a share of the token ids by padding while training, so that no single token is relied on."""

    def __init__(self, rate: float, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate
        self.random = keras.random.SeedGenerator()

    def call(self, token_ids: Any, training: bool = False) -> Any:
        if not training:
            return token_ids
        kept = keras.random.uniform(ops.shape(token_ids), seed=self.random) >= self.rate
        return token_ids * ops.cast(kept, token_ids.dtype)


class HashedNgramSum(keras.layers.Layer):  # type: ignore[misc]
    """Sums a vector of each token n-gram and divides by the root of their number.

    Formula: b + sum over n <= orders, over n-grams g of E_n[hash(g)], / sqrt(how many). Unigrams have a row each;
    longer n-grams are hashed into buckets inside the graph, so that serving needs token ids only (hashed
    n-grams as in Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification").

    int32 [batch, length] -> float32 [batch, width].
    """

    def __init__(self, vocabulary: int, width: int, buckets: int, orders: int, **options: Any) -> None:
        super().__init__(**options)
        self.buckets = buckets
        self.bias = self.add_weight((width,), initializer="zeros", name="bias")
        self.tables = [Table(rows, width, "zeros") for rows in [vocabulary] + [buckets] * (orders - 1)]

    def call(self, token_ids: Any) -> Any:
        total, count, hashed = 0.0, 0.0, token_ids
        present = ops.cast(token_ids > 0, "float32")
        for n, table in enumerate(self.tables):
            if n > 0:
                hashed = (hashed[:, :-1] * MULTIPLIER + token_ids[:, n:]) % self.buckets
                present = present[:, :-1] * ops.cast(token_ids[:, n:] > 0, "float32")
            total += table.total(hashed, present)
            count += ops.sum(present, axis=1, keepdims=True)
        return self.bias + total * inverse_root(ops.maximum(count, 1.0))


class NgramLookup(keras.layers.Layer):  # type: ignore[misc]
    """Finds n-grams as `NgramDictionary.places` does: int32 [batch, length] -> the places of each level, as many."""

    def __init__(self, dictionary: NgramDictionary, **options: Any) -> None:
        super().__init__(**options)
        self.dictionary = dictionary
        self.tensors = [(tf.constant(level.keys), tf.constant(level.displacements)) for level in dictionary.levels]

    def call(self, token_ids: Any) -> Any:
        found = [token_ids]
        for n, (keys, displacements) in enumerate(self.tensors, 1):
            # No key ends in padding or begins with a prefix that was not found.
            last = tf.pad(token_ids[:, n:], [[0, 0], [0, n]])
            wanted = found[-1] * self.dictionary.vocabulary + last
            slots = (wanted + tf.gather(displacements, wanted % len(displacements))) % len(keys)
            is_key = tf.equal(tf.gather(keys, slots), wanted)
            found.append((slots + 1) * tf.cast(is_key, tf.int32))
        return found


class WideSum(keras.layers.Layer):  # type: ignore[misc]
    """The scores of `training.learning.wide` from the places of each level [batch, length]: float32 [batch, width].

    A table a level, because trigrams weigh far less than characters and int8 has one scale a column.
    """

    def __init__(self, dictionary: NgramDictionary, wide: Wide, **options: Any) -> None:
        super().__init__(**options)
        self.bias = tf.constant(wide.bias, tf.float32)
        self.tables = []
        columns = np.concatenate([wide.weights, wide.squared_frequency[:, None]], axis=1).astype(np.float32)
        columns[0] = 0.0
        starts = [0, *dictionary.offsets, dictionary.rows]
        for start, end in pairwise(starts):
            rows = columns[start:end] if start == 0 else np.pad(columns[start:end], ((1, 0), (0, 0)))
            table = Table(len(rows), rows.shape[1], "zeros")
            table.table.assign(rows)
            self.tables.append(table)

    def call(self, places: Any) -> Any:
        sums = sum(table.total(found) for table, found in zip(self.tables, places, strict=True))
        return sums[:, :-1] * inverse_root(tf.maximum(sums[:, -1:], 1e-12)) + self.bias


class MaximumAndSum(keras.layers.Layer):  # type: ignore[misc]
    """Pools [batch, length, width] over what is present: the maximum, and the sum over the root of the length.

    The maximum is 0 at least, since that is what padding counts as, and a text without padding must not differ.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True  # `present` says the same as a mask

    def compute_mask(self, *_: Any) -> None:
        """None: what is pooled has no places left that a mask could speak of, and the loss would be given it."""

    def call(self, hidden: Any, present: Any) -> Any:
        hidden = hidden * present
        length = ops.maximum(ops.sum(present, axis=1), 1.0)
        maximum = ops.maximum(ops.max(hidden, axis=1), 0.0)
        return ops.concatenate([maximum, ops.sum(hidden, axis=1) * inverse_root(length)], axis=-1)


def recurrent_reader(spec: Spec, layer: Any) -> keras.Model:
    """Token vectors -> a recurrent layer that skips padding -> Dense over its last state.

    A layer that returns every state is pooled: the maximum, and the sum over the root of the length.
    """
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    embedded = keras.layers.SpatialDropout1D(0.2)(Table(spec.vocabulary, 64)(token_ids))
    state = layer(embedded, mask=ops.cast(token_ids, "bool"))
    if len(state.shape) == 3:
        state = MaximumAndSum()(state, ops.cast(token_ids > 0, "float32")[..., None])
    return keras.Model(token_ids, keras.layers.Dense(spec.width)(keras.layers.Dropout(0.3)(state)))


def embedder(vectors: NDArray[np.float32]) -> keras.Model:
    """Token ids -> the L2-normalised sum of their vectors [vocabulary, width]; a text without any gives zeros."""
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    table = Table(len(vectors), vectors.shape[1], "zeros")
    table.table.assign(vectors)
    present = ops.cast(token_ids > 0, "float32")[..., None]
    total = ops.sum(table(token_ids) * present, axis=1)
    squares = ops.sum(total * total, axis=1, keepdims=True)
    return keras.Model(token_ids, total * inverse_root(ops.maximum(squares, 1e-18)))


def inverse_root(values: Any) -> Any:
    """values ** -0.5; as POW, which stays float where the int8 SQRT is newer than the oldest supported runtime."""
    return ops.power(values, -0.5)


def quantize_tables(model: keras.Model, on: bool) -> None:
    """Makes every layer that can be stored as int8 ready for that, or stores floats again."""
    for layer in model._flatten_layers():
        if hasattr(layer, "store_as_int8"):
            layer.store_as_int8(on)
