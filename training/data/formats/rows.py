"""What the readers of all formats share: which columns count, and what a row is."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from training.errors import InputError

# A line and what stands in it by column. The lines count from 1.
Row: TypeAlias = tuple[int, Mapping[str, object]]
# JSON can escape them alone, Unicode knows them in pairs only.
_SURROGATE = re.compile("[\ud800-\udfff]")


class Columns(NamedTuple):
    """How to find the columns: `names` are those of a file that has no header; no label column is an empty one."""

    text: str = "text"
    label: str = "label"
    names: tuple[str, ...] = ()


def cell(path: Path, row: Row, name: str) -> str:
    """The text in a column. Raises InputError if there is none."""
    number, found = row
    value = found.get(name)
    if value is None:
        raise InputError(f"{path} line {number} has no {name!r}, only: {', '.join(found)[:200]}.")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{path} line {number}: {name!r} is not a text but {json.dumps(value)[:50]}.")
    if "\0" in str(value):
        raise InputError(f"{path} line {number} holds a NUL byte; the file is damaged or is not text.")
    if _SURROGATE.search(str(value)):
        raise InputError(f"{path} line {number} holds half of a surrogate pair, which is no character; remove it.")
    return str(value)
