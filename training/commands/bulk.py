"""`fenlei bulk`: starts the state machine of infra/bulk.asl.json, says before what it will cost, and watches it."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from handler.errors import Refused
from handler.files.jobs import PREDICTIONS, SUMMARY
from handler.files.lines import lines, unpacked
from handler.files.objects import client
from handler.files.records import layout_of
from training.commands.cost import function_seconds, prices
from training.errors import InputError, WorkError

SAMPLE_BYTES = 262_144
SAMPLED_OBJECTS = 5
ROWS_PER_BATCH, BYTES_PER_BATCH = 1_000, 200_000  # what infra/bulk.yaml has, unless it was deployed with others
ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


class Place(NamedTuple):
    """A bucket and a key or a prefix in it."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def folder(self) -> "Place":
        """The same with / at its end, so that it names what is in a folder and not all that begins alike."""
        return self if not self.key or self.key.endswith("/") else self._replace(key=f"{self.key}/")


class Survey(NamedTuple):
    """What there is to do: objects, their bytes, and about how many lines; `skipped` are of other suffixes."""

    objects: int
    bytes: int
    lines: int
    skipped: int


class Estimate(NamedTuple):
    """Dollars at list prices, and what they rest on; `seconds` is all the time of the function together."""

    dollars: dict[str, float]
    seconds: float
    as_of: str
    region: str

    @property
    def total(self) -> float:
        return sum(self.dollars.values())


class Progress(NamedTuple):
    """How far a run is; the counts are of objects or rows."""

    status: str
    total: int = 0
    succeeded: int = 0
    failed: int = 0


def place(url: str) -> Place:
    """Reads s3://bucket/key. Raises InputError."""
    parts = urlsplit(url, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc or parts.query:
        raise InputError(f"{url} names no place in S3; write it as s3://bucket/prefix/")
    return Place(parts.netloc, parts.path.removeprefix("/"))


def find_machine(stack: str) -> str:
    """The state machine of a deployed stack. Raises InputError."""
    with _aws(f"the stack {stack}"):
        (found,) = client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    if "StateMachineArn" not in outputs:
        raise InputError(f"The stack {stack} has no output StateMachineArn; give --state-machine.")
    return str(outputs["StateMachineArn"])


def survey(source: Place) -> Survey:
    """Lists the objects, and reads the beginning of a few to guess the number of lines. Raises InputError."""
    found: list[dict[str, Any]] = []
    skipped = 0
    with _aws(source):
        for page in client("s3").get_paginator("list_objects_v2").paginate(Bucket=source.bucket, Prefix=source.key):
            for entry in page.get("Contents", []):
                good = _fits(entry["Key"])
                skipped += not good
                found += [entry] * good
    if not found:
        raise InputError(f"{source} holds no .txt, .csv, .tsv or .jsonl (or these with .gz); check the prefix.")
    total = sum(entry["Size"] for entry in found)
    step = max(1, len(found) // SAMPLED_OBJECTS)
    sampled = [_sample(source.bucket, entry["Key"], entry["Size"]) for entry in found[::step][:SAMPLED_OBJECTS]]
    read, counted = (sum(column) for column in zip(*sampled, strict=True))
    return Survey(len(found), total, round(total * counted / read) if read else 0, skipped)


def _fits(key: str) -> bool:
    try:
        layout_of(key)
    except Refused:
        return False
    return not key.endswith((PREDICTIONS, PREDICTIONS + ".gz", SUMMARY))


def _sample(bucket: str, key: str, size: int) -> tuple[int, int]:
    """Bytes as they are stored, and lines in them, at the beginning of an object."""
    if not size:
        return 0, 0
    with _aws(f"s3://{bucket}/{key}"):
        span = f"bytes=0-{min(size, SAMPLE_BYTES) - 1}"
        content = client("s3").get_object(Bucket=bucket, Key=key, Range=span)["Body"].read()
    pieces: Iterator[bytes] = unpacked([content]) if key.lower().endswith(".gz") else iter([content])
    count = 0
    try:
        for _ in lines(pieces):
            count += 1
    except Exception:  # cut where the sample ends
        pass
    return len(content), count


def estimate(
    found: Survey, memory_mb: int, lines_per_second: float, objects_per_batch: int, rows: bool = False
) -> Estimate:
    """What classifying costs: the function's time, its requests, the machine's transitions, S3's requests."""
    listed = prices()
    batches = -(-found.objects // objects_per_batch)
    if rows:
        batches = 1 + max(found.lines // ROWS_PER_BATCH, found.bytes // BYTES_PER_BATCH)
    seconds = found.lines / lines_per_second + 0.2 * found.objects + batches
    parts = batches if rows else found.objects * 7 + found.bytes / 8e6
    dollars = {
        "Lambda": function_seconds(seconds, memory_mb, "x86_64") + batches * listed["lambda_request"],
        "Step Functions": (batches * 5 + 5) * listed["step_functions_transition"],
        "S3 requests": parts * listed["s3_write"],
    }
    return Estimate(
        {name: round(value, 6) for name, value in dollars.items()}, seconds, listed["read"], listed["region"]
    )


def start(machine: str, event: dict[str, Any]) -> str:
    """Starts the machine; gives the execution's ARN. Raises InputError."""
    with _aws(machine):
        name = f"bulk-{uuid.uuid4()}"
        started = client("stepfunctions").start_execution(stateMachineArn=machine, name=name, input=json.dumps(event))
        return str(started["executionArn"])


def redrive(execution: str) -> None:
    """Does again what failed in an execution, and only that. Raises InputError."""
    with _aws(execution):
        client("stepfunctions").redrive_execution(executionArn=execution)


def event_of(source: Place, target: Place, rows: bool, settings: dict[str, Any]) -> dict[str, Any]:
    """What the machine is given: a prefix, or one object whose rows are classified in parallel.

    Raises InputError if rows are asked for of what is neither .jsonl nor .csv.
    """
    shared = {"bucket": source.bucket, "output_bucket": target.bucket, **settings}
    if not rows:
        return {"kind": "objects", "prefix": source.key, "output_prefix": target.key, **shared}
    form = source.key.rpartition(".")[2].lower()
    if form not in ("jsonl", "csv"):
        raise InputError(f"--rows needs one plain .jsonl or .csv object, and {source} is none; leave --rows out.")
    return {"kind": form, "key": source.key, "output_key": target.key + source.key.rpartition("/")[2], **shared}


def watch(execution: str, tell: Callable[[Progress], None], pause: float = 5) -> dict[str, Any]:
    """Waits for an execution to end; gives its description. Raises WorkError if it failed, with the reason."""
    machine = client("stepfunctions")
    while True:
        with _aws(execution):
            found: dict[str, Any] = machine.describe_execution(executionArn=execution)
            tell(progress(execution, str(found["status"])))
        if found["status"] in ENDED:
            break
        time.sleep(pause)
    if found["status"] != "SUCCEEDED":
        cause = f": {found['cause']}" if found.get("cause") else ""
        raise WorkError(
            f"The run {found['status'].lower().replace('_', ' ')}{cause}. What is done stays done; do the rest with: "
            f"fenlei bulk --redrive {execution}"
        )
    return found


def progress(execution: str, status: str) -> Progress:
    """Adds the counts of the execution's map, if it has begun."""
    machine = client("stepfunctions")
    runs = machine.list_map_runs(executionArn=execution)["mapRuns"]
    if not runs:
        return Progress(status)
    counts = machine.describe_map_run(mapRunArn=runs[0]["mapRunArn"])["itemCounts"]
    failed = sum(counts.get(name, 0) for name in ("failed", "timedOut", "aborted"))
    return Progress(status, counts["total"], counts["succeeded"], failed)


@contextmanager
def _aws(what: object) -> Iterator[None]:
    """What AWS refuses is one sentence."""
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        raise InputError(f"{what}: AWS says {said.get('Code')}: {said.get('Message')}") from None
    except BotoCoreError as error:
        raise InputError(f"{what}: {error}") from None
