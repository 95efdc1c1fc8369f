"""Two LSTMs that read the text from either end.

Source: Graves and Schmidhuber 2005, "Framewise Phoneme Classification with Bidirectional LSTM": the state is
[forward h_T, backward h_1], logits = W state + b.
"""

from typing import Any

from training.learning.job import Family, Spec


def build(spec: Spec) -> Any:
    from keras import layers

    from training.learning.layers import recurrent_reader

    return recurrent_reader(spec, layers.Bidirectional(layers.LSTM(48)))


FAMILY = Family(
    name="bilstm",
    summary="Embedding -> bidirectional LSTM -> Dense",
    build=build,
    tokenizer="bpe",
    vocabulary=8_000,
    max_tokens=128,
    epochs=6,
    batch_size=64,
    learning_rate=2e-3,
)
