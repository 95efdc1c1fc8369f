"""Model families, a file each. To add one, write a module here that holds a `FAMILY`."""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from training.errors import InputError


class Spec(NamedTuple):
    """What a builder has to know: the tokens by id, the longest input in tokens, and the width of the output."""

    tokens: tuple[str, ...]
    max_tokens: int
    width: int

    @property
    def vocabulary(self) -> int:
        """The number of tokens, padding included."""
        return len(self.tokens)


class Family(NamedTuple):
    """A kind of model and the recipe that suits it.

    `build` gives an uncompiled Keras model: int32 token ids [batch, length], 0 for padding -> float32
    logits [batch, width]. Padding never changes the logits. A family that is not trained by gradient steps alone
    has a `fit` of its own, which takes a `fit.Job` and gives a `fit.Fitted`. `pretrained` is the encoder to start
    from, whose tokenizer is used as it is; `lengths` gives the static input lengths up to the longest, where
    `fit.lengths_up_to` is too coarse.
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


@cache
def families() -> dict[str, Family]:
    """Every family in this folder, by name."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return {module.FAMILY.name: module.FAMILY for module in modules}


def get_family(name: str) -> Family:
    """Gives a family by name. Raises InputError if there is none."""
    try:
        return families()[name]
    except KeyError:
        raise InputError(f"There is no model family {name!r}; there is: {', '.join(families())}.") from None
