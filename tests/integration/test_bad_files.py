"""Files that went wrong once, or were made to: what each ends in, within a bound on time and memory.

Each is read, classified and answered by the code that does it in Lambda, in a process of its own, whose memory and
processor time are counted.
"""

import gzip
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from support import ROOT

from handler.errors import Refused
from handler.files.batch import Tally, answer, windows
from handler.files.lines import PIECE_BYTES
from handler.files.records import layout_of, records
from handler.model.classifier import Classifier

resource = pytest.importorskip("resource", reason="Windows has neither it nor fork")
CASES = ROOT.parent / "shared/cases"
# Beyond what the process had before. A function for files has 1,769 MB, and tokenizing one line of 1 MiB takes 150.
MEGABYTES, SECONDS = 190, 40


class Ended(NamedTuple):
    """What became of a file, in a process of so much memory and processor time."""

    lines: int
    predicted: int
    refused: str
    damage: str
    megabytes: float
    seconds: float


class Bad(NamedTuple):
    """A file, how many of how many lines are predicted, and what its summary says."""

    name: str
    content: Callable[[], Iterator[bytes]]
    lines: int
    predicted: int
    says: str = ""


def whole(content: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: (content[start : start + PIECE_BYTES] for start in range(0, len(content), PIECE_BYTES))


def endless(unit: bytes, megabytes: int) -> Callable[[], Iterator[bytes]]:
    """One line, whose packed pieces are all alike after the first: nothing in one refers to what was before it."""

    def pieces() -> Iterator[bytes]:
        deflate = zlib.compressobj(9, wbits=31)
        content = unit * (1_048_576 // len(unit))
        yield deflate.compress(content) + deflate.flush(zlib.Z_FULL_FLUSH)
        packed = deflate.compress(content) + deflate.flush(zlib.Z_FULL_FLUSH)
        yield from (packed for _ in range(megabytes - 1))

    return pieces


LONG = ("很好，" * 116_000).encode()  # a line of 1 MiB of Chinese
BAD = {
    "a storm of quotes": Bad("a.csv", whole(b"text,y\n" + b'x","y\n' * 60_000), 60_000, 0),
    "a quote that is never closed": Bad("a.csv", whole(b'text\n"' + b"ok\n" * 20_000), 20_000, 19_999),
    "a line of 4 GiB": Bad("a.txt.gz", endless(b"x", 4096), 1, 0, "unfolds to over 200 times its size"),
    "a file of 4 GiB of zeros": Bad("a.csv.gz", endless(b"\0", 4096), 1, 0, "unfolds to over 200 times its size"),
    "lines of 1 MiB": Bad("a.txt", whole((LONG + b"\n") * 8), 8, 8),
    "lines of 1 MiB without a space": Bad("a.txt", whole((b"x" * 1_000_000 + b"\n") * 3), 3, 3),
    "lines of 1 MiB of words": Bad("a.jsonl", whole((b'{"text": "' + b"good " * 200_000 + b'"}\n') * 8), 8, 8),
    "members of a byte": Bad("a.txt.gz", whole(gzip.compress(b"x") * 100_000), 1, 1),
    "brackets in brackets": Bad("a.jsonl", whole((b"[" * 100_000 + b"\n") * 100), 100, 0),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_file_ends_as_it_should_in_bounded_time_and_memory(classifier: Classifier, bad: Bad) -> None:
    ended = read(classifier, bad.name, bad.content)

    assert (ended.lines, ended.predicted) == (bad.lines, bad.predicted)
    assert bad.says in ended.damage + ended.refused
    assert ended.megabytes < MEGABYTES
    assert ended.seconds < SECONDS


# What is right for the code that serves: training may read more kinds of files than these.
RIGHT = {
    "quote-storm.csv": (400, 0, ""),
    "easy.csv": (120, 120, ""),
    "gb18030.csv": (120, 0, ""),  # each line says that it is not UTF-8
    "utf16.csv": (0, 0, "'text' in UTF-8"),
    "chinese-headers.csv": (0, 0, "names no column 'text'"),
    "nan-labels.csv": (120, 120, ""),
    "mixed-numbers.csv": (120, 120, ""),
    "quoted.tsv": (120, 120, ""),
    "duplicate-header.csv": (0, 0, "the column 'text' stands twice"),
    "fasttext.txt": (120, 120, ""),
    "array.json": (0, 0, "The name ends in none of"),
    "label-studio.json": (0, 0, "The name ends in none of"),
    "doccano.jsonl": (120, 120, ""),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_small_file_that_people_bring_ends_as_it_should(classifier: Classifier, name: str) -> None:
    if not CASES.is_dir():
        pytest.skip("the small cases are not on this machine")
    lines, predicted, says = RIGHT[name]

    ended = read(classifier, name, whole((CASES / name).read_bytes()))

    assert (ended.lines, ended.predicted) == (lines, predicted), ended
    assert says in ended.refused
    assert ended.damage == ""


def read(classifier: Classifier, name: str, content: Callable[[], Iterator[bytes]]) -> Ended:
    """Answers a file in a child process."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, json.dumps(measured(classifier, name, content)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        found = pipe.read()
    _, status, used = os.wait4(child, 0)
    assert status == 0
    return Ended(*json.loads(found), used.ru_utime + used.ru_stime)


def measured(
    classifier: Classifier, name: str, content: Callable[[], Iterator[bytes]]
) -> tuple[int, int, str, str, float]:
    before, tally, refused = peak(), Tally(), ""
    try:
        for window in windows(records(content(), layout_of(name))):
            tally.add(answer(window, classifier)[1])
    except Refused as error:
        refused = str(error)
    return tally.lines, tally.predicted, refused, tally.damage, peak() - before


def peak() -> float:
    """The most megabytes that this process held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
