"""How much memory and time a large file takes to look at, to split and to read: `make bench-reading MB=2000`.

    python -m tests.bench.reading MB [STEP ...]

A CSV whose header tells nothing, of the sentences in tests/sentences.py, six to a text; each step has a process of its
own.
"""

import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

from tests.sentences import SENTENCES
from training.data import streamed
from training.data.files import ANY, Opened, read
from training.data.formats.any_file import table_of
from training.data.formats.columns import find
from training.data.formats.encoding import encoding_of
from training.data.formats.rows import Missing, silent
from training.data.read import Kind


def columns(path: Path) -> None:
    """Finds the columns by a look at all rows."""
    find(path, table_of(path, ANY, silent), ANY, silent)


def split(path: Path) -> None:
    """As `fenlei split` does, with its looks for the encoding and the columns."""
    opened = Opened(path, ANY, Missing.STOP, silent)
    where, _ = streamed.places(streamed.look(opened, Kind.LABEL, "bench"), Kind.LABEL, 0, Missing.STOP)
    streamed.write(opened, where, str, path.parent)


STEPS: dict[str, Callable[[Path], object]] = {
    "encoding": encoding_of,
    "columns": columns,
    "split": split,
    "texts": read,
}


def main() -> None:
    """Prints a table."""
    megabytes = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "large.csv")
        write(path, megabytes * 1_000_000)
        print(f"{megabytes} MB\n\n| step | s | MB of memory |\n|---|---:|---:|")
        for step in sys.argv[2:] or STEPS:
            with get_context("spawn").Pool(1) as pool:
                seconds, memory = pool.apply(measured, (step, path))
            print(f"| {step} | {seconds:.1f} | {memory:.0f} |")


def write(path: Path, size: int) -> None:
    """A file of that many bytes, or a little more."""
    chance, sentences = random.Random(0), SENTENCES["gb18030"]
    texts = ["。".join(chance.choices(sentences, k=6)) for _ in range(5000)]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("a,b\n")
        for number in range(size):
            file.write(f'"{number}。{texts[number % len(texts)]}",{"好评" if number % 2 else "差评"}\n')
            if number % 1000 == 0 and file.tell() > size:
                return


def measured(step: str, path: Path) -> tuple[float, float]:
    """Seconds, and the most megabytes that the process held."""
    started = time.process_time()
    STEPS[step](path)
    return time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
