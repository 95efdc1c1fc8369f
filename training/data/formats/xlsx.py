"""Excel: .xlsx and .xlsm, the values of one sheet."""

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.data.formats.packed import first_line, opened
from training.data.formats.rows import Columns, Row, Say, Table, simple
from training.data.formats.sheets import COMPOUND, Numbered, below_title, check_packed, header, table_of_sheet
from training.errors import InputError

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

DAMAGED = (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, IndexError, SyntaxError, EOFError)


def read_xlsx(path: Path, columns: Columns, say: Say) -> Table:
    """The sheet that is named, or the only one that can be meant. Raises InputError."""
    if find_spec("openpyxl") is None:
        raise InputError(f"{path} is read with openpyxl, which is not installed; install it with: pip install openpyxl")
    _check(path)
    return table_of_sheet(path, _headers(path, hidden=bool(columns.sheet)), partial(_rows, path), columns, say)


def _check(path: Path) -> None:
    with opened(path) as file:
        if file.read(len(COMPOUND)) == COMPOUND:
            raise InputError(
                f"{path} has a password, or is an .xls of before 2007; save it without a password, or name it .xls."
            )
        check_packed(path, file, ".xlsx")


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


def _headers(path: Path, hidden: bool) -> dict[str, tuple[str, ...]]:
    """The first row of each sheet that holds anything; of those that are hidden only if that is wanted."""
    found = {}
    with _workbook(path) as book:
        for sheet in book.worksheets:
            shown = hidden or sheet.sheet_state == "visible"
            if row := next((cells for _, cells in below_title(_filled(sheet))), None) if shown else None:
                found[sheet.title] = header(row)
    return found


def _filled(sheet: Any) -> Iterator[Numbered]:
    """The rows that hold anything, with their numbers."""
    sheet.reset_dimensions()  # what a sheet says of its size is not always true
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        if any(cell is not None and cell != "" for cell in cells):
            yield number, cells


def _rows(path: Path, title: str, given: tuple[str, ...]) -> Iterator[Row]:
    if not title:
        return
    with _workbook(path) as book:
        rows = _filled(book[title]) if given else below_title(_filled(book[title]))
        names = given or header(next(rows)[1])
        looked = False
        for number, cells in rows:
            row = {name: simple(cell) for name, cell in zip(names, cells, strict=False) if name}
            if not looked and None in row.values():
                looked = True
                _check_formulas(path, title, number, names)
            yield number, dict.fromkeys(filter(None, names)) | row


def _check_formulas(path: Path, title: str, number: int, names: tuple[str, ...]) -> None:
    """Raises InputError if what is empty in a row is a formula whose value was not stored."""
    with _workbook(path, data_only=False) as formulas, _workbook(path) as values:
        pair = (next(book[title].iter_rows(number, number, values_only=True)) for book in (formulas, values))
        for name, formula, value in zip(names, *pair, strict=False):
            if value is None and isinstance(formula, str) and formula.startswith("="):
                raise InputError(
                    f"{path} row {number}: the column {name!r} is a formula that was never computed; open the file in "
                    "a spreadsheet program, and save it."
                )
