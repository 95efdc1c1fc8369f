"""Excel: .xlsx and .xlsm, the values of one sheet."""

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.data.formats.names import LABELS, TEXTS, called, check_no_header
from training.data.formats.packed import first_line, opened
from training.data.formats.rows import Columns, Row, Say, Table, simple
from training.errors import InputError

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

# What an .xls begins with, and so does an .xlsx with a password.
COMPOUND = bytes.fromhex("d0cf11e0")
# A sheet unpacks to 10 or 20 times its size; so many bytes, and so many times as much, are made to do harm.
BOMB_BYTES, BOMB_TIMES = 1 << 28, 100
DAMAGED = (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, IndexError, SyntaxError, EOFError)


def read_xlsx(path: Path, columns: Columns, say: Say) -> Table:
    """The only sheet that holds anything, or that has columns with the usual names. Raises InputError."""
    if find_spec("openpyxl") is None:
        raise InputError(f"{path} is read with openpyxl, which is not installed; install it with: pip install openpyxl")
    _check(path)
    headers = _headers(path)
    sheet = _sheet(path, headers, columns)
    if len(headers) > 1:
        say(f"{path.name}: the sheet {sheet!r} is read")
    first = headers.get(sheet, ())
    check_no_header(path, first, columns)
    names = columns.names or first
    return Table(names, partial(_rows, path, sheet, columns.names), "row", may_be_data=not columns.names)


def _check(path: Path) -> None:
    with opened(path) as file:
        if file.read(4) == COMPOUND:
            raise InputError(
                f"{path} has a password, or is an .xls of before 2007; save it as .xlsx without a password, or as .csv."
            )
        try:
            entries = zipfile.ZipFile(file).infolist()
        except zipfile.BadZipFile:
            raise InputError(f"{path} is no .xlsx file, whatever its name says; rename or convert it.") from None
    size = sum(entry.file_size for entry in entries)
    if size > BOMB_BYTES and size > BOMB_TIMES * sum(entry.compress_size for entry in entries):
        raise InputError(
            f"{path} would unpack to {size:,} bytes, over {BOMB_TIMES} times its size, as if made to fill the memory; "
            "save it as .csv if it is yours."
        )


@contextmanager
def _workbook(path: Path, data_only: bool = True) -> Iterator["Workbook"]:
    from openpyxl import load_workbook

    with opened(path) as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what else is in a workbook and is not read
                book = load_workbook(file, read_only=True, data_only=data_only)
            yield book
            book.close()
        except DAMAGED as error:
            raise InputError(
                f"{path} is damaged, or no workbook that can be read ({first_line(error)}); save it as .csv."
            ) from None


def _headers(path: Path) -> dict[str, tuple[str, ...]]:
    """The first row of each sheet that holds anything and is not hidden."""
    found = {}
    with _workbook(path) as book:
        for sheet in book.worksheets:
            row = next((cells for _, cells in _filled(sheet)), None) if sheet.sheet_state == "visible" else None
            if row:
                found[sheet.title] = tuple("" if cell is None else str(cell).strip() for cell in row)
    return found


def _sheet(path: Path, headers: dict[str, tuple[str, ...]], columns: Columns) -> str:
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
            f"{path} has {len(headers)} sheets ({', '.join(headers)[:200]}), and which holds the texts is not plain; "
            "leave one in it, or save that one as .csv."
        )
    return named[0]


def _filled(sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The rows that hold anything, with their numbers."""
    sheet.reset_dimensions()  # what a sheet says of its size is not always true
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        if any(cell is not None and cell != "" for cell in cells):
            yield number, cells


def _rows(path: Path, title: str, given: tuple[str, ...]) -> Iterator[Row]:
    if not title:
        return
    with _workbook(path) as book:
        rows = _filled(book[title])
        names = list(given) or ["" if cell is None else str(cell).strip() for cell in next(rows)[1]]
        looked = False
        for number, cells in rows:
            row = {name: simple(cell) for name, cell in zip(names, cells, strict=False) if name}
            if not looked and None in row.values():
                looked = True
                _check_formulas(path, title, number, names)
            yield number, dict.fromkeys(filter(None, names)) | row


def _check_formulas(path: Path, title: str, number: int, names: list[str]) -> None:
    """Raises InputError if what is empty in a row is a formula whose value was not stored."""
    with _workbook(path, data_only=False) as formulas, _workbook(path) as values:
        pair = (next(book[title].iter_rows(number, number, values_only=True)) for book in (formulas, values))
        for name, formula, value in zip(names, *pair, strict=False):
            if value is None and isinstance(formula, str) and formula.startswith("="):
                raise InputError(
                    f"{path} row {number}: the column {name!r} is a formula that was never computed; open the file in "
                    "a spreadsheet program, and save it."
                )
