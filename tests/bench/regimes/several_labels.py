"""Several labels a text, each of them rare."""

from pathlib import Path

import numpy as np

from tests.bench.accuracy import tf_idf
from tests.bench.regimes.row import Row
from tests.bench.regimes.training import on, part, trained_on
from training.data.read import Example, Kind
from training.learning.several_labels import f1_by_label
from training.learning.tasks import MultiLabel

ROWS, WANTED = 2000, 0.42


def measure(data: Path) -> list[Row]:
    train, test = joined(part(data, "tnews/train"), ROWS), joined(part(data, "tnews/test"), ROWS)
    macro_f1 = on(trained_on(train, multi_label=True), test)["macro_f1"]
    return [
        Row(
            f"several labels: 1-3 tnews titles joined, {ROWS:,} rows",
            "macro-F1 0.257",
            f"macro-F1 {macro_f1:.3f}",
            f"LinearSVC, one label against the rest {linear_svcs(train, test):.3f}",
            f"at least {WANTED}",
            macro_f1 >= WANTED,
        )
    ]


def joined(examples: list[Example], rows: int) -> list[Example]:
    """So many texts, each made of one to three others, with the labels of all."""
    generator, found = np.random.default_rng(0), []
    for line in range(rows):
        chosen = [examples[i] for i in generator.integers(0, len(examples), generator.integers(1, 4)).tolist()]
        labels = Kind.LABELS.canonical("|".join(e.label for e in chosen))
        found.append(Example("，".join(e.text for e in chosen), labels, line + 1))
    return found


def linear_svcs(train: list[Example], test: list[Example]) -> float:
    """The macro-F1 of scikit-learn's LinearSVC, a model a label, as it comes."""
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    task = MultiLabel(Kind.LABELS.labels_of(train))
    model = make_pipeline(tf_idf(chinese=True, least=2), OneVsRestClassifier(LinearSVC()))
    model.fit([e.text for e in train], task.targets(train))
    answered = model.predict([e.text for e in test]) > 0
    return float(np.mean(f1_by_label(task.targets(test) > 0, answered)))
