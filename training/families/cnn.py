"""Convolutions of several widths and the maximum of each over the text.

Source: Kim 2014, "Convolutional Neural Networks for Sentence Classification":
c_i = relu(w . x[i:i+h] + b), feature = max_i c_i, logits = W feature + b.
"""

from typing import Any

from training.learning.job import Family, Spec

WIDTHS = (2, 3, 4)


def build(spec: Spec) -> Any:
    import keras
    from keras import layers, ops

    from training.learning.layers import Table, TokenDropout

    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    present = ops.cast(token_ids > 0, "float32")[..., None]
    embedded = Table(spec.vocabulary, 64)(TokenDropout(0.2)(token_ids)) * present
    # relu gives no value below zero, so that padding, set to zero, never wins the maximum.
    features = [
        ops.max(layers.Conv1D(96, width, padding="same", activation="relu")(embedded) * present, axis=1)
        for width in WIDTHS
    ]
    hidden = layers.Dropout(0.5)(layers.Concatenate()(features))
    return keras.Model(token_ids, layers.Dense(spec.width)(hidden))


FAMILY = Family(
    name="cnn",
    summary="convolutions of widths 2, 3 and 4 over token embeddings",
    build=build,
    tokenizer="bpe",
    vocabulary=8_000,
    max_tokens=256,
    epochs=12,
    batch_size=64,
    learning_rate=1e-3,
)
