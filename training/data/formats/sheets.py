"""What all workbooks have in common: which of the sheets is read, and that they may not unpack to no end."""

import shlex
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, TypeAlias

from training.data.formats.names import LABELS, TEXTS, called, check_no_header
from training.data.formats.rows import Columns, Row, Say, Table
from training.errors import InputError

# What an .xls begins with, and so does an .xlsx with a password.
COMPOUND = bytes.fromhex("d0cf11e0")
# A sheet unpacks to 10 or 20 times its size; so many bytes, and so many times as much, are made to do harm.
BOMB_BYTES, BOMB_TIMES = 1 << 28, 100

# Above a header there may be a title, and more such rows, but no more than so many.
MOST_TITLES = 5
# A row by its number, which is filled.
Numbered: TypeAlias = tuple[int, Sequence[Any]]
# By its title, the first row of each sheet that holds anything.
Headers: TypeAlias = Mapping[str, tuple[str, ...]]
# The rows of a sheet, by the names of its columns, which are in its first row if none are given.
Rows: TypeAlias = Callable[[str, tuple[str, ...]], Iterator[Row]]


def table_of_sheet(path: Path, headers: Headers, rows: Rows, columns: Columns, say: Say) -> Table:
    """The sheet that is named, or else the only one, or the only one with columns of the usual names.

    Raises InputError if that is none, or several.
    """
    sheet = _chosen(path, headers, columns)
    if len(headers) > 1 and not columns.sheet:
        say(f"{path.name}: the sheet {sheet!r} is read; --sheet names another one")
    first = headers.get(sheet, ())
    check_no_header(path, first, columns)
    names = columns.names or first
    return Table(names, lambda: rows(sheet, columns.names), "row", may_be_data=not columns.names)


def below_title(rows: Iterator[Numbered]) -> Iterator[Numbered]:
    """The rows that are filled, without those at the beginning that have one cell only, if a wider one comes soon."""
    first = list(islice(rows, MOST_TITLES))
    wide = next((i for i, (_, cells) in enumerate(first) if sum(cell not in (None, "") for cell in cells) > 1), 0)
    return chain(first[wide:], rows)


def header(cells: Sequence[object]) -> tuple[str, ...]:
    """The names in a first row."""
    return tuple("" if cell is None else str(cell).strip() for cell in cells)


def check_packed(path: Path, file: IO[bytes], what: str) -> None:
    """Raises InputError for a file that is no zip, as a workbook of that kind is, or that unpacks almost to no end."""
    try:
        entries = zipfile.ZipFile(file).infolist()
    except zipfile.BadZipFile:
        raise InputError(f"{path} is no {what} file, whatever its name says; rename or convert it.") from None
    size = sum(entry.file_size for entry in entries)
    if size > BOMB_BYTES and size > BOMB_TIMES * sum(entry.compress_size for entry in entries):
        raise InputError(
            f"{path} would unpack to {size:,} bytes, over {BOMB_TIMES} times its size, as if made to fill the memory; "
            "save it as .csv if it is yours."
        )


def _chosen(path: Path, headers: Headers, columns: Columns) -> str:
    shown = ", ".join(headers)[:200]
    if columns.sheet:
        if columns.sheet not in headers:
            raise InputError(f"{path} has no sheet {columns.sheet!r} with anything in it, only: {shown or 'none'}.")
        return columns.sheet
    if len(headers) < 2:
        return next(iter(headers), "")
    named = [
        sheet
        for sheet, names in headers.items()
        if (columns.text in names if columns.text else called(names, "text", TEXTS))
        and (columns.label == "" or (columns.label in names if columns.label else called(names, "label", LABELS)))
    ]
    if len(named) != 1:
        raise InputError(
            f"{path} has {len(headers)} sheets ({shown}), and which holds the texts is not plain; name it, for "
            f"example: --sheet {shlex.quote(next(iter(headers)))}."
        )
    return named[0]
