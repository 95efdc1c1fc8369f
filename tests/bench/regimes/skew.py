"""One label of ten has one text in a hundred: the peer is LinearSVC that weighs each label the same."""

from pathlib import Path

from handler.model.classifier import Classifier
from tests.bench.regimes.row import Row, percent
from tests.bench.regimes.training import linear_svc, part, trained_on
from training.data.read import Example

ROWS, RARE_TEXTS = 20_000, 178


def measure(data: Path) -> list[Row]:
    drawn, test = part(data, "thucnews10/train", ROWS), part(data, "thucnews10/test")
    rare = min(example.label for example in drawn)
    few = [example for example in drawn if example.label == rare][:RARE_TEXTS]
    rows = [*(example for example in drawn if example.label != rare), *few]
    answers = [str(p.label) for p in Classifier(trained_on(rows).bundle).classify([e.text for e in test], 1)]
    peer = linear_svc(rows, test, class_weight="balanced")
    found, of_peer = f1(answers, test, rare), f1(peer, test, rare)
    return [
        Row(
            f"skew: {RARE_TEXTS} texts of {len(rows):,} are {rare}",
            "F1 of the rare label 70 to 72, LinearSVC balanced 78",
            f"F1 of the rare label {percent(found)}, accuracy {percent(accuracy(answers, test))} %",
            f"LinearSVC balanced {percent(of_peer)}, {percent(accuracy(peer, test))} %",
            "at least the peer's",
            found >= of_peer,
        )
    ]


def f1(answers: list[str], test: list[Example], label: str) -> float:
    hits = sum(answer == label == example.label for answer, example in zip(answers, test, strict=True))
    return 2 * hits / max(1, answers.count(label) + sum(example.label == label for example in test))


def accuracy(answers: list[str], test: list[Example]) -> float:
    return sum(answer == example.label for answer, example in zip(answers, test, strict=True)) / len(test)
