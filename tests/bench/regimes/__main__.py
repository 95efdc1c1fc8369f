"""Training in every regime, beside what was measured before and beside a peer: `make bench-regimes DATA=...`.

    python -m tests.bench.regimes DIRECTORY [REGIME ...]

The directory holds the data sets, each a directory with train.tsv, dev.tsv and test.tsv (label TAB text, no header).
A module a regime; each takes minutes, and all of them less than 25 on two processors.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.regimes import (
    auto,
    certain,
    levels,
    long_texts,
    many_labels,
    near_copies,
    outlier,
    scripts,
    several_labels,
    skew,
)
from tests.bench.regimes.row import Row
from training.learning.fit import load_tensorflow

REGIMES: dict[str, Callable[[Path], list[Row]]] = {
    "near-copies": near_copies.measure,
    "certain": certain.measure,
    "several-labels": several_labels.measure,
    "outlier": outlier.measure,
    "auto": auto.measure,
    "skew": skew.measure,
    "scripts": scripts.measure,
    "long-texts": long_texts.measure,
    "many-labels": many_labels.measure,
    "levels": levels.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("regimes", nargs="*", metavar="REGIME", help=f"all, or some of: {', '.join(REGIMES)}")
    options = parser.parse_args()
    if unknown := set(options.regimes) - set(REGIMES):
        parser.error(f"there is no regime {', '.join(sorted(unknown))}; there is: {', '.join(REGIMES)}")
    load_tensorflow()
    print("| regime | before | measured | peer | wanted | held | s |")
    print("|---|---|---|---|---|---|---|")
    for name in options.regimes or REGIMES:
        started = time.perf_counter()
        rows = REGIMES[name](options.data)
        seconds = time.perf_counter() - started
        for row in rows:
            cells = (row.regime, row.before, row.measured, row.peer, row.wanted, "yes" if row.held else "**no**")
            print("|", " | ".join(cells), f"| {seconds / len(rows):.0f} |", flush=True)


if __name__ == "__main__":
    main()
