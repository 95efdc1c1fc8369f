"""The reference model: Embedding -> LSTM -> Dense, one sigmoid for two labels, a softmax for more.

Source: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory", with the forget gate of Gers et al. 2000:
c_t = f_t * c_(t-1) + i_t * g_t, h_t = o_t * tanh(c_t), logits = W h_T + b.
"""

from typing import Any

from training.learning.job import Family, Spec


def build(spec: Spec) -> Any:
    from keras import layers

    from training.learning.layers import recurrent_reader

    return recurrent_reader(spec, layers.LSTM(64))


FAMILY = Family(
    name="lstm",
    summary="Embedding -> LSTM -> Dense(sigmoid), the reference model",
    build=build,
    tokenizer="bpe",
    vocabulary=8_000,
    max_tokens=128,
    epochs=6,
    batch_size=64,
    learning_rate=2e-3,
)
