"""The gated recurrent unit.

Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder": z, r = sigmoid(W [h, x]),
h_t = z * h_(t-1) + (1 - z) * tanh(U x_t + r * V h_(t-1)), logits = D h_T + b.
"""

from typing import Any

from training.learning.job import Family, Spec


def build(spec: Spec) -> Any:
    from keras import layers

    from training.learning.layers import recurrent_reader

    return recurrent_reader(spec, layers.GRU(64))


FAMILY = Family(
    name="gru",
    summary="Embedding -> GRU -> Dense",
    build=build,
    tokenizer="bpe",
    vocabulary=8_000,
    max_tokens=128,
    epochs=6,
    batch_size=64,
    learning_rate=2e-3,
)
