"""A linear model over an exact n-gram dictionary: y = w0 + w1 x1 + w2 x2 + ...

Source: `training.learning.wide`; for numbers that is ridge regression (Hoerl and Kennard 1970), for labels, one
against the rest, the Naive Bayes scaled margins of Wang and Manning 2012. Its deep counterpart is `hybrid`.
"""

from training.families.hybrid import wide_only
from training.learning.job import Family

FAMILY = Family(
    name="linear",
    summary="linear model over exact n-grams",
    fit=wide_only,
    tokenizer="mixed",
    vocabulary=10_000,
    max_tokens=256,
    longest=1024,
    crossed=True,
)
