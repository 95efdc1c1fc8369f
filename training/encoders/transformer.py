"""A pre-trained encoder in Keras: token ids -> a vector for each token.

Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers"; Liu et al. 2019, "RoBERTa"; Sanh
et al. 2019, "DistilBERT"; Song et al. 2020, "MPNet"; Lan et al. 2020, "ALBERT"; Clark et al. 2020, "ELECTRA"; Sun et
al. 2021, "ERNIE 3.0". The tokens around each text are put there by the graph, so that a text is the same token ids for
every family, and the code that serves knows nothing of them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from training.encoders.checkpoint import Checkpoint
from training.encoders.configuration import Shape
from training.encoders.weights import Floats
from training.learning.adversarial import Disturb
from training.learning.layers import Table, inverse_root

# What a key that is padding scores: its weight after the softmax is 0.
MASKED = -1e9
# How much of the spread of columns goes from the inputs into the weights; 0.5 and more cost the weights too much.
INPUTS_SHARE = 0.35
MEASURED = 64
TINY = 1e-6
# From this distance on, all keys stand in the last range.
FARTHEST = 128


class Linear(keras.layers.Layer):  # type: ignore[misc]
    """x W + b: float32 [batch, length, in] -> [batch, length, out].

    Unlike keras.layers.Dense it can be run as a convolution over one place, which is the same product. Stored as
    int8, a convolution has a scale for each column of W and each row of x on every supported runtime, where the
    FULLY_CONNECTED of the oldest has one for all of W; a single large weight leaves the others a few steps then.

    A few columns of x are far larger than the others, which leaves those a few steps. So x is divided by `spread`
    before it is rounded, and the rows of W are multiplied by it: Xiao et al. 2023, "SmoothQuant", eq. 4.
    """

    def __init__(self, kernel: Floats, bias: Floats, **options: Any) -> None:
        super().__init__(**options)
        self.kernel = self.add_weight(kernel.shape, initializer="zeros", name="kernel")
        self.bias = self.add_weight(bias.shape, initializer="zeros", name="bias")
        self.kernel.assign(kernel)
        self.bias.assign(bias)
        self.largest: Floats | None = None
        self.spread: Floats | None = None

    def store_as_int8(self, on: bool) -> None:
        """Is a convolution from now on, or a product again."""
        self.spread = None
        if on:
            kernel = ops.convert_to_numpy(self.kernel)
            inputs = np.ones(len(kernel), np.float32) if self.largest is None else np.maximum(self.largest, TINY)
            weights = np.maximum(np.sqrt(np.mean(kernel**2, axis=1)), TINY)
            spread = inputs**INPUTS_SHARE / weights ** (1 - INPUTS_SHARE)
            self.spread = (spread / np.exp(np.log(spread).mean())).astype(np.float32)

    def call(self, inputs: Any) -> Any:
        if self.spread is None:
            return tf.matmul(inputs, self.kernel) + self.bias
        rows, columns = self.kernel.shape
        places = tf.reshape(inputs * (1 / self.spread), [-1, 1, 1, rows])
        kernel = (self.kernel * self.spread[:, None])[None, None]
        product = tf.nn.conv2d(places, kernel, 1, "VALID") + self.bias
        return tf.reshape(product, [-1, tf.shape(inputs)[1], columns])


def measure_inputs(model: Any, ids: Sequence[Sequence[int]]) -> None:
    """Tells each Linear of a model how large each column of its input gets, over MEASURED of the longer texts."""
    length = int(np.median([len(row) for row in ids]))
    rows = [row[:length] for row in ids if len(row) >= length][:MEASURED]
    linears = [layer for layer in model.layers if isinstance(layer, Linear)]
    # A layer that is shared has a node for each place where it stands.
    nodes = {(i, j): node for i, layer in enumerate(linears) for j, node in enumerate(layer._inbound_nodes)}
    inputs = {f"{i}.{j}": node.input_tensors[0] for (i, j), node in nodes.items()}
    found = keras.Model(model.input, inputs).predict(np.array(rows, np.int32), verbose=0)
    for i, layer in enumerate(linears):
        layer.largest = np.max([np.abs(found[f"{i}.{j}"]).max(axis=(0, 1)) for k, j in nodes if k == i], axis=0)


class Normalization(keras.layers.Layer):  # type: ignore[misc]
    """(x - mean) / deviation * scale + shift over the last axis: Ba et al. 2016, "Layer Normalization"."""

    def __init__(self, scale: Floats, shift: Floats, epsilon: float, **options: Any) -> None:
        super().__init__(**options)
        self.epsilon = epsilon
        self.scale = self.add_weight(scale.shape, initializer="zeros", name="scale")
        self.shift = self.add_weight(shift.shape, initializer="zeros", name="shift")
        self.scale.assign(scale)
        self.shift.assign(shift)

    def call(self, inputs: Any) -> Any:
        centred = inputs - tf.reduce_mean(inputs, axis=-1, keepdims=True)
        variance = tf.reduce_mean(centred * centred, axis=-1, keepdims=True)
        return centred * tf.math.rsqrt(variance + self.epsilon) * self.scale + self.shift


class Surround(keras.layers.Layer):  # type: ignore[misc]
    """Puts tokens before each text and one after its last: int32 [batch, length] -> [batch, length + all of these].

    Also gives what is text: float32 of the same shape, 1 or 0.
    """

    def __init__(self, before: Sequence[int], end: int, **options: Any) -> None:
        super().__init__(**options)
        self.before, self.end = tuple(before), end

    def call(self, token_ids: Any) -> tuple[Any, Any]:
        column = tf.zeros_like(token_ids[:, :1])
        around = tf.concat([column + tf.constant([self.before]), token_ids, column], axis=1)
        place = tf.range(tf.shape(around)[1])[None]
        last = len(self.before) + tf.reduce_sum(tf.cast(token_ids > 0, tf.int32), axis=1, keepdims=True)
        around += self.end * tf.cast(tf.equal(place, last), tf.int32)
        return around, tf.cast(place <= last, tf.float32)


class Encoder(NamedTuple):
    """`embed`: token ids -> L2-normalised means [batch, width]; `pooled`: the means themselves, to put a head on.

    `blocks` are the layers of each block, the lowest first; the embedding is the first entry. All token vectors go
    through `disturb`.
    """

    embed: Any
    pooled: Any
    blocks: list[list[Any]]
    disturb: Disturb


def build_encoder(checkpoint: Checkpoint, max_tokens: int) -> Encoder:
    """Builds the graph and sets the weights. Raises InputError as `Checkpoint.tensors` does."""
    shape, tensors = checkpoint.shape, checkpoint.tensors()
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    ids, present = Surround(checkpoint.before, checkpoint.end)(token_ids)
    tokens = Table(len(checkpoint.order), shape.embedded, "zeros")
    tokens.table.assign(tensors["tokens"])
    disturb = Disturb()
    positions = Positions(tensors["positions"][: max_tokens + checkpoint.ends])
    norm = Normalization(tensors["norm.scale"], tensors["norm.shift"], shape.epsilon)
    hidden = layers.Dropout(shape.dropout)(norm(positions(disturb(tokens(ids)))))
    scores = Mask()(present)
    blocks: list[list[Any]] = [[tokens, positions, norm]]
    if "distances" in tensors:
        distances = Distances(tensors["distances"], max_tokens + checkpoint.ends)
        scores = distances(scores)
        blocks[0].append(distances)
    if "projected.kernel" in tensors:
        blocks[0].append(Linear(tensors["projected.kernel"], tensors["projected.bias"], name="projected"))
        hidden = blocks[0][-1](hidden)
    held: dict[str, Any] = {}
    for number in range(shape.blocks):
        if number % shape.shared == 0:
            held = _block_layers(shape, tensors, number)
            blocks.append(list(held.values()))
        hidden = _block(shape, held, hidden, scores)
    pooled = Mean()(hidden, present)
    squares = ops.sum(pooled * pooled, axis=1, keepdims=True)
    embedded = pooled * inverse_root(ops.maximum(squares, 1e-18))
    return Encoder(keras.Model(token_ids, embedded), keras.Model(token_ids, pooled), blocks, disturb)


class Positions(keras.layers.Layer):  # type: ignore[misc]
    """Adds a vector for each place: float32 [batch, length, width] -> the same."""

    def __init__(self, table: Floats, **options: Any) -> None:
        super().__init__(**options)
        self.table = self.add_weight(table.shape, initializer="zeros", name="table")
        self.table.assign(table)

    def call(self, inputs: Any) -> Any:
        return inputs + self.table[None, : tf.shape(inputs)[1]]


class Mask(keras.layers.Layer):  # type: ignore[misc]
    """What is text [batch, length] -> what is added to the scores of keys: [batch, 1, 1, length]."""

    def call(self, present: Any) -> Any:
        return (1.0 - present)[:, None, None, :] * MASKED


class Distances(keras.layers.Layer):  # type: ignore[misc]
    """Adds a score for how far a key is from its query: [batch, 1, 1, length] -> [batch, heads, length, length].

    Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning", section 2.1. Half of the rows are for keys
    before the query, half for those after it. In each half, the first half is a row for each distance, and the others
    stand for ever larger ranges, whose bounds grow by a constant factor up to FARTHEST.
    """

    def __init__(self, table: Floats, longest: int, **options: Any) -> None:
        super().__init__(**options)
        self.table = self.add_weight(table.shape, initializer="zeros", name="table")
        self.table.assign(table)
        self.longest = longest
        after = np.arange(1 - longest, longest)
        half = len(table) // 2
        exact = half // 2
        far = np.log(np.maximum(np.abs(after), 1) / exact) / np.log(FARTHEST / exact) * (half - exact)
        ranges = np.minimum(exact + far.astype(int), half - 1)
        self.rows = np.where(np.abs(after) < exact, np.abs(after), ranges) + half * (after > 0)

    def call(self, scores: Any) -> Any:
        place = tf.range(tf.shape(scores)[3])
        by_distance = tf.gather(self.table, self.rows)
        between = tf.gather(by_distance, place[None, :] - place[:, None] + self.longest - 1)
        return scores + tf.transpose(between, [2, 0, 1])[None]


class Attention(keras.layers.Layer):  # type: ignore[misc]
    """softmax(Q K^T + mask) V in several heads: float32 [batch, length, width] three times -> once.

    The query comes scaled by 1 / sqrt(d).
    """

    def __init__(self, heads: int, dropout: float, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads
        self.dropout = layers.Dropout(dropout)

    def call(self, query: Any, key: Any, value: Any, mask: Any, training: bool = False) -> Any:
        length, width = tf.shape(query)[1], query.shape[2]
        query, key, value = (
            tf.transpose(tf.reshape(x, [-1, length, self.heads, width // self.heads]), [0, 2, 1, 3])
            for x in (query, key, value)
        )
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) + mask)
        mixed = tf.matmul(self.dropout(weights, training=training), value)
        return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [-1, length, width])


class Mean(keras.layers.Layer):  # type: ignore[misc]
    """The mean over what is text: float32 [batch, length, width] -> [batch, width]."""

    def call(self, hidden: Any, present: Any) -> Any:
        weights = present / tf.reduce_sum(present, axis=1, keepdims=True)
        return tf.reduce_sum(hidden * weights[..., None], axis=1)


def _block_layers(shape: Shape, tensors: dict[str, Floats], number: int) -> dict[str, Any]:
    """The layers of a block, with their weights; the query is scaled by 1 / sqrt(d) once and for all."""
    held: dict[str, Any] = {}
    for name in ("query", "key", "value", "mixed", "wide", "narrow"):
        kernel, bias = tensors[f"{number}.{name}.kernel"], tensors[f"{number}.{name}.bias"]
        factor = (shape.width // shape.heads) ** -0.5 if name == "query" else 1.0
        held[name] = Linear(kernel * np.float32(factor), bias * np.float32(factor), name=f"block_{number}_{name}")
    for name in ("mixed_norm", "narrow_norm"):
        scale, shift = tensors[f"{number}.{name}.scale"], tensors[f"{number}.{name}.shift"]
        held[name] = Normalization(scale, shift, shape.epsilon, name=f"block_{number}_{name}")
    return held


def _block(shape: Shape, held: dict[str, Any], hidden: Any, mask: Any) -> Any:
    """Attention, then a feed-forward layer, each added to what went in and normalised."""
    attended = Attention(shape.heads, shape.dropout)(*(held[name](hidden) for name in ("query", "key", "value")), mask)
    hidden = held["mixed_norm"](hidden + layers.Dropout(shape.dropout)(held["mixed"](attended)))
    activation = {"relu": ops.relu, "gelu": lambda x: ops.gelu(x, approximate=False), "gelu_tanh": ops.gelu}
    fed = held["narrow"](activation[shape.activation](held["wide"](hidden)))
    return held["narrow_norm"](hidden + layers.Dropout(shape.dropout)(fed))
