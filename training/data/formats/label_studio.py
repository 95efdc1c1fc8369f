"""Label Studio: JSON with tasks and their annotations, and JSON-MIN, where each annotation is a flat record."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from training.data.formats.exported import TEXT, majority, row, say_left_out
from training.data.formats.rows import Columns, Row, Say
from training.errors import InputError

# What JSON-MIN has beside the data of a task and the answers to it.
_OWN = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"}


def knows(record: Mapping[str, Any]) -> bool:
    """JSON has data and annotations (completions, long ago); JSON-MIN says how long an annotation took."""
    return _is_task(record) or {"annotation_id", "lead_time"} <= record.keys()


def rows(path: Path, records: Iterator[Row], columns: Columns, say: Say) -> Iterator[Row]:
    """A row a task, with what most annotators chose; --label-column names one of several questions."""
    left_out: Counter[str] = Counter()
    for number, text, annotated, answers in _tasks(path, records, columns):
        labels, tied = majority(answer for answer in answers if answer)
        if tied:
            left_out["tasks on which as many annotators say one thing as another"] += 1
        elif annotated and not answers:
            left_out["tasks that were skipped or cancelled"] += 1
        else:
            yield number, row(text, list(labels or ()))
    say_left_out(left_out, say)


class _Answered(NamedTuple):
    """A task: its text, whether anybody looked at it, and what each chose who did not skip it."""

    number: int
    text: object
    annotated: bool
    answers: list[tuple[str, ...]]


def _tasks(path: Path, records: Iterator[Row], columns: Columns) -> Iterator[_Answered]:
    flat: dict[object, _Answered] = {}
    for number, record in records:
        where = f"{path} item {number}"
        if _is_task(record):
            annotations = record.get("annotations", record.get("completions")) or []
            given = [one for one in annotations if not (one.get("was_cancelled") or one.get("skipped"))]
            answers = [_choices(where, annotation, columns.label) for annotation in given]
            yield _Answered(number, _text(where, record["data"], columns.text), bool(annotations), answers)
        else:
            text, answer = _flat(where, record, columns)
            task = flat.setdefault(record.get("id", number), _Answered(number, text, True, []))
            task.answers.append(answer)
    yield from flat.values()


def _is_task(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("data"), dict) and isinstance(
        record.get("annotations", record.get("completions")), list
    )


def _choices(where: str, annotation: Mapping[str, Any], question: str | None) -> tuple[str, ...]:
    """What one annotator chose, sorted, of one question."""
    chosen: dict[str, list[str]] = {}
    for result in annotation.get("result", []):
        value = result.get("value", {})
        found = value.get("choices") or [" / ".join(path) for path in value.get("taxonomy", [])]
        if found:
            chosen.setdefault(result.get("from_name", ""), []).extend(found)
    if question:
        return tuple(sorted(chosen.get(question, [])))
    if len(chosen) > 1:
        raise InputError(f"{where} answers {_several(chosen)}")
    return tuple(sorted(next(iter(chosen.values()), [])))


def _several(names: Any) -> str:
    return f"several questions ({', '.join(names)}); name one, for example: --label-column {next(iter(names))}."


def _text(where: str, data: Mapping[str, Any], name: str | None) -> object:
    """The text of a task: the one that is named, or `text`, or the only string."""
    if name or TEXT in data:
        if (name or TEXT) not in data:
            raise InputError(f"{where} has no {name!r} in its data, only: {', '.join(data)[:200]}.")
        return data[name or TEXT]
    texts = [key for key, value in data.items() if isinstance(value, str)]
    if len(texts) != 1:
        raise InputError(
            f"{where} has no plain text in its data, only: {', '.join(data)[:200]}; name it with --text-column."
        )
    return data[texts[0]]


def _flat(where: str, record: Mapping[str, Any], columns: Columns) -> tuple[object, tuple[str, ...]]:
    """The text and the answer of an annotation in JSON-MIN, where an answer is a string or has choices."""
    data = {key: value for key, value in record.items() if key not in _OWN}
    text = _text(where, data, columns.text)
    answers = {
        key: value["choices"] if isinstance(value, dict) else [value]
        for key, value in data.items()
        if value is not text and (isinstance(value, str) or (isinstance(value, dict) and "choices" in value))
    }
    if columns.label:
        return text, tuple(sorted(answers.get(columns.label, [])))
    if len(answers) > 1:
        raise InputError(f"{where} answers {_several(answers)}")
    return text, tuple(sorted(next(iter(answers.values()), [])))
