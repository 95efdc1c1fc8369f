"""Excel before 2007 and OpenDocument, as LibreOffice writes it: .xls and .ods, the values of one sheet."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from training.data.formats.packed import first_line, opened
from training.data.formats.rows import Columns, Row, Say, Table, simple
from training.data.formats.sheets import COMPOUND, Numbered, below_title, check_packed, header, table_of_sheet
from training.errors import InputError


def read_calamine(path: Path, columns: Columns, say: Say) -> Table:
    """The sheet that is named, or the only one that can be meant. Raises InputError."""
    if find_spec("python_calamine") is None:
        raise InputError(
            f"{path} is read with python-calamine, which is not installed; install it with: pip install "
            "python-calamine, or save the file as .xlsx."
        )
    with _workbook(path) as book:
        headers: dict[str, tuple[str, ...]] = {}
        for sheet in book.sheets_metadata:
            if columns.sheet or str(sheet.visible).endswith("Visible"):
                first = next((cells for _, cells in below_title(_filled(book, sheet.name))), None)
                headers |= {sheet.name: header(first)} if first else {}
    return table_of_sheet(path, headers, partial(_rows, path), columns, say)


@contextmanager
def _workbook(path: Path) -> Iterator[Any]:
    import python_calamine

    with opened(path) as file:
        if ".ods" in [suffix.lower() for suffix in path.suffixes]:
            check_packed(path, file, ".ods")
        elif file.read(len(COMPOUND)) != COMPOUND:
            raise InputError(f"{path} is no .xls file, whatever its name says; rename or convert it.")
        file.seek(0)
        content = BytesIO(file.read())
    try:
        yield python_calamine.CalamineWorkbook.from_filelike(content)
    except python_calamine.PasswordError:
        raise InputError(f"{path} has a password; save it without one, or as .csv.") from None
    except (python_calamine.CalamineError, python_calamine.XmlError, python_calamine.ZipError, OSError) as error:
        raise InputError(
            f"{path} is damaged, or no workbook that can be read ({first_line(error)}); save it as .csv."
        ) from None


def _filled(book: Any, title: str) -> Iterator[Numbered]:
    """The rows that hold anything, with their numbers."""
    sheet = book.get_sheet_by_name(title)
    for number, cells in enumerate(sheet.iter_rows(), (sheet.start or (0, 0))[0] + 1):
        if any(cell != "" for cell in cells):
            yield number, [_value(cell) for cell in cells]


def _value(cell: Any) -> Any:
    """A cell as .xlsx has it: nothing is None, and a whole number is one."""
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return None if cell == "" else cell


def _rows(path: Path, title: str, given: tuple[str, ...]) -> Iterator[Row]:
    if not title:
        return
    with _workbook(path) as book:
        rows = _filled(book, title) if given else below_title(_filled(book, title))
        names = given or header(next(rows)[1])
        for number, cells in rows:
            row = {name: simple(cell) for name, cell in zip(names, cells, strict=False) if name}
            yield number, dict.fromkeys(filter(None, names)) | row
