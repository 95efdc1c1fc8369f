"""doccano: JSONL with a list of labels, in a key that changed its name from version to version."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.data.formats.exported import row
from training.data.formats.rows import Columns, Row, Say
from training.errors import InputError


def knows(record: Mapping[str, Any]) -> bool:
    """Each record has a list of labels, or of annotations that have one."""
    return isinstance(_labels(record), list) and ("text" in record or "data" in record)


def rows(path: Path, records: Iterator[Row], columns: Columns, say: Say) -> Iterator[Row]:
    """A row a text."""
    del say
    for number, record in records:
        labels: Any = record.get(columns.label) if columns.label else _labels(record)
        if labels and isinstance(labels[0], list):
            raise InputError(f"{path} line {number} has labels of parts of a text, not of the whole; export others.")
        if labels and isinstance(labels[0], dict):
            labels = [str(one.get("label")) for one in labels]
        text = record.get(columns.text) if columns.text else record.get("text", record.get("data"))
        yield number, row(text, labels)


def _labels(record: Mapping[str, Any]) -> Any:
    return next((record[key] for key in ("label", "labels", "annotations") if key in record), None)
