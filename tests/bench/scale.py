"""What training takes of many rows, and of many labels: `make bench-scale DATA=...`.

    python -m tests.bench.scale DATA [--rows 10000 100000 1000000] [--labels 2 50 1000] [--family linear]

DATA has a train.tsv of titles (label TAB text, no header). More rows than it has are its titles again, each with two of
its characters changed, so that all differ. Labels are made by hashing how a title begins, of LABELLED_ROWS rows. Each
training is a command of its own, `fenlei train`, over a TSV file; the seconds are from its start to its end, and the
memory is the most that it or a process of its held at once. A training that the machine has no memory for is left out,
and that is said. Linux only: it reads /proc.
"""

import argparse
import os
import random
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

LABELLED_ROWS = 60_000
BEGINNING = 2  # characters of a title by which it is labelled
# What a training may take at most.
GIGABYTES_A_MILLION = 12
Row = tuple[str, str]


class Taken(NamedTuple):
    """Of a training: seconds from start to end and of processors, gigabytes at most, and megabytes of its bundle."""

    seconds: float
    processor: float
    gigabytes: float
    bundle: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--labels", type=int, nargs="*", default=[2, 50, 1_000])
    parser.add_argument("--family", default="linear")
    options = parser.parse_args()
    lines = (options.data / "train.tsv").read_text(encoding="utf-8").splitlines()
    titles: list[Row] = [(label, text) for label, text in (line.split("\t", 1) for line in lines)]
    print(f"| {'rows':>9} | labels | seconds | processor seconds | most memory, GB | bundle, MB |", flush=True)
    print("|---:|---:|---:|---:|---:|---:|")
    for count in options.rows:
        measure(changed(titles, count), count, len({label for label, _ in titles}), options.family)
    for count in options.labels:
        measure(labelled(titles[:LABELLED_ROWS], count), min(LABELLED_ROWS, len(titles)), count, options.family)


def changed(titles: Sequence[Row], count: int) -> Iterator[Row]:
    """So many titles, all different: from the second time on, two characters of each are those of another."""
    generator = random.Random(0)
    for number in range(count):
        label, text = titles[number % len(titles)]
        characters = list(text)
        for _ in range(2 if number >= len(titles) else 0):
            characters[generator.randrange(len(characters))] = generator.choice(generator.choice(titles)[1])
        yield label, "".join(characters)


def labelled(titles: Sequence[Row], labels: int) -> Iterator[Row]:
    """The titles with one of so many labels, which how they begin decides."""
    for _, text in titles:
        yield f"label {zlib.crc32(text[:BEGINNING].encode()) % labels}", text


def measure(rows: Iterator[Row], count: int, labels: int, family: str) -> None:
    """Prints a row of the table."""
    needed, there = GIGABYTES_A_MILLION * count / 1e6, available()
    if needed > there:
        print(f"| {count:>9,} | left out: it may take {needed:.0f} GB, and {there:.1f} are there", flush=True)
        return
    with tempfile.TemporaryDirectory() as work:
        file = Path(work, "texts.tsv")
        with file.open("w", encoding="utf-8") as table:
            table.writelines(f"{label}\t{text}\n" for label, text in rows)
        taken = train(file, Path(work, "bundle"), family)
    print(
        f"| {count:>9,} | {labels:>6,} | {taken.seconds:>7.0f} | {taken.processor:>17.0f} | {taken.gigabytes:>15.2f} "
        f"| {taken.bundle:>10.1f} |",
        flush=True,
    )


def train(file: Path, bundle: Path, family: str) -> Taken:
    """Runs `fenlei train` on a TSV file. Ends the program if that fails."""
    program = "from training.commands.cli import main; main()"
    arguments = ["train", str(file), "--columns", "label,text", "--family", family, "-o", str(bundle)]
    log = os.open(file.with_suffix(".log"), os.O_WRONLY | os.O_CREAT)
    began = time.monotonic()
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", program, *arguments],
        dict(os.environ),
        file_actions=[(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)],
    )
    _, status, used = os.wait4(child, 0)
    os.close(log)
    if status:
        sys.exit(f"error: fenlei train failed: {file.with_suffix('.log').read_text(encoding='utf-8')[-2000:]}")
    return Taken(
        time.monotonic() - began,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss / 1024**2,
        (bundle / "model.tflite").stat().st_size / 1e6,
    )


def available() -> float:
    """Gigabytes of memory that are to be had."""
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("MemAvailable"))) / 1024**2


if __name__ == "__main__":
    main()
