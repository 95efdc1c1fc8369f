"""The simple recurrent network.

Source: Elman 1990, "Finding Structure in Time": h_t = tanh(W h_(t-1) + U x_t + b). Its last state forgets the
beginning of a text, so that all states are pooled: logits = V [max_t h_t, sum_t h_t / sqrt(T)] + c.
"""

from typing import Any

from training.learning.job import Family, Spec


def build(spec: Spec) -> Any:
    from keras import layers

    from training.learning.layers import recurrent_reader

    return recurrent_reader(spec, layers.SimpleRNN(64, return_sequences=True))


FAMILY = Family(
    name="rnn",
    summary="Embedding -> simple recurrent network -> Dense",
    build=build,
    tokenizer="bpe",
    vocabulary=8_000,
    max_tokens=128,
    epochs=8,
    batch_size=64,
    learning_rate=1e-3,
)
