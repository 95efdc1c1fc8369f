"""Whatever a file holds, the time to read it grows with its bytes: nothing is gone over again and again."""

import gzip
import time
from collections.abc import Callable, Iterator

import pytest

from handler.files.lines import MAX_LINE_BYTES, PIECE_BYTES
from handler.files.records import layout_of, records

MEMBER, EMPTY = gzip.compress(b"x", mtime=0), gzip.compress(b"", mtime=0)
OPEN_TO_THE_LIMIT = b'"\n' * 999 + b'""' * (MAX_LINE_BYTES // 2) + b"\n"
# Content of so many parts that is as bad as it can be for a reader, and the name of the file.
ADVERSARIAL: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "quotes opened and closed in each line": ("a.csv", lambda n: b"text,y\n" + b'x","y\n' * 4 * n),
    "a quote that opens in each line": ("a.csv", lambda n: b"text\n" + b'"\n' * 8 * n),
    "a quote that is never closed, and empty lines": ("a.csv", lambda n: b'text\n"' + b"\n" * 8 * n),
    "quotes that close too far away": ("a.csv", lambda n: b"text\n" + OPEN_TO_THE_LIMIT * (n // 1024)),
    "commas": ("a.csv", lambda n: b"text\n" + (b"," * 1000 + b"\n") * (n // 8)),
    "tabs": ("a.tsv", lambda n: b"text\n" + (b"\t" * 1000 + b"\n") * (n // 8)),
    "one endless line": ("a.txt", lambda n: b"x" * 4096 * n),
    "lines that are just too long": ("a.txt", lambda n: (b"x" * (MAX_LINE_BYTES + 1) + b"\n") * (n // 256)),
    "brackets in brackets": ("a.jsonl", lambda n: (b"[" * 1000 + b"\n") * n),
    "a byte in each member": ("a.txt.gz", lambda n: MEMBER * 4 * n),
    "empty members": ("a.txt.gz", lambda n: MEMBER + EMPTY * 4 * n),
    "padding": ("a.txt.gz", lambda n: MEMBER + bytes(4096 * n)),
    "zeros, packed": ("a.txt.gz", lambda n: gzip.compress(bytes(4096 * n), 1)),
}
PARTS, TIMES_AS_MANY = 1024, 16
# Sixteen times the bytes take 16 times as long where work grows with them, and 256 times where it grows with their
# square; a machine that has other work to do is four times off neither way.
CEILING = 64


@pytest.mark.parametrize(("name", "content"), ADVERSARIAL.values(), ids=ADVERSARIAL)
def test_the_time_grows_with_the_bytes_and_not_with_their_square(
    name: str, content: Callable[[int], bytes], capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    small, large = content(PARTS), content(TIMES_AS_MANY * PARTS)

    ratio = seconds(name, large) / min(seconds(name, small) for _ in range(3))

    with capsys.disabled():
        print(f"\n{request.node.callspec.id}: {TIMES_AS_MANY} times the bytes take {ratio:.1f} times as long", end="")
    assert ratio < CEILING


def seconds(name: str, content: bytes) -> float:
    """Of processor time, to read a file to its end."""
    began = time.process_time()
    for _ in records(pieces(content), layout_of(name)):
        pass
    return time.process_time() - began


def pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), PIECE_BYTES):
        yield content[start : start + PIECE_BYTES]
