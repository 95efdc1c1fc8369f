"""Labels that are paths, as news/sport/football: probabilities sum up the tree, answers go as deep as they are certain.

Nothing here is loaded with a bundle whose labels are no paths.
"""

from collections.abc import Sequence
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from handler.model.bundle import Manifest
from handler.model.prediction import Level, Prediction

Floats = NDArray[np.float64]


def levels_of(label: str, separator: str) -> list[str]:
    """The labels above this one, from the top, and itself: a, a/b and a/b/c of a/b/c."""
    parts = label.split(separator) if separator else [label]
    return [separator.join(parts[:level]) for level in range(1, len(parts) + 1)]


class Node(NamedTuple):
    """The labels that begin with a path: places [first, end) in the order of the tree; `own` if it is itself one.

    `offsets` are where its children begin, counted from its first place that is not its own.
    """

    name: str
    first: int
    end: int
    own: bool
    children: list["Node"]
    offsets: NDArray[np.intp]


class Tree:
    """The labels of a bundle as a tree, and from which probability on an answer is certain at each level."""

    def __init__(self, manifest: Manifest) -> None:
        self._separator = manifest.separator
        paths = [levels_of(label, self._separator) for label in manifest.labels]
        order = sorted(range(len(paths)), key=paths.__getitem__)
        self._order = np.array(order, np.intp)
        self._root = _node("", [paths[i] for i in order], 0, 0)
        self.thresholds = manifest.level_thresholds

    def answers(self, predictions: Sequence[Prediction], output: Floats) -> list[Prediction]:
        """The predictions with the paths of their probabilities [n, labels], and the deepest label that is certain."""
        paths = self.paths(output)
        return [self._answer(*pair) for pair in zip(predictions, paths, strict=True)]

    def paths(self, output: Floats) -> list[list[tuple[str, float]]]:
        """Of probabilities [n, labels] the likeliest label at each level, below that of the one above, with its own."""
        return [self._path(row) for row in output[:, self._order]]

    def below(self, label: str) -> NDArray[np.intp]:
        """The numbers of the labels that are this one or stand below it."""
        node = self._root
        for name in levels_of(label, self._separator):
            node = next(child for child in node.children if child.name == name)
        return self._order[node.first : node.end]

    def _path(self, row: Floats) -> list[tuple[str, float]]:
        node, found = self._root, []
        while node.children:
            masses = np.add.reduceat(row[node.first + node.own : node.end], node.offsets)
            best = int(masses.argmax())
            if node.own and row[node.first] > masses[best]:
                break  # likelier than anything below is that it ends here
            node = node.children[best]
            found.append((node.name, min(1.0, float(masses[best]))))
        return found

    def _answer(self, prediction: Prediction, path: list[tuple[str, float]]) -> Prediction:
        levels: list[Level] = []
        for (label, probability), threshold in zip(path, self.thresholds, strict=False):
            score = round(probability, 6)
            certain = score >= threshold and (not levels or levels[-1].certain)
            levels.append(Level(label, score, certain))
        deepest = next((level for level in reversed(levels) if level.certain), levels[0])
        return replace(prediction, label=deepest.label, confidence=deepest.score, certain=deepest.certain, path=levels)


def _node(name: str, paths: Sequence[list[str]], level: int, first: int) -> Node:
    """The node of these paths, all of which go through it: [] is the root's."""
    own = len(paths[0]) == level
    children, offsets, place = [], [], first + own
    for child, below in groupby(islice(paths, own, None), key=lambda path: path[level]):
        offsets.append(place - first - own)
        children.append(_node(child, list(below), level + 1, place))
        place = children[-1].end
    return Node(name, first, place, own, children, np.array(offsets, np.intp))
