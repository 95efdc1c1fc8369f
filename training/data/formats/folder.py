"""A folder a class, and a file a text in it: the layout of scikit-learn's load_files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import IO

from training.data.formats.encoding import MARKS, check_encoding, encoding_of, spoken
from training.data.formats.exported import LABEL, TEXT, row
from training.data.formats.rows import Columns, Row, Say, Table
from training.errors import InputError

# Files that are not UTF-8 tell together which encoding they have; so many bytes do.
TELLING = 1 << 22


def read_folder(path: Path, columns: Columns, say: Say) -> Table:
    """The files below, each labelled by the folder that it is in. Raises InputError."""
    below = [entry for entry in sorted(path.rglob("*")) if not _hidden(entry.relative_to(path))]
    for entry in below:
        if entry.is_symlink() and not entry.is_file():
            raise InputError(
                f"{entry} is a link to {'a folder' if entry.is_dir() else 'nothing'}, which is not followed; put "
                "what it leads to in its place, or remove it."
            )
    files = [entry for entry in below if entry.is_file()]
    if not files:
        raise InputError(f"{path} is a folder without any files; give one with a folder for each label.")
    loose = next((file for file in files if file.parent == path), None)
    if loose and columns.label != "":
        raise InputError(
            f"{path} is a folder with {loose.name} in it, which is neither a folder for a label nor train, dev or "
            "test; name one file, or move that one away."
        )
    encoding = check_encoding(columns.encoding) if columns.encoding else ""
    shared = cache(partial(_shared_encoding, path, files, say))
    return Table((TEXT, LABEL), lambda: _rows(path, files, encoding, shared), "file", nothing_to_find=True)


def _hidden(relative: Path) -> bool:
    return any(part.startswith((".", "__")) for part in relative.parts)


def _rows(path: Path, files: list[Path], encoding: str, shared: Callable[[], str]) -> Iterator[Row]:
    for number, file in enumerate(files, 1):
        try:
            data = file.read_bytes()
        except OSError as error:
            raise InputError(f"{file} cannot be read: {error.strerror}; move it away.") from None
        named = encoding or _own_encoding(data) or shared()
        try:
            text = data.decode(named)
        except UnicodeDecodeError:
            raise InputError(f"{file} is no text in {spoken(named)}; move it away, or name its --encoding.") from None
        if "\0" in text:
            raise InputError(f"{file} holds NUL bytes, as pictures and programs do, and is no text; move it away.")
        yield number, row(text, file.relative_to(path).parts[0] if file.parent != path else None)


def _own_encoding(data: bytes) -> str | None:
    """What a mark tells, or else UTF-8 if it is that."""
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return encoding
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _shared_encoding(path: Path, files: list[Path], say: Say) -> str:
    """The encoding of those that are not UTF-8, told by all of them together."""
    together = b""
    for file in files:
        if len(together) < TELLING:
            data = file.read_bytes()
            together += b"" if _own_encoding(data) or b"\0" in data else data + b"\n"

    @contextmanager
    def source(_: Path) -> Iterator[IO[bytes]]:
        yield BytesIO(together)

    encoding = encoding_of(path, source)
    say(f"{path.name} is read as {spoken(encoding)}; --encoding names another one")
    return encoding
