"""Manifests of SageMaker Ground Truth, which Amazon Comprehend reads too: a text, an answer, what the answer means."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.data.formats.exported import row, say_left_out
from training.data.formats.rows import Columns, Row, Say
from training.errors import InputError

METADATA = "-metadata"


def knows(record: Mapping[str, Any]) -> bool:
    """A source, and answers with metadata."""
    return ("source" in record or "source-ref" in record) and any(key.endswith(METADATA) for key in record)


def rows(path: Path, records: Iterator[Row], columns: Columns, say: Say) -> Iterator[Row]:
    """A row a line, with the names of its classes; --label-column names one of several jobs."""
    left_out: Counter[str] = Counter()
    for number, record in records:
        where = f"{path} line {number}"
        if "source" not in record:
            raise InputError(f"{where} refers to {record.get('source-ref')}; a manifest with the texts in it is read.")
        jobs = [key.removesuffix(METADATA) for key in record if key.endswith(METADATA)]
        if columns.label:
            jobs = [job for job in jobs if job == columns.label]
        if len(jobs) > 1:
            raise InputError(
                f"{where} has several jobs ({', '.join(jobs)}); name one, for example: --label-column {jobs[0]}."
            )
        said: Any = record.get(f"{jobs[0]}{METADATA}") if jobs else {}
        if "failure-reason" in said:
            left_out["lines on which the job failed"] += 1
            continue
        yield number, row(record["source"], said.get("class-name") or list(said.get("class-map", {}).values()))
    say_left_out(left_out, say)
