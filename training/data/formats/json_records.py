"""JSON: an object a line, an array of objects, or one object that holds an array, or the columns."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from training.data.formats import tools
from training.data.formats.exported import LABEL, TEXT
from training.data.formats.lines import chosen_encoding, lines
from training.data.formats.rows import Columns, Row, Say, Table
from training.errors import InputError

Source: TypeAlias = Callable[[], Iterator[str]]
BLANK = " \t\r\n"
LOOKED_AT = 100  # records, which together have the names of all columns
SKIPPED = BLANK + ","
TAIL = 16  # characters; no number or word of JSON that is cut off is longer
DEEP = "it is nested too deeply for texts and labels"


def read_json(path: Path, columns: Columns, say: Say) -> Table:
    """The objects of a .json, .jsonl or .manifest, whichever way it is written. Raises InputError."""
    source = partial(lines, path, chosen_encoding(path, columns.encoding, say))
    begin = list(islice((line for line in source() if line.strip(BLANK)), 2))
    several_lines = len(begin) > 1 and _is_json(begin[0])
    unit, read = "item", _one
    if begin and begin[0].lstrip(BLANK)[0] == "[" and not several_lines:
        read = _array
    elif several_lines or ".json" not in path.suffixes:
        unit, read = "line", _each_line
    rows = partial(_objects, path, unit, partial(read, path, source))
    head = [record for _, record in islice(rows(), LOOKED_AT)]
    tool = tools.tool_of(head[0]) if head else None
    if tool:
        return Table(
            (TEXT, LABEL), lambda: tools.exported(tool, path, rows(), columns, say), unit, nothing_to_find=True
        )
    return Table(tuple(dict.fromkeys(name for record in head for name in record)), rows, unit)


def _objects(path: Path, unit: str, values: Callable[[], Iterator[tuple[int, Any]]]) -> Iterator[Row]:
    for number, value in values():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[1], dict):
            yield number, {"text": value[0], **value[1]}  # as spaCy 2 has its training data
        elif isinstance(value, dict):
            yield number, value
        else:
            raise InputError(f"{path} {unit} {number} is not a JSON object with text and label.")


def _each_line(path: Path, source: Source) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(source(), 1):
        if line.strip(BLANK):
            yield number, _loads(line, f"{path} line {number}")


def _array(path: Path, source: Source) -> Iterator[tuple[int, Any]]:
    """The items of an array, one by one, so that no more is held than a few of them and the line they stand in."""
    decode, pieces = json.JSONDecoder().raw_decode, (line for line in source() if line.strip(BLANK))
    text, at, number = next(pieces).lstrip(BLANK)[1:], 0, 0
    while True:
        while at < len(text) and text[at] in SKIPPED:
            at += 1
        if text[at : at + 1] == "]":
            return
        try:
            value, at = decode(text, at)
        except RecursionError:
            raise InputError(f"{path} item {number + 1} is not JSON that can be read: {DEEP}.") from None
        except json.JSONDecodeError as error:
            more = "".join(islice(pieces, len(text) - at + 1)) if _may_go_on(error, len(text)) else ""
            if not more:
                raise InputError(f"{path} item {number + 1} is not JSON: {error.msg}.") from None
            text, at = text[at:] + more, 0
            continue
        number += 1
        yield number, value


def _may_go_on(error: json.JSONDecodeError, length: int) -> bool:
    """Whether what is not JSON may be the beginning of it."""
    return error.msg.startswith("Unterminated string") or length - error.pos < TAIL


def _one(path: Path, source: Source) -> Iterator[tuple[int, Any]]:
    """What one object stands for: itself, the array in it, or rows, as pandas writes columns."""
    whole = "".join(source())
    value = _loads(whole, str(path)) if whole.strip(BLANK) else {}
    try:
        records = _records(value)
    except (AttributeError, IndexError, KeyError, TypeError):
        raise InputError(
            f"{path} is not JSON of texts and labels: give an object a line, or an array of them."
        ) from None
    yield from enumerate(records, 1)


def _records(value: Any) -> list[Any]:
    parts = list(value.values())
    if {"columns", "data"} <= value.keys():
        return [dict(zip(value["columns"], row, strict=False)) for row in value["data"]]
    arrays = [part for part in parts if isinstance(part, list) and part and isinstance(part[0], dict)]
    if len(arrays) == 1:
        return list(arrays[0])
    if len(parts) > 1 and all(isinstance(part, dict) and part.keys() == parts[0].keys() for part in parts):
        return [{name: part[key] for name, part in value.items()} for key in parts[0]]
    if len(parts) > 1 and all(isinstance(part, list) and len(part) == len(parts[0]) for part in parts):
        return [dict(zip(value, row, strict=True)) for row in zip(*parts, strict=True)]
    return [value] if value else []


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _loads(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise InputError(f"{where} is not JSON that can be read: {DEEP}.") from None
    except ValueError as error:
        raise InputError(f"{where} is not JSON: {error}.") from None
