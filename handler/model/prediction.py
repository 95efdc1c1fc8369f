"""What a model says of a text, and which model said it: as it goes into answers, files and metrics."""

from typing import NamedTuple

import numpy as np
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray


class Score(Struct, frozen=True):
    """A label and its calibrated probability."""

    label: str
    score: float


class Level(Struct, frozen=True):
    """Of labels that are paths, one from the top down to the whole: its probability, and whether it is certain."""

    label: str
    score: float
    certain: bool


class Contribution(Struct, frozen=True):
    """What one token did: `effect` is how much the winning label loses when the token is left out.

    `start` and `end` are offsets into the text as it was sent, in Unicode code points. For a value, `effect` is how
    much it falls without the token; for a cluster, how much farther its centre is.
    """

    start: int
    end: int
    effect: float


class Prediction(Struct, frozen=True):
    """What a model says of one text; which fields are there depends on its task.

    classify: `label`, its calibrated probability `confidence`, `certain` (whether that reaches the bundle's
    threshold) and the `scores`; with several labels a text, `labels` holds those that apply. Where labels are paths,
    `path` has a level each, and `label` is the deepest one that is certain, or the first. regress: `value`.
    cluster: `cluster` and the Euclidean `distance` to its centre. Always: `tokens`, how many the model read, and
    `truncated`, whether the text was longer than that. If asked for: the `explanation`, an entry a token. Where
    feedback is kept: an `id` to name this answer by.
    """

    tokens: int
    truncated: bool
    label: str | UnsetType = UNSET
    confidence: float | UnsetType = UNSET
    certain: bool | UnsetType = UNSET
    scores: list[Score] | UnsetType = UNSET
    labels: list[str] | UnsetType = UNSET
    path: list[Level] | UnsetType = UNSET
    value: float | UnsetType = UNSET
    cluster: str | UnsetType = UNSET
    distance: float | UnsetType = UNSET
    explanation: list[Contribution] | UnsetType = UNSET
    id: str | UnsetType = UNSET

    @property
    def whole(self) -> tuple[str | UnsetType, float | UnsetType]:
        """The label, and how likely it is; of a path all of it, however uncertain."""
        return (self.label, self.confidence) if self.path is UNSET else (self.path[-1].label, self.path[-1].score)


class Columns(NamedTuple):
    """Predictions of one label a text without scores, a column each: `labels` has their places among the labels."""

    tokens: list[int]
    truncated: list[bool]
    labels: list[int]
    confidences: list[float]
    certain: list[bool]

    @classmethod
    def of(
        cls, ids: list[list[int]], truncated: list[bool], output: NDArray[np.float64], threshold: float
    ) -> "Columns":
        """What texts with these token ids are answered where the model says `output`, probabilities [n, labels]."""
        confidences = output.max(axis=1).round(6)
        certain = (confidences >= threshold).tolist()
        return cls(list(map(len, ids)), truncated, output.argmax(axis=1).tolist(), confidences.tolist(), certain)

    def predictions(self, labels: list[str]) -> list[Prediction]:
        """The same, a text each."""
        rows = zip(*self, strict=True)
        return [Prediction(n, cut, label=labels[i], confidence=p, certain=sure) for n, cut, i, p, sure in rows]


class ModelName(Struct, frozen=True):
    """Which model answered; `version` is a hash of its content."""

    name: str
    version: str


class ModelVersion(Struct, frozen=True):
    """A version that a registry's pointer names: its share of requests in percent, and what became of it here.

    `state` is answers, awaited (it was not loaded yet) or refused (it did not replay, or could not be loaded).
    """

    version: str
    weight: int
    state: str


class Replay(Struct, frozen=True):
    """What the golden texts of a model give here, beside what they gave where it was trained."""

    model: str
    texts: int
    same_answers: int
    largest_difference: float
    mean_difference: float
