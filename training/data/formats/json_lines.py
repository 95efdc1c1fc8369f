"""A JSON object a line: .jsonl."""

import json
from collections.abc import Iterator
from pathlib import Path

from training.data.formats.lines import lines
from training.data.formats.rows import Columns, Row
from training.errors import InputError


def read_jsonl(path: Path, _: Columns) -> Iterator[Row]:
    """The objects, each with its line. Raises InputError."""
    for number, line in enumerate(lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} line {number} is not JSON: {error}.") from None
        if not isinstance(row, dict):
            raise InputError(f"{path} line {number} is not a JSON object with text and label.")
        yield number, row
