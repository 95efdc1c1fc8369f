"""What a training is of, and what it gives: the terms that fitting, families and callbacks share."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.learning.tasks import Task


class Spec(NamedTuple):
    """What a builder has to know: the tokens by id, the longest input in tokens, and the width of the output.

    Texts of up to `text_tokens` are read by windows of that input; 0 if they are cut there.
    """

    tokens: tuple[str, ...]
    max_tokens: int
    width: int
    text_tokens: int = 0

    @property
    def vocabulary(self) -> int:
        """The number of tokens, padding included."""
        return len(self.tokens)


class Family(NamedTuple):
    """A kind of model and the recipe that suits it.

    `build` gives an uncompiled Keras model: int32 token ids [batch, length], 0 for padding -> float32
    logits [batch, width]. Padding never changes the logits. A family that is not trained by gradient steps alone
    has a `fit` of its own, which takes a `Job` and gives a `Fitted`. `pretrained` is the encoder to start
    from, whose tokenizer is used as it is; `lengths` gives the static input lengths up to the longest, where
    `batches.served_lengths` are too coarse. Where many texts are longer than `max_tokens`, up to `longest` are read;
    the network itself reads `window` at once, or all of them if that is 0.
    `crossed` families choose their settings by cross-validation where texts are few, so that none need be held out for
    it.
    """

    name: str
    summary: str
    tokenizer: str
    vocabulary: int
    max_tokens: int
    epochs: int = 0
    batch_size: int = 64
    learning_rate: float = 1e-3
    build: Callable[[Spec], Any] | None = None
    fit: Callable[[Any], Any] | None = None
    lengths: Callable[[int], list[int]] | None = None
    pretrained: Any = None
    crossed: bool = False
    longest: int = 0
    window: int = 0


class Encoded(NamedTuple):
    """Texts as token ids, and what the network should say of each."""

    ids: list[list[int]]
    targets: NDArray[Any]


class Controls(NamedTuple):
    """How training may be watched and stopped.

    `deadline` is a time.monotonic(); `log_directory` gets TensorBoard events; `checkpoint` is a directory that keeps
    the state after each epoch, so that the same training goes on from there. `tell` is told how far long work is.
    """

    on_epoch: Callable[[int, dict[str, float]], None]
    deadline: float = float("inf")
    log_directory: Path | None = None
    checkpoint: Path | None = None
    tell: Callable[[str], None] = lambda _: None


class Job(NamedTuple):
    """One training: what, on what, for what."""

    family: Family
    spec: Spec
    task: Task
    train: Encoded
    dev: Encoded
    seed: int
    controls: Controls
    settings: Mapping[str, float] = {}


class OutOfFold(NamedTuple):
    """Logits [n, width] of n texts, each by a model that was trained without it; and what should have been said."""

    logits: NDArray[np.float32]
    targets: NDArray[Any]


class Fitted(NamedTuple):
    """A trained model, per epoch the loss and the development score, and the settings that development chose.

    A job with those settings and no development texts trains the same kind of model without choosing anew. `embedder`
    is the model's own way to embed, if it has one: token ids -> L2-normalised vectors [batch, width]. `again` is how a
    family that is not to start anew takes such a job. `crossed` are answers on the training texts by models that were
    trained without them, where there are no development texts: settings were chosen by them. `remark` is
    what the user should be told.
    """

    model: Any
    history: list[dict[str, float]]
    settings: dict[str, float]
    embedder: Any = None
    again: Any = None
    crossed: OutOfFold | None = None
    remark: str = ""
