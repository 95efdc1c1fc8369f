"""spaCy: `cats`, a number for each label, which holds from one half on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.data.formats.exported import row
from training.data.formats.rows import Columns, Row, Say


def knows(record: Mapping[str, Any]) -> bool:
    """Each record has its categories."""
    return isinstance(record.get("cats"), dict)


def rows(path: Path, records: Iterator[Row], columns: Columns, say: Say) -> Iterator[Row]:
    """A row a text."""
    del path, say
    for number, record in records:
        cats: Any = record.get("cats") or {}
        yield number, row(record.get(columns.text or "text"), [name for name, value in cats.items() if value >= 0.5])
