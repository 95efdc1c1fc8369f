"""Labels that are paths, as news/sport/football: from when on a level is certain, and how right it is."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from handler.model.bundle import Manifest
from handler.model.tree import Tree, levels_of
from training.errors import InputError
from training.learning.calibrate import NEVER, threshold
from training.learning.tasks import binary_f1

# More are no levels of subjects, but something else that has such signs in it.
MOST_LEVELS = 20
# What people write between the levels of a label; those of most labels are asked about.
USUAL = ("/", " / ", " > ", ">", "::")

Floats = NDArray[np.float64]


class LevelScore(Struct):
    """One level: `texts` are those whose label goes so deep, `accuracy` the share of them with the right one there.

    `coverage` is the share of all texts that are certain so deep, and `accuracy_when_certain` how many of these are
    right: 0 if there are none.
    """

    level: int
    labels: int
    texts: int
    accuracy: float
    macro_f1: float
    coverage: float
    accuracy_when_certain: float


def likely_separator(labels: Sequence[str]) -> str:
    """What most labels have between two parts, some of which begin alike; empty if there is nothing such."""
    for separator in USUAL:
        firsts = Counter(label.split(separator)[0] for label in labels if separator in label)
        plain = all(part == part.strip() != "" for label in labels for part in label.split(separator))
        if plain and firsts.total() > len(labels) / 2 and max(firsts.values()) > 1:
            return separator
    return ""


def check_paths(labels: Iterable[str], separator: str) -> None:
    """Raises InputError if labels are no paths with this separator."""
    deepest = 0
    for label in labels:
        parts = label.split(separator)
        deepest = max(deepest, len(parts))
        if not all(parts):
            raise InputError(
                f"The label {label[:100]!r} has nothing on one side of {separator!r}, which --separator says stands "
                "between its levels; correct it, or name another separator."
            )
        if any(part != part.strip() for part in parts):
            raise InputError(
                f"The label {label[:100]!r} has spaces beside {separator.strip()!r}; make them part of it: "
                f"--separator ' {separator.strip()} '."
            )
        if len(parts) > MOST_LEVELS:
            raise InputError(
                f"The label {label[:100]!r} has {len(parts):,} levels, and there are {MOST_LEVELS} at most; name "
                "another --separator."
            )
    if deepest == 1:
        raise InputError(f"No label has {separator!r} in it, so none has levels; name another --separator, or none.")


def with_levels(manifest: Manifest, predicted: Floats, targets: NDArray[np.int64], precision: float) -> Manifest:
    """The manifest with a threshold for each level: the lowest probability from which that level is so often right.

    It is chosen among the texts, not trained on, that are certain at all levels above, from their probabilities
    [n, labels] and label numbers [n]; NEVER where there is none.
    """
    right = [levels_of(label, manifest.separator) for label in manifest.labels]
    depth = max(map(len, right))
    thresholds, going_on = [], list(zip(Tree(manifest).paths(predicted), targets.tolist(), strict=True))
    for level in range(depth):
        going_on = [(path, target) for path, target in going_on if len(path) > level]
        sure = np.array([path[level][1] for path, _ in going_on], np.float64)
        wrong = np.array([path[level][0] not in right[target] for path, target in going_on], np.bool_)
        thresholds.append(threshold(sure, wrong, precision) if going_on else NEVER)
        going_on = [pair for pair, one in zip(going_on, sure, strict=True) if one >= thresholds[-1]]
    return msgspec.structs.replace(manifest, level_thresholds=thresholds)


def judge_levels(
    manifest: Manifest, predicted: Floats, targets: NDArray[np.int64]
) -> tuple[list[LevelScore], dict[str, float]]:
    """How right answers are at each level, as they are served, of probabilities [n, labels] and label numbers [n].

    And in sum: how many are certain at some level, and how many of these are right as deep as they are certain.
    """
    right = [levels_of(label, manifest.separator) for label in manifest.labels]
    rows = list(zip(Tree(manifest).paths(predicted), (right[target] for target in targets), strict=True))
    certain, served = np.ones(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
    some = 0
    found: list[LevelScore] = []
    for level, least in enumerate(manifest.level_thresholds):
        answered = np.array([path[level][0] if len(path) > level else "" for path, _ in rows])
        truth = np.array([path[level] if len(path) > level else "" for _, path in rows])
        sure = np.array([path[level][1] if len(path) > level else -1.0 for path, _ in rows])
        certain = certain & (np.round(sure, 6) >= least)
        served[certain] = (answered == truth)[certain]
        some = max(some, int(certain.sum()))
        labels = len({path[level] for path in right if len(path) > level})
        found.append(_score(level + 1, labels, answered, truth, certain))
    summary = {f"accuracy_at_level_{one.level}": one.accuracy for one in found} | {"coverage": found[0].coverage}
    if some:
        summary["accuracy_when_certain"] = round(int(served.sum()) / some, 6)
    return found, summary


def _score(
    level: int, labels: int, answered: NDArray[np.str_], truth: NDArray[np.str_], certain: NDArray[np.bool_]
) -> LevelScore:
    there, hit = truth != "", answered == truth
    names = sorted({*truth[there].tolist(), *answered[answered != ""].tolist()})
    scores = [binary_f1(truth == name, answered == name) for name in names]
    return LevelScore(
        level=level,
        labels=labels,
        texts=int(there.sum()),
        accuracy=round(float(hit[there].mean()) if there.any() else 0.0, 6),
        macro_f1=round(float(np.mean(scores)) if scores else 0.0, 6),
        coverage=round(float(certain.mean()), 6),
        accuracy_when_certain=round(float(hit[certain].mean()) if certain.any() else 0.0, 6),
    )
