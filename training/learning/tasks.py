"""What a model is trained for: how labels become targets, which loss fits, and how good an output is."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.numbers import numbers
from training.data.read import Example, Kind
from training.errors import InputError
from training.learning.class_weights import balance, skewed
from training.learning.several_labels import choose_thresholds, f1_by_label

LABEL_SMOOTHING = 0.1

Targets = NDArray[Any]
Logits = NDArray[np.float32]


def check_task(name: str, multi_label: bool) -> Kind:
    """What the label column holds for a task. Raises InputError if there is no such task."""
    kinds = {"classify": Kind.LABELS if multi_label else Kind.LABEL, "regress": Kind.NUMBER, "cluster": Kind.NOTHING}
    if name not in kinds:
        raise InputError(f"There is no task {name!r}; there is: {', '.join(kinds)}.")
    if multi_label and name != "classify":
        raise InputError(f"--multi-label goes with --task classify, not with {name}.")
    return kinds[name]


class Task(ABC):
    """A task over given labels, in output order; `width` is that of the network's output.

    `cuts` are the logits from which labels apply, where a text may have several.
    """

    name = "classify"
    score_name, rightness_name = "dev_macro_f1", "accuracy"
    activation: str
    width: int
    # Whether `signs` are numbers to come near to, and not sides to be on.
    exact = False
    class_weight = "none"

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self.labels = list(labels)
        self.cuts: NDArray[np.float64] = np.zeros(1)

    @abstractmethod
    def targets(self, examples: Iterable[Example]) -> Targets:
        """What the network should say of each example: one row each."""

    @abstractmethod
    def loss(self) -> Any:
        """The Keras loss between targets [n, width] and logits [n, width]."""

    @abstractmethod
    def feed(self, targets: Targets) -> NDArray[np.float32]:
        """Targets as the loss wants them: float32 [n, width]."""

    def importance(self, targets: Targets) -> NDArray[np.float32]:
        """How much each text counts in training [n], 1 on average."""
        return np.ones(len(targets), np.float32)

    def weighs(self, targets: Targets) -> bool:  # noqa: ARG002
        """Whether it is to be tried if texts of rarer labels should count more."""
        return False

    def balance(self, targets: Targets) -> NDArray[np.float32]:
        """How much each text counts [n], 1 on average, if each label is to count the same."""
        return np.ones(len(targets), np.float32)

    def signs(self, targets: Targets) -> NDArray[np.floating[Any]]:
        """Targets for margins: -1 or 1 [n, width], or numbers if `exact`."""
        return self.feed(targets) * 2 - 1

    @abstractmethod
    def score(self, logits: Logits, targets: Targets) -> float:
        """How good logits are; the higher the better."""

    @abstractmethod
    def rightness(self, logits: Logits, targets: Targets) -> NDArray[np.float64]:
        """How right each answer is [n], 1 at most; its mean is what `rightness_name` says."""

    @abstractmethod
    def agreement(self, logits: Logits, others: Logits) -> float:
        """The share of texts of which two outputs say the same."""


class Classify(Task):
    """One label a text. Two labels share one sigmoid; targets are label indices [n].

    `class_weight` says whether texts of rarer labels count more: one of `class_weights.CLASS_WEIGHTS`.
    """

    def __init__(self, labels: Sequence[str], class_weight: str = "auto") -> None:
        super().__init__(labels)
        self.class_weight = class_weight
        self.width = 1 if len(labels) == 2 else len(labels)
        self.activation = "sigmoid" if self.width == 1 else "softmax"

    def targets(self, examples: Iterable[Example]) -> Targets:
        index = {label: i for i, label in enumerate(self.labels)}
        return np.array([index[example.label] for example in examples], np.int64)

    def loss(self) -> Any:
        from keras import losses

        kind = losses.BinaryCrossentropy if self.width == 1 else losses.CategoricalCrossentropy
        return kind(from_logits=True, label_smoothing=LABEL_SMOOTHING)

    def feed(self, targets: Targets) -> NDArray[np.float32]:
        if self.width == 1:
            return targets.astype(np.float32)[:, None]
        return np.eye(self.width, dtype=np.float32)[targets]

    def importance(self, targets: Targets) -> NDArray[np.float32]:
        """Texts of rarer labels count more if labels are skewed: with the root of how much rarer they are."""
        if self.class_weight == "balanced":
            return self.balance(targets)
        if not self.weighs(targets):
            return super().importance(targets)
        return balance(targets, len(self.labels), power=0.5)

    def weighs(self, targets: Targets) -> bool:
        return self.class_weight == "auto" and skewed(targets, len(self.labels))

    def balance(self, targets: Targets) -> NDArray[np.float32]:
        return balance(targets, len(self.labels))

    def score(self, logits: Logits, targets: Targets) -> float:
        return macro_f1(targets, predict_labels(logits))

    def rightness(self, logits: Logits, targets: Targets) -> NDArray[np.float64]:
        return np.asarray(predict_labels(logits) == targets, np.float64)

    def agreement(self, logits: Logits, others: Logits) -> float:
        return float(np.mean(predict_labels(logits) == predict_labels(others)))


class MultiLabel(Task):
    """Any number of labels a text, written label|label; targets are 0 or 1 [n, labels]."""

    activation = "independent"
    rightness_name = "F1 of a text"

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__(labels)
        self.width = len(labels)

    def targets(self, examples: Iterable[Example]) -> Targets:
        rows = [set(Kind.LABELS.split(example.label)) for example in examples]
        return np.array([[label in row for label in self.labels] for row in rows], np.int64).reshape(-1, self.width)

    def loss(self) -> Any:
        from keras import losses

        return losses.BinaryCrossentropy(from_logits=True)

    def feed(self, targets: Targets) -> NDArray[np.float32]:
        return targets.astype(np.float32)

    def settle(self, logits: Logits, targets: Targets) -> None:
        """Chooses the logits from which each label applies, given texts that were not trained on."""
        if len(targets):
            self.cuts = choose_thresholds(logits, targets > 0).astype(np.float64)

    def score(self, logits: Logits, targets: Targets) -> float:
        """The mean F1 with the thresholds that these texts ask for: a rare label is hardly ever likelier than not."""
        thresholds = choose_thresholds(logits, targets > 0)
        return float(np.mean(f1_by_label(targets > 0, logits >= thresholds)))

    def rightness(self, logits: Logits, targets: Targets) -> NDArray[np.float64]:
        return np.array([binary_f1(row > 0, found > 0) for row, found in zip(targets, logits, strict=True)])

    def agreement(self, logits: Logits, others: Logits) -> float:
        return float(np.mean((logits >= self.cuts) == (others >= self.cuts)))


class Regress(Task):
    """A number a text; targets are floats [n], of mean 0 and deviation 1 over the training texts."""

    name = "regress"
    score_name, rightness_name = "dev_r2", "R2"
    activation = "identity"
    width = 1
    exact = True

    def __init__(self, train: Iterable[Example]) -> None:
        super().__init__()
        values = numbers(train)
        self.mean, self.deviation = float(np.mean(values)), float(np.std(values)) or 1.0

    def targets(self, examples: Iterable[Example]) -> Targets:
        return (numbers(examples) - self.mean) / self.deviation

    def signs(self, targets: Targets) -> NDArray[np.float64]:
        return targets.astype(np.float64)[:, None]

    def loss(self) -> Any:
        from keras import losses

        return losses.MeanSquaredError()

    def feed(self, targets: Targets) -> NDArray[np.float32]:
        return targets.astype(np.float32)[:, None]

    def score(self, logits: Logits, targets: Targets) -> float:
        return r_squared(targets, logits[:, 0])

    def rightness(self, logits: Logits, targets: Targets) -> NDArray[np.float64]:
        """1 less the squared error: targets have a deviation of 1, so that the mean is R2."""
        return np.asarray(1 - (targets - logits[:, 0]) ** 2, np.float64)

    def agreement(self, logits: Logits, others: Logits) -> float:
        """Numbers agree within 2 % of their spread."""
        spread = float(np.std(others)) or 1.0
        return float(np.mean(np.abs(logits - others) <= 0.02 * spread))


class Cluster(Task):
    """A group of like texts, found without labels; the family names the groups. Targets are all 0 [n]."""

    name = "cluster"
    activation = "distance"

    def __init__(self, clusters: int) -> None:
        super().__init__()
        self.width = clusters

    def targets(self, examples: Iterable[Example]) -> Targets:
        return np.zeros(sum(1 for _ in examples), np.int64)

    def loss(self) -> Any:
        raise InputError("Only --family cluster groups texts without labels.")

    def feed(self, targets: Targets) -> NDArray[np.float32]:  # noqa: ARG002
        raise InputError("Only --family cluster groups texts without labels.")

    def score(self, logits: Logits, targets: Targets) -> float:  # noqa: ARG002
        return -float(np.mean(logits.min(axis=1)))

    def rightness(self, logits: Logits, targets: Targets) -> NDArray[np.float64]:  # noqa: ARG002
        return np.asarray(-logits.min(axis=1), np.float64)

    def agreement(self, logits: Logits, others: Logits) -> float:
        return float(np.mean(logits.argmin(axis=1) == others.argmin(axis=1)))


def restore_scale(model: Any, task: Task) -> Any:
    """Numbers are learned with mean 0 and deviation 1; the model that is shipped gives them as they were."""
    import keras

    if not isinstance(task, Regress):
        return model
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    return keras.Model(token_ids, model(token_ids) * task.deviation + task.mean)


def normalized_mutual_information(first: Sequence[Any], second: Sequence[Any]) -> float:
    """How much two groupings of the same texts tell of each other: 0 nothing, 1 all.

    Mutual information over the mean of the two entropies: Strehl and Ghosh 2002, "Cluster Ensembles".
    """
    table = np.zeros((len(set(first)), len(set(second))))
    rows = np.unique(np.asarray(first), return_inverse=True)[1]
    columns = np.unique(np.asarray(second), return_inverse=True)[1]
    np.add.at(table, (rows, columns), 1 / len(rows))
    p, q = table.sum(axis=1), table.sum(axis=0)
    seen = table > 0
    information = np.sum(table[seen] * np.log(table[seen] / np.outer(p, q)[seen]))
    entropy = -(np.sum(p * np.log(p)) + np.sum(q * np.log(q))) / 2
    return float(information / entropy) if entropy > 0 else 0.0


def predict_labels(logits: Logits) -> NDArray[np.int64]:
    """Logits [n, width] -> label indices [n]; a width of 1 is one sigmoid for two labels."""
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).astype(np.int64)
    best: NDArray[np.int64] = logits.argmax(axis=1)
    return best


def binary_f1(targets: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> float:
    """F1 = 2 TP / (2 TP + FP + FN); 0 if nothing is there and nothing was found."""
    hits = np.sum(targets & predicted)
    return 2 * float(hits) / max(1.0, float(np.sum(targets) + np.sum(predicted)))


def macro_f1(targets: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """The mean F1 over the labels that occur in either."""
    scores = [binary_f1(targets == label, predicted == label) for label in np.union1d(targets, predicted)]
    return float(np.mean(scores)) if scores else 0.0


def r_squared(targets: NDArray[np.float64], predicted: NDArray[np.floating[Any]]) -> float:
    """The share of the variance explained; 0 is what the mean of the targets reaches."""
    residual, total = np.sum((targets - predicted) ** 2), np.sum((targets - np.mean(targets)) ** 2)
    return float(1 - residual / total) if total > 0 else 0.0
