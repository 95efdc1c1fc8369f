"""A student with and without its teacher, on the same texts: `make bench-distillation TEACHER=... DATA=...`.

    python -m tests.bench.distillation TEACHER DIRECTORY [FAMILY ...]

The directory holds train.tsv, dev.tsv and test.tsv (label TAB text, no header), and is what the teacher was trained on.
Development is for choosing only, for the teacher as for the students. Medians of three seeds.
"""

import sys
from pathlib import Path
from statistics import median

from tests.bench.accuracy import Data
from tests.bench.training import fit, plan, progress, summary
from training.data.split import Splits
from training.distil import distil, open_teacher
from training.families import get_family
from training.judging.evaluate import evaluate
from training.learning.fit import load_tensorflow
from training.train import train

SEEDS = (0, 1, 2)
# A large teacher takes long to answer, and is asked once.
ANSWERS = Path(".envs/answers")


def main(teacher_path: Path, directory: Path, families: list[str]) -> None:
    load_tensorflow()
    data = Data.read(directory)
    labels = sorted({example.label for example in data.train})
    splits = Splits(data.train, data.dev, data.test, labels)
    teacher = open_teacher(teacher_path, labels)
    larger, answers = distil(teacher, splits, [], seed=0, kept=ANSWERS)
    taught_by = evaluate(teacher, data.test, "the test set").summary["accuracy"]
    print(f"teacher: {100 * taught_by:.2f}; it answered {len(answers):,} texts, of which {len(data.train):,} whole")
    print("| data | student | without | with the teacher | MB | share kept |\n|---|---|---|---|---|---|")
    for name in families:
        family = get_family(name)
        alone = [summary(fit(data, family, refit=False, seed=seed))["accuracy"] for seed in SEEDS]
        taught = [train(plan(family, refit=False, answers=answers, seed=seed), larger, progress()) for seed in SEEDS]
        with_teacher = [summary(one)["accuracy"] for one in taught]
        size, kept = len(taught[0].bundle.model) / 1e6, median(with_teacher) / taught_by
        figures = f"{spread(alone)} | {spread(with_teacher)} | {size:.1f} | {kept:.3f}"
        print(f"| {data.name} | {name} | {figures} |", flush=True)


def spread(shares: list[float]) -> str:
    """The median in per cent, and what it is the median of."""
    return f"{100 * median(shares):.2f} ({', '.join(f'{100 * share:.2f}' for share in shares)})"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or ["cnn", "hybrid"])
