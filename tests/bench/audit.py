"""What `fenlei audit` finds of errors that were planted: `make bench-audit DATA=...`.

    python -m tests.bench.audit DATA [--texts 6000] [--flipped 0.05] [--seed 1]

DATA has a train.tsv (label TAB text, no header), of which so many texts are drawn. A share of them gets another label,
any of the others; a hundred more are texts of the sample with one character changed. What was wrong in the data before
counts as a false alarm. Settings were chosen
with the seed 0. cleanlab judges by the very same probabilities.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.files import read
from training.data.formats.rows import Columns
from training.data.near_copies import near_copies
from training.data.read import Example
from training.data.split import Cleaning, clean
from training.judging.label_errors import Floats, confident_errors, out_of_fold

NEAR_COPIES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--texts", type=int, default=6000)
    parser.add_argument("--flipped", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    examples = clean(read(options.data / "train.tsv", Columns(names=("label", "text"))), Cleaning())
    drawn = [examples[i] for i in generator.permutation(len(examples))[: options.texts].tolist()]
    labels = sorted({example.label for example in drawn})
    wrong = generator.permutation(len(drawn))[: round(options.flipped * len(drawn))]
    for i in wrong.tolist():
        others = [label for label in labels if label != drawn[i].label]
        drawn[i] = drawn[i]._replace(label=others[generator.integers(len(others))])
    began = time.process_time()
    probabilities, given = out_of_fold(drawn, labels, 0)
    print(f"{len(drawn):,} texts, {len(labels)} labels, {len(wrong)} of them flipped")
    print(f"answered without having seen it: {time.process_time() - began:.1f} s of processor time")
    print(f"| {'label errors':<36} | found | precision | recall | right of the first {len(wrong)} |")
    print("|---|---:|---:|---:|---:|")
    for name, found in judged(probabilities, given).items():
        show(name, found, set(wrong.tolist()))
    plant_near_copies(drawn, generator)


def judged(probabilities: Floats, given: NDArray[np.int64]) -> dict[str, list[int]]:
    """By who judges, the rows that are found, the worst first."""
    from cleanlab.filter import find_label_issues

    found = {"fenlei audit": confident_errors(probabilities, given).tolist()}
    for kind in ("prune_by_noise_rate", "confident_learning"):
        issues = find_label_issues(
            given, probabilities, filter_by=kind, return_indices_ranked_by="normalized_margin", n_jobs=1
        )
        found[f"cleanlab, {kind}"] = issues.tolist()
    return found


def show(name: str, found: Sequence[int], wrong: set[int]) -> None:
    hits = np.array([row in wrong for row in found])
    first = hits[: len(wrong)].sum() / len(wrong)
    print(f"| {name:<36} | {len(found)} | {hits.mean():.1%} | {hits.sum() / len(wrong):.1%} | {first:.1%} |")


def plant_near_copies(drawn: Sequence[Example], generator: np.random.Generator) -> None:
    """Adds texts with one character changed, of those with ten and more, and prints how many are found."""
    texts = [example.text for example in drawn]
    long = [text for text in texts if len(text) >= 10]
    for i in generator.permutation(len(long))[:NEAR_COPIES].tolist():
        place = int(generator.integers(len(long[i])))
        texts.append(f"{long[i][:place]}囧{long[i][place + 1 :]}")
    began = time.process_time()
    found = near_copies(texts)
    seconds = time.process_time() - began
    planted = sum(near.text >= len(drawn) for near in found)
    print(
        f"near copies: {planted} of {len(texts) - len(drawn)} planted, {len(found) - planted} others, {seconds:.1f} s"
    )


if __name__ == "__main__":
    main()
