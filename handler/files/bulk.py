"""The state machine's side of the work: batches of objects, batches of rows, and objects that take several invocations.

What `answer` returns is the next event if something is left to do, so that the machine has only to ask again.
"""

import hashlib
import os
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
from msgspec import Struct

from handler.errors import EventError, FileError
from handler.files import objects
from handler.files.batch import Tally, text_column
from handler.files.batch import answer as predict
from handler.files.jobs import PREDICTIONS, RESERVE_SECONDS, SUMMARY, Checkpoint, Job, Outcome, Seconds
from handler.files.records import Rejected, Row, row_of
from handler.model.classifier import Classifier
from handler.observability import log_error

# Rows that are answered between two looks at the clock.
ROWS_AT_ONCE = 128

Work = Callable[[Job, Classifier, Seconds], Outcome]


class Prefixes(Struct, frozen=True):
    """Where the objects of a batch lie, and where their predictions go."""

    bucket: str
    output_bucket: str
    prefix: str = ""
    output_prefix: str = ""


class Object(Struct, frozen=True, rename="pascal"):
    """An object, as S3 lists it or as it was left."""

    key: str
    version_id: str = ""
    checkpoint: Checkpoint | None = None


class ObjectBatch(Struct, frozen=True, rename="pascal"):
    """`results` counts what became of the objects so far."""

    batch_input: Prefixes
    items: list[Object]
    results: dict[str, int] = {}


class OneFile(Struct, frozen=True):
    """The file whose rows a batch has, and the execution that shares them out."""

    bucket: str
    output_bucket: str
    output_key: str
    execution: str
    text_column: str = ""
    id_column: str = "id"


class Numbered(Struct, frozen=True, rename="pascal"):
    """A row with its place in its file, counted from 0."""

    index: int
    row: dict[str, Any]


class RowBatch(Struct, frozen=True, rename="pascal"):
    """`parts` are the keys that rows were written to so far."""

    batch_input: OneFile
    items: list[Numbered]
    parts: list[str] = []
    tally: Tally = msgspec.field(default_factory=Tally)


def answer(event: dict[str, Any], classifier: Classifier, seconds_left: Seconds, work: Work) -> dict[str, Any]:
    """Works through a batch, as far as the time goes.

    Raises EventError if the event has another shape, and FileError in the end if an object failed, so that the
    machine tries the batch again and counts it among the failed ones: those that are done are not done again.
    """
    try:
        batch = msgspec.convert(event, RowBatch) if _is_of_rows(event) else msgspec.convert(event, ObjectBatch)
    except msgspec.ValidationError as error:
        raise EventError(f"This is no batch of the state machine: {error}.") from None
    left: dict[str, Any] = msgspec.to_builtins(
        _rows(batch, classifier, seconds_left)
        if isinstance(batch, RowBatch)
        else _objects(batch, classifier, seconds_left, work)
    )
    return left


def _is_of_rows(event: dict[str, Any]) -> bool:
    """Only an execution over rows is named. A tag on each item would say it too, but not in executions under way."""
    shared = event.get("BatchInput")
    return isinstance(shared, dict) and bool(shared.get("execution"))


def hand_over(job: Job, checkpoint: Checkpoint) -> None:
    """Lets the state machine go on with an object. Raises EventError where there is none."""
    machine = os.environ.get("STATE_MACHINE_ARN", "")
    if not machine:
        raise EventError(f"{job.key} takes longer than one invocation, and STATE_MACHINE_ARN names no machine.")
    item = Object(job.key, checkpoint.source.version_id, checkpoint)
    prefix = job.output_key.removesuffix(job.key)
    batch = ObjectBatch(Prefixes(job.bucket, job.output_bucket, output_prefix=prefix), [item])
    content = msgspec.json.encode(batch)
    name = hashlib.sha256(content).hexdigest()
    event = {"kind": "object", **msgspec.to_builtins(batch)}
    objects.client("stepfunctions").start_execution(
        stateMachineArn=machine, name=name, input=msgspec.json.encode(event).decode()
    )


def _objects(batch: ObjectBatch, classifier: Classifier, seconds_left: Seconds, work: Work) -> ObjectBatch:
    shared, results, failures = batch.batch_input, dict(batch.results), []
    for number, item in enumerate(batch.items):
        if item.key.endswith(("/", PREDICTIONS, PREDICTIONS + ".gz", SUMMARY)):
            continue
        output_key = shared.output_prefix + item.key.removeprefix(shared.prefix)
        job = Job(shared.bucket, item.key, shared.output_bucket, output_key, item.version_id, item.checkpoint)
        try:
            outcome = work(job, classifier, seconds_left)
        except Exception as error:
            log_error(error, source=f"s3://{shared.bucket}/{item.key}")
            failures.append(item.key)
            continue
        if outcome.checkpoint:
            left = Object(item.key, outcome.checkpoint.source.version_id, outcome.checkpoint)
            rest = [left, *batch.items[number + 1 :], *(Object(key) for key in failures)]
            return ObjectBatch(shared, rest, results)
        results[outcome.result] = results.get(outcome.result, 0) + 1
    if failures:
        raise FileError(f"{len(failures)} of {len(batch.items)} objects failed, the first is {failures[0]!r}.")
    return ObjectBatch(shared, [], results)


def _rows(batch: RowBatch, classifier: Classifier, seconds_left: Seconds) -> RowBatch:
    """Writes a part of the output, of as many rows as the time allows: parts sort by name as their rows do.

    Raises FileError if there was no time for any.
    """
    shared, items = batch.batch_input, batch.items
    column = shared.text_column or text_column(classifier.manifest)
    blocks: list[bytes] = []
    tally, done, slowest = deepcopy(batch.tally), 0, 0.0
    while done < len(items) and seconds_left() > RESERVE_SECONDS + 2 * slowest:
        began = time.monotonic()
        rows = [_row(item, column, shared.id_column) for item in items[done : done + ROWS_AT_ONCE]]
        block, counted = predict(rows, classifier)
        blocks.append(block)
        tally.add(counted)
        done += len(rows)
        slowest = max(slowest, time.monotonic() - began)
    if not done:
        raise FileError("There was no time for a single row; raise BatchTimeout.")
    key = f"{shared.output_key}.parts/{shared.execution}/{items[0].index:012d}.jsonl"
    objects.client("s3").put_object(
        Bucket=shared.output_bucket, Key=key, Body=b"".join(blocks), ContentType="application/x-ndjson"
    )
    return RowBatch(shared, items[done:], [*batch.parts, key], tally)


def _row(item: Numbered, column: str, id_column: str) -> Row:
    text = item.row.get(column)
    identity = msgspec.json.encode(item.row[id_column]) if id_column in item.row else b""
    if not isinstance(text, str):
        return Rejected(item.index + 1, f"the row has no string {column!r}", identity)
    return row_of(item.index + 1, text, identity)
