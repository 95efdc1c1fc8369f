"""Text files: fastText's, where words that begin with __label__ are labels; or a text a line, or a table."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from training.data.formats.exported import LABEL, TEXT, row
from training.data.formats.lines import chosen_encoding, lines
from training.data.formats.rows import Columns, Row, Say, Table
from training.data.formats.table import read_table

PREFIX = "__label__"
LOOKED_AT = 50  # lines


def read_txt(path: Path, columns: Columns, say: Say) -> Table:
    """A .txt is fastText's if one of its first lines has a label, or else a table with tabs; without labels to read, it
    is a text a line. Raises InputError.
    """
    encoding = chosen_encoding(path, columns.encoding, say)
    source = partial(lines, path, encoding)
    if any(word.startswith(PREFIX) for line in islice(source(), LOOKED_AT) for word in line.split()):
        return Table((TEXT, LABEL), lambda: _labelled(source()), nothing_to_find=True)
    if columns.label == "" and not columns.text:
        return Table(
            (TEXT,), lambda: ((number, {TEXT: line}) for number, line in enumerate(source(), 1)), nothing_to_find=True
        )
    return read_table(path, encoding, columns, "\t", say)


def _labelled(source: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(source, 1):
        words = line.split()
        labels = [word.removeprefix(PREFIX) for word in words if word.startswith(PREFIX)]
        if words:
            yield number, row(" ".join(word for word in words if not word.startswith(PREFIX)), labels)
