"""Logistic regression over token n-grams: P(y=1|x) = sigmoid(w.x + b), softmax for several labels.

Source: Cox 1958, "The Regression Analysis of Binary Sequences"; the n-gram features are those of Joulin et al.
2017, "Bag of Tricks for Efficient Text Classification". The weights start at zero.
"""

from typing import Any

from training.learning.job import Family, Spec


def build(spec: Spec) -> Any:
    import keras

    from training.learning.layers import HashedNgramSum, TokenDropout

    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    features = HashedNgramSum(spec.vocabulary, spec.width, buckets=2**18, orders=3)(TokenDropout(0.3)(token_ids))
    return keras.Model(token_ids, features)


FAMILY = Family(
    name="logistic",
    summary="bag of token n-grams and logistic regression",
    build=build,
    tokenizer="mixed",
    vocabulary=10_000,
    max_tokens=256,
    epochs=15,
    batch_size=32,
    learning_rate=0.005,
)
