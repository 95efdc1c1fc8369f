"""Numbers, one of which is a slip of the pen: the others must be answered as without it."""

from collections import Counter
from pathlib import Path

import numpy as np

from tests.bench.accuracy import tf_idf
from tests.bench.regimes.row import Row
from tests.bench.regimes.training import on, part, trained_on
from training.data.numbers import numbers
from training.data.read import Example
from training.learning.tasks import r_squared

ROWS, WORDS = 1500, 300
WANTED = 0.02


def measure(data: Path) -> list[Row]:
    rows = valued(part(data, "sst2/train", ROWS + 500))
    train, test = rows[:ROWS], rows[ROWS:]
    slip = [train[0]._replace(label="1e6"), *train[1:]]
    without, with_it = (on(trained_on(part, "linear", task="regress"), test)["r2"] for part in (train, slip))
    return [
        Row(
            f"an outlier: one 1e6 among {ROWS:,} numbers",
            "R2 0.87 -> -2e7",
            f"R2 {without:.3f} -> {with_it:.3f}",
            f"Ridge R2 {ridge(train, test):.3f} -> {ridge(slip, test):.0e}",
            f"within {WANTED}",
            abs(without - with_it) <= WANTED,
        )
    ]


def valued(examples: list[Example]) -> list[Example]:
    """Each text with the sum of what its frequent words are worth, by chance, over the root of its length."""
    words = [word for word, _ in Counter(w for e in examples for w in e.text.split()).most_common(WORDS)]
    worth = dict(zip(words, np.random.default_rng(0).normal(size=WORDS).tolist(), strict=True))
    return [
        e._replace(label=repr(sum(worth.get(w, 0.0) for w in e.text.split()) / len(e.text.split()) ** 0.5))
        for e in examples
    ]


def ridge(train: list[Example], test: list[Example]) -> float:
    """R2 of scikit-learn's ridge regression over TF-IDF of words and pairs of words."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(tf_idf(chinese=False, least=2), Ridge(1.0)).fit([e.text for e in train], numbers(train))
    return r_squared(numbers(test), model.predict([e.text for e in test]))
