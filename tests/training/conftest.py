"""What the `fenlei` command trained: once for all tests."""

import gzip
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from command import FAMILIES, FourLines, Twice, finish, start
from support import FOUR_LINES

from training.data.read import Example
from training.data.split import Cleaning, clean

# Characters: enough to learn from, and few enough that a model has two lengths of input, and converts soon.
SHORTEST, LONGEST = 16, 30
# Each way to train, n-grams and a loop, in a process that has its own order of sets, too.
COLD = ("hybrid", "lstm")


@pytest.fixture(scope="session")
def trained_on_four_lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FourLines]:
    """By family; all at once, since each has little to do."""
    directory = tmp_path_factory.mktemp("four")
    file = directory / "four.csv"
    file.write_text(FOUR_LINES, encoding="utf-8")
    started = {family: start("train", file, "--family", family, "-o", directory / family) for family in FAMILIES}
    return {family: FourLines(directory / family, finish(process)) for family, process in started.items()}


@pytest.fixture(scope="session")
def some_reviews(default_examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 400 real reviews, as many bad ones as good ones."""
    path = tmp_path_factory.mktemp("reviews") / "reviews.tsv"
    fitting = [e for e in clean(default_examples, Cleaning()) if SHORTEST <= len(e.text) <= LONGEST]
    chosen = []
    for label in ("negative", "positive"):
        of_label = [e for e in fitting if e.label == label]
        chosen += of_label[:: len(of_label) // 200][:200]
    path.write_text("".join(f"{e.label}\t{e.text}\n" for e in chosen), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained_twice(some_reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Twice]:
    """`trained_twice(family)` trains in two processes at once, with the same texts and seed.

    The second process has the texts in another format and encoding, and of some families it is not a warm one.
    """
    directory = tmp_path_factory.mktemp("twice")
    rows = [line.split("\t") for line in some_reviews.read_text(encoding="utf-8").splitlines()]
    array, table = directory / "reviews.json", directory / "reviews.csv.gz"
    array.write_text(json.dumps([{"label": label, "text": text} for label, text in rows]), encoding="utf-8")
    quoted = "".join(f'{label};"{text.replace(chr(34), chr(34) * 2)}"\n' for label, text in rows)
    table.write_bytes(gzip.compress(f"label;text\n{quoted}".encode("gb18030")))

    @cache
    def train(family: str) -> Twice:
        paths = (directory / f"{family}-1", directory / f"{family}-2")
        same = ("--family", family, "--name", "reviews", "--seed", 7, "--json")
        files = (some_reviews, (array, table)[FAMILIES.index(family) % 2])
        started = [
            start("train", file, *same, "-o", path, warm=path is paths[0] or family not in COLD)
            for file, path in zip(files, paths, strict=True)
        ]
        first, second = [finish(p) for p in started]
        assert (first.status, second.status) == (0, 0), first.errors + second.errors
        return Twice(paths, (first.json(), second.json()))

    return train
