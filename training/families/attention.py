"""A small Transformer encoder, trained from scratch.

Source: Vaswani et al. 2017, "Attention Is All You Need": softmax(Q K^T / sqrt(d) + mask) V in several heads, then a
feed-forward layer, each with a residual connection; here normalised first (Xiong et al. 2020), with learned
positions, and averaged over the text.
"""

from typing import Any

from training.learning.job import Family, Spec

MAX_TOKENS = 128
WIDTH = 64
HEADS = 4
BLOCKS = 2


def build(spec: Spec) -> Any:
    import keras
    from keras import layers, ops

    from training.learning.layers import Table, TokenDropout

    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    present = ops.cast(token_ids > 0, "float32")[..., None]
    positions = Table(spec.max_tokens, WIDTH)(ops.cumsum(ops.ones_like(token_ids), axis=1) - 1)
    hidden = Table(spec.vocabulary, WIDTH)(TokenDropout(0.2)(token_ids)) + positions
    mask = ops.expand_dims(token_ids > 0, 1)
    for _ in range(BLOCKS):
        normal = layers.LayerNormalization()(hidden)
        attended = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, dropout=0.1)(normal, normal, attention_mask=mask)
        hidden = hidden + layers.Dropout(0.2)(attended)
        fed = layers.Dense(2 * WIDTH, activation="gelu")(layers.LayerNormalization()(hidden))
        hidden = hidden + layers.Dropout(0.2)(layers.Dense(WIDTH)(fed))
    total = ops.sum(layers.LayerNormalization()(hidden) * present, axis=1)
    mean = total / ops.maximum(ops.sum(present, axis=1), 1.0)
    return keras.Model(token_ids, layers.Dense(spec.width)(layers.Dropout(0.3)(mean)))


FAMILY = Family(
    name="attention",
    summary="a small Transformer encoder, trained from scratch",
    build=build,
    tokenizer="bpe",
    vocabulary=8_000,
    max_tokens=MAX_TOKENS,
    epochs=10,
    batch_size=64,
    learning_rate=1e-3,
)
