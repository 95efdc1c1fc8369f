"""Argilla: records with fields and responses (2), flat or not, or with an annotation (1)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.data.formats.exported import majority, row, say_left_out, strings
from training.data.formats.rows import Columns, Row, Say
from training.errors import InputError

RESPONSES = ".responses"


def knows(record: Mapping[str, Any]) -> bool:
    """Version 2 has responses, version 1 an annotation beside a prediction."""
    flat = any(key.endswith(RESPONSES) for key in record)
    return flat or isinstance(record.get("responses"), dict) or {"annotation", "prediction", "status"} <= record.keys()


def rows(path: Path, records: Iterator[Row], columns: Columns, say: Say) -> Iterator[Row]:
    """A row a record, with what most annotators submitted; --label-column names one of several questions."""
    left_out: Counter[str] = Counter()
    for number, record in records:
        where = f"{path} item {number}"
        if record.get("status") in ("discarded", "Discarded"):
            left_out["records that were discarded"] += 1
            continue
        fields: Any = record.get("fields", record.get("inputs"))
        fields = fields if isinstance(fields, dict) else record
        labels, tied = majority(tuple(sorted(answer)) for answer in _answers(where, record, columns.label) if answer)
        if tied:
            left_out["records on which as many annotators say one thing as another"] += 1
            continue
        name = columns.text or "text"
        if name not in fields:
            raise InputError(
                f"{where} has no field {name!r}, only: {', '.join(fields)[:200]}; name it with --text-column."
            )
        yield number, row(fields[name], list(labels or ()))
    say_left_out(left_out, say)


def _answers(where: str, record: Mapping[str, Any], question: str | None) -> list[list[str]]:
    """What each annotator answered to one question."""
    if "annotation" in record:
        return [strings(record["annotation"])]
    nested = record.get("responses")
    answers = (
        {name: _nested(given) for name, given in nested.items()}
        if isinstance(nested, dict)
        else {key.removesuffix(RESPONSES): _flat(record, key) for key in record if key.endswith(RESPONSES)}
    )
    answers = {name: given for name, given in answers.items() if any(given)}
    if question:
        return answers.get(question, [])
    if len(answers) > 1:
        raise InputError(
            f"{where} answers several questions ({', '.join(answers)}); name one, for example: --label-column "
            f"{next(iter(answers))}."
        )
    return next(iter(answers.values()), [])


def _nested(given: Any) -> list[list[str]]:
    return [strings(one["value"]) for one in given or [] if one.get("status", "submitted") == "submitted"]


def _flat(record: Mapping[str, Any], key: str) -> list[list[str]]:
    values: Any = record[key] or []
    states: Any = record.get(f"{key}.status") or ["submitted"] * len(values)
    return [strings(value) for value, state in zip(values, states, strict=False) if state == "submitted"]
