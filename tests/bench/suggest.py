"""What to label next: `fenlei suggest` beside texts drawn by chance: `make bench-suggest DATA=...`.

    python -m tests.bench.suggest DIRECTORY [--most 2000] [--step 100] [--seeds 0,1,2] [--family linear]

The directory holds train.tsv, dev.tsv and test.tsv (label TAB text, no header). So many texts of train.tsv are drawn by
chance; both begin with the same labels, train a model, choose as many more texts of 20,000 others, and so on. Accuracy
is that of the converted, quantised bundle on test.tsv, or on dev.tsv, where settings are chosen: `--part dev`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import numpy as np

from handler.model.classifier import Classifier
from tests.bench.accuracy import Data
from tests.bench.training import plan, progress, summary
from training.data.read import Example
from training.data.split import Splits
from training.families import get_family
from training.judging.suggest import suggest
from training.learning.fit import load_tensorflow
from training.train import train

POOL = 20_000

# Of a model, the texts that have no label yet, those that have one, and a count: which texts are labelled next.
Choose = Callable[[Classifier, list[str], list[str], int], list[int]]


def suggested(classifier: Classifier, texts: list[str], labelled: list[str], count: int) -> list[int]:
    return [one.place for one in suggest(classifier, texts, labelled, count)]


def by_chance(_: Classifier, __: list[str], ___: list[str], count: int) -> list[int]:
    """The texts were shuffled before."""
    return list(range(count))


def curve(data: Data, judged: list[Example], choose: Choose, seed: int, options: argparse.Namespace) -> list[float]:
    """The accuracy at each number of labels."""
    order = np.random.default_rng(seed).permutation(len(data.train))[:POOL].tolist()
    shuffled = [data.train[i] for i in order]
    labelled, pool, figures = shuffled[: options.step], shuffled[options.step :], list[float]()
    while True:
        splits = Splits(labelled, [], judged, sorted({example.label for example in labelled}))
        trained = train(plan(get_family(options.family))._replace(seed=seed), splits, progress())
        figures.append(100 * summary(trained)["accuracy"])
        if len(labelled) >= options.most:
            return figures
        texts, known = ([example.text for example in part] for part in (pool, labelled))
        chosen = set(choose(Classifier(trained.bundle), texts, known, options.step))
        labelled = labelled + [pool[i] for i in sorted(chosen)]
        pool = [example for i, example in enumerate(pool) if i not in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--most", type=int, default=2000)
    parser.add_argument("--step", type=int, default=100)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--family", default="linear")
    parser.add_argument("--part", choices=("dev", "test"), default="test")
    options = parser.parse_args()
    load_tensorflow()
    data = Data.read(options.directory)
    judged = data.test if options.part == "test" else data.dev
    seeds = [int(seed) for seed in options.seeds.split(",")]
    chance, ours = ([curve(data, judged, way, seed, options) for seed in seeds] for way in (by_chance, suggested))
    print("| labels | by chance | `fenlei suggest` |")
    print("|---:|---:|---:|")
    for place, labels in enumerate(range(options.step, options.most + 1, options.step)):
        print(f"| {labels} |", " | ".join(f"{mean(one[place] for one in way):.1f}" for way in (chance, ours)), "|")


if __name__ == "__main__":
    main()
