"""How the regimes train, read their data, and what stands beside."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handler.model.classifier import Classifier
from tests.bench.accuracy import linear_pipeline
from tests.bench.training import plan, progress
from training.data.files import read
from training.data.formats.rows import Columns
from training.data.read import Example, Kind
from training.data.split import make_splits
from training.families import get_family
from training.judging.evaluate import evaluate
from training.judging.outcome import Trained
from training.learning.folds import FEW_TEXTS
from training.learning.tasks import check_task
from training.train import train


def part(data: Path, name: str, some: int | None = None, seed: int = 0) -> list[Example]:
    """The texts of a part, for example `sst2/train`; or some of them, by chance."""
    examples = read(data / f"{name}.tsv", Columns(names=("label", "text")))
    if some is None:
        return examples
    return [examples[i] for i in np.random.default_rng(seed).permutation(len(examples))[:some].tolist()]


def few_of_each(examples: Sequence[Example], few: int, seed: int = 0) -> list[Example]:
    """So many texts of each label, by chance."""
    order = [examples[i] for i in np.random.default_rng(seed).permutation(len(examples)).tolist()]
    labels = sorted({example.label for example in examples})
    return [example for label in labels for example in [e for e in order if e.label == label][:few]]


def trained_on(rows: list[Example], family: str = "hybrid", **changes: Any) -> Trained:
    """What `fenlei train` makes of a file with these rows: it holds out its own texts."""
    planned = plan(get_family(family), **changes)
    kind: Kind = check_task(planned.task, planned.multi_label)
    few = FEW_TEXTS if planned.family.crossed else 0
    return train(planned, make_splits(rows, None, None, planned.seed, kind, few), progress())


def on(trained: Trained, test: Sequence[Example]) -> dict[str, float]:
    """How good the bundle is on other texts, as `fenlei evaluate` says it."""
    return evaluate(Classifier(trained.bundle), test, "the test texts").summary


def linear_svc(
    train: Sequence[Example], test: Sequence[Example], characters: bool = False, **options: Any
) -> list[str]:
    """The labels that scikit-learn's LinearSVC gives test texts, over TF-IDF of n-grams, with its own cost of 1.

    The n-grams are of words, or of characters if told so or if the texts are Chinese.
    """
    chinese = any("\u4e00" <= c <= "\u9fff" for example in train[:100] for c in example.text)
    model = linear_pipeline("LinearSVC", 1.0, characters or chinese, **options)
    model.fit([e.text for e in train], [e.label for e in train])
    answers: list[str] = model.predict([e.text for e in test]).tolist()
    return answers
