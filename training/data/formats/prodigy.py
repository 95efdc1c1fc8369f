"""Prodigy: JSONL with an answer (accept, reject, ignore) to a label that was proposed, or to options to choose from."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.data.formats.exported import row, say_left_out, strings
from training.data.formats.rows import Columns, Row, Say


def knows(record: Mapping[str, Any]) -> bool:
    """Each record has an answer, beside a label or what was accepted of some options."""
    return record.get("answer") in ("accept", "reject", "ignore") and ("accept" in record or "label" in record)


def rows(path: Path, records: Iterator[Row], columns: Columns, say: Say) -> Iterator[Row]:
    """A row for each that was accepted: what was rejected says only what a text is not.

    Where texts may have several labels, one that was accepted for several has all of them.
    """
    del path
    left_out: Counter[str] = Counter()
    texts: dict[object, tuple[int, list[str]]] = {}
    for number, record in records:
        text, labels = record.get(columns.text or "text"), strings(record.get("accept", record.get("label")))
        if record.get("answer") != "accept":
            left_out[f"texts with the answer {record.get('answer')}"] += 1
        elif columns.several:
            texts.setdefault(text, (number, []))[1].extend(labels)
        else:
            yield number, row(text, labels)
    for text, (number, labels) in texts.items():
        yield number, row(text, list(dict.fromkeys(labels)))
    say_left_out(left_out, say)
