"""Ten labels in four groups, two of them with groups within: the peer is LinearSVC, its answers cut at each level."""

from pathlib import Path

from handler.model.classifier import Classifier
from handler.model.tree import levels_of
from tests.bench.regimes.row import Row, percent
from tests.bench.regimes.training import linear_svc, part, trained_on
from training.data.read import Example
from training.judging.evaluate import evaluate

ROWS, PRECISION = 6_000, 0.9
PATHS = {
    "stocks": "money/markets/stocks",
    "finance": "money/markets/finance",
    "realty": "money/realty",
    "game": "leisure/game",
    "entertainment": "leisure/show/entertainment",
    "sports": "leisure/show/sports",
    "politics": "public/politics",
    "society": "public/society",
    "education": "public/education",
    "science": "science",
}


def measure(data: Path) -> list[Row]:
    rows, test = (
        [example._replace(label=PATHS[example.label]) for example in part(data, f"thucnews10/{name}", some)]
        for name, some in (("train", ROWS), ("test", None))
    )
    found = evaluate(Classifier(trained_on(rows, "linear", separator="/").bundle), test, "the test texts").levels
    answers = linear_svc(rows, test)
    made = []
    for level in found:
        peer = right_at(level.level, answers, test)
        told = f"{percent(level.accuracy)} right, {percent(level.coverage)} certain"
        made.append(
            Row(
                f"level {level.level} of labels that are paths",
                "no levels",
                f"{told}, {percent(level.accuracy_when_certain)} right when certain",
                f"LinearSVC {percent(peer)} right",
                f"when certain {percent(PRECISION)} right, and no fewer than the peer",
                level.accuracy_when_certain >= PRECISION and level.accuracy >= peer,
            )
        )
    return made


def right_at(level: int, answers: list[str], test: list[Example]) -> float:
    """The share of the texts whose label goes so deep that have the right one there."""
    pairs = [(levels_of(a, "/")[:level], levels_of(e.label, "/")) for a, e in zip(answers, test, strict=True)]
    there = [answer == right[:level] for answer, right in pairs if len(right) >= level]
    return sum(there) / len(there)
