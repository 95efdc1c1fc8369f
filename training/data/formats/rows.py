"""What the readers of all formats share: what is said of a file, and what they make of it."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from training.errors import InputError

# A line, counted from 1, and what stands in it by column.
Row: TypeAlias = tuple[int, Mapping[str, Any]]
Say: TypeAlias = Callable[[str], None]
# JSON can escape them alone, Unicode knows them in pairs only.
_SURROGATE = re.compile("[\ud800-\udfff]")


class Missing(StrEnum):
    """What becomes of a row without a label."""

    STOP = "stop"
    DROP = "drop"
    UNLABELLED = "unlabelled"
    KEEP = "keep"

    @property
    def said(self) -> str:
        """What is done, to end a sentence with."""
        return "learned from without it" if self is Missing.UNLABELLED else "left out"


class Columns(NamedTuple):
    """What is said of how a file is written; what is not said is found.

    `text` and `label` name columns: None is to be found, and an empty label is none; a label of several names, with
    commas between, stands for columns of 0 and 1. `names` are those of a table that has no header. With `several`,
    texts may carry more labels than one. `sheet` is that of a workbook.
    """

    text: str | None = None
    label: str | None = None
    names: tuple[str, ...] = ()
    encoding: str = ""
    several: bool = False
    sheet: str = ""


class Table(NamedTuple):
    """A file as rows: `rows` can be called again, for a look at all of them before they are read.

    `unit` is what a row is called. The first row of a table of separated values `may_be_data` and no header; in a
    format that tells texts from labels itself, there is `nothing_to_find`.
    """

    names: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]
    unit: str = "line"
    may_be_data: bool = False
    nothing_to_find: bool = False


def silent(_: str) -> None:
    """Says nothing."""


def text_of(where: str, found: Mapping[str, Any], name: str) -> str:
    """The text in a column; none is an empty one. Raises InputError if the column is not there, or holds no text."""
    if name not in found:
        raise InputError(f"{where} has no {name!r}, only: {', '.join(found)[:200]}.")
    value = found[name]
    if value is None or (isinstance(value, float) and math.isnan(value)):  # as pandas writes nothing
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{where}: {name!r} is not a text but {json.dumps(value, default=str)[:50]}.")
    return checked(where, str(value))


def checked(where: str, text: str) -> str:
    """The same text. Raises InputError if it holds what is no character."""
    if "\0" in text:
        raise InputError(f"{where} holds a NUL byte; the file is damaged or is not text.")
    if _SURROGATE.search(text):
        raise InputError(f"{where} holds half of a surrogate pair, which is no character; remove it.")
    return text


def simple(value: object) -> object:
    """What JSON could hold, as it is; of anything else, such as a date, how it is written."""
    return value if value is None or isinstance(value, str | int | float | bool | list | dict) else str(value)


def place(path: Path, table: Table, number: int) -> str:
    """Where a row stands, to begin a sentence with."""
    return f"{path} {table.unit} {number}"
