"""Keras layers that the families share. Token id 0 is padding everywhere."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.families import Spec

# Odd multiplier for rolling hashes: a bucket below 2**18 times it, plus an id, stays within int32.
MULTIPLIER = 8191


@keras.saving.register_keras_serializable("fenlei")
class TokenDropout(keras.layers.Layer):  # type: ignore[misc]
    """Replaces a share of the token ids by padding while training, so that no single token is relied on."""

    def __init__(self, rate: float, seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate
        self.random = keras.random.SeedGenerator(seed)

    def call(self, token_ids: Any, training: bool = False) -> Any:
        if not training:
            return token_ids
        kept = keras.random.uniform(ops.shape(token_ids), seed=self.random) >= self.rate
        return token_ids * ops.cast(kept, token_ids.dtype)


@keras.saving.register_keras_serializable("fenlei")
class NgramSum(keras.layers.Layer):  # type: ignore[misc]
    """Sums an embedding of each token n-gram and divides by the root of their number.

    Formula: sum over n <= orders, over n-grams g of E_n[hash(g)], / sqrt(how many). Unigrams have a row each;
    longer n-grams are hashed into buckets inside the graph, so that serving needs token ids only (hashed
    n-grams as in Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification").

    int32 [batch, length] -> float32 [batch, width].
    """

    def __init__(self, vocabulary: int, width: int, buckets: int, orders: int, initializer: str, **options: Any):
        super().__init__(**options)
        self.buckets = buckets
        rows = [vocabulary] + [buckets] * (orders - 1)
        self.tables = [keras.layers.Embedding(n, width, embeddings_initializer=initializer) for n in rows]

    def call(self, token_ids: Any) -> Any:
        total, count, hashed = 0.0, 0.0, token_ids
        present = ops.cast(token_ids > 0, "float32")
        for n, table in enumerate(self.tables):
            if n > 0:
                hashed = (hashed[:, :-1] * MULTIPLIER + token_ids[:, n:]) % self.buckets
                present = present[:, :-1] * ops.cast(token_ids[:, n:] > 0, "float32")
            total += ops.sum(table(hashed) * present[..., None], axis=1)
            count += ops.sum(present, axis=1, keepdims=True)
        return total / ops.sqrt(ops.maximum(count, 1.0))


def recurrent_reader(spec: Spec, layer: Any) -> keras.Model:
    """Embedding -> a recurrent layer that skips padding -> Dense over its last state."""
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    embedded = keras.layers.Embedding(spec.vocabulary, 64, mask_zero=True)(token_ids)
    state = layer(keras.layers.SpatialDropout1D(0.2)(embedded))
    return keras.Model(token_ids, keras.layers.Dense(spec.width)(keras.layers.Dropout(0.3)(state)))


def embedder(vectors: NDArray[np.float32]) -> keras.Model:
    """Token ids -> the L2-normalised sum of their vectors [vocabulary, width]; a text without any gives zeros."""
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    table = keras.layers.Embedding(*vectors.shape, weights=[vectors])
    present = ops.cast(token_ids > 0, "float32")[..., None]
    total = ops.sum(table(token_ids) * present, axis=1)
    length = ops.sqrt(ops.sum(total * total, axis=1, keepdims=True))
    return keras.Model(token_ids, total / ops.maximum(length, 1e-9))
