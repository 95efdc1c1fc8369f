"""Files that the code that serves does not read as they are, as bytes that it does."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path

from training.data.formats.any_file import table_of
from training.data.formats.columns import find
from training.data.formats.encoding import MARKS, UTF8, encoding_of
from training.data.formats.lines import lines
from training.data.formats.packed import PIECE, opened
from training.data.formats.rows import Columns, Say, silent, simple
from training.errors import InputError


def other_encoding(path: Path) -> str:
    """The encoding of a text file that does not begin in UTF-8, if it is plain; else nothing."""
    try:
        with opened(path) as file:
            begin = file.read(PIECE)
        if not begin.startswith(tuple(MARKS)):
            codecs.getincrementaldecoder("utf-8")().decode(begin)
            return ""
    except UnicodeDecodeError:
        pass
    except InputError:
        return ""
    try:
        found = encoding_of(path)
    except InputError:
        return ""
    return "" if found == UTF8 else found


def has_other_columns(path: Path, text: str) -> bool:
    """Whether a table has no column of that name, and another one is plainly that of the texts."""
    columns = Columns(label="")
    try:
        with opened(path) as file:
            if text.encode() in file.readline(PIECE):
                return False  # without a look at all of it
        table = table_of(path, columns, silent)
        return bool(table.names) and text not in table.names and bool(find(path, table, columns, silent))
    except InputError:
        return False


def in_utf8(path: Path, encoding: str) -> Iterator[bytes]:
    """The lines of a text file of another encoding, in UTF-8. Raises InputError."""
    for line in lines(path, encoding):
        yield line.rstrip("\r\n").encode() + b"\n"


def as_json_lines(path: Path, columns: Columns, text: str, identity: str, say: Say) -> Iterator[bytes]:
    """The rows of a file of any format as lines of JSON, with the text and, if there is one, the id under these names.

    Raises InputError, before the first line if no column is plainly that of the texts.
    """
    table = table_of(path, columns, say)
    wanted = columns.text or (text if text in table.names else None)
    found = find(path, table, columns._replace(text=wanted), say)

    def encoded() -> Iterator[bytes]:
        for _, row in found.rows():
            value = row.get(found.text)
            told = "" if value is None else str(value) if isinstance(value, int | float) else value
            line = {text: told} | ({identity: simple(row[identity])} if identity in row else {})
            yield json.dumps(line, default=str).encode() + b"\n"

    return encoded()
