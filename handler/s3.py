"""Entry point for files in S3: event -> objects to look at -> work -> response.

Events come from S3 itself, from S3 through SQS, from EventBridge (through SQS or not), and from the state machine in
infra/bulk.asl.json, as batches of objects or of rows.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_plus

import msgspec
from aws_lambda_powertools.utilities.data_classes import S3Event, S3EventBridgeNotificationEvent, SQSEvent
from botocore.exceptions import BotoCoreError, ClientError

from handler.errors import BundleError, EventError, FileError
from handler.files import bulk, objects
from handler.files.attempt import run
from handler.files.jobs import Job, Outcome, Seconds
from handler.model.classifier import Classifier
from handler.model.models import models
from handler.observability import Record, emit, log_error

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# What may have changed which version of a key is current: a deletion makes the one before it current again.
OCCASIONS = ("ObjectCreated:", "ObjectRemoved:")
BRIDGED = ("Object Created", "Object Deleted")
SHORTEST_WAIT, LONGEST_WAIT = 15, 900  # seconds until a message that failed comes again


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any] | None:
    """Answers an event. Messages of SQS that failed are named in the answer.

    Of other events a failure is raised, so that Lambda or the state machine tries again: FileError, whatever it was,
    since Lambda logs what is raised, and only our own sentences are sure not to quote a text.
    """

    def seconds_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    if "Items" in event:
        return bulk.answer(event, models().main(), seconds_left, work)
    if _is_from(event, "aws:sqs"):
        failed = [message for message in SQSEvent(event).records if not _answered(message, seconds_left)]
        for message in failed:
            _try_again_soon(message)
        if failed:  # which is no error in Lambda's own metrics
            emit({"FailedMessages": len(failed)})
        return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message in failed]}
    if lost := _failed(event, seconds_left):
        raise FileError(f"{len(lost)} objects failed, the first is {lost[0]!r}; the log says why.")
    return None


def jobs_of(event: Mapping[str, Any]) -> Iterator[Job]:
    """The objects that an event of S3 or EventBridge names, put or deleted. Raises EventError."""
    try:
        if event.get("Event") == "s3:TestEvent":
            return
        if _is_from(event, "aws:s3"):
            for record in S3Event(dict(event)).records:
                if record.event_name.startswith(OCCASIONS):
                    one = record.s3.get_object
                    yield from _job(record.s3.bucket.name, unquote_plus(one.key), one.version_id or "")
            return
        if event.get("source") == "aws.s3" and event.get("detail-type") in BRIDGED:
            detail = S3EventBridgeNotificationEvent(dict(event)).detail
            # Its property `key` would decode what EventBridge, unlike S3, does not encode.
            yield from _job(detail.bucket.name, detail.object["key"], detail.object.version_id or "")
            return
    except (KeyError, TypeError, AttributeError):
        pass
    raise EventError("This is no event of S3, SQS, EventBridge or the state machine; nothing was done.")


def _job(bucket: str, key: str, version: str) -> Iterator[Job]:
    output = os.environ.get("OUTPUT_BUCKET", "")
    if not output or output == bucket:
        raise EventError("OUTPUT_BUCKET names no bucket, or that of the input; set it to one that sends no events.")
    if not key.endswith("/"):  # a console makes such an empty object to show a folder
        yield Job(bucket, key, output, key, version)


def _is_from(event: Mapping[str, Any], source: str) -> bool:
    records = event.get("Records")
    if not isinstance(records, list) or not records or not isinstance(records[0], dict):
        return False
    return source in (records[0].get("eventSource"), records[0].get("EventSource"))


def _answered(message: Any, seconds_left: Seconds) -> bool:
    """Does what a message asks for; what fails goes back to the queue, which gives up on it in the end."""
    try:
        content = msgspec.json.decode(message.body)
        if not isinstance(content, dict):
            raise EventError("The message is no event.")
        return not _failed(content, seconds_left)
    except (EventError, msgspec.DecodeError) as error:
        log_error(error, message_id=message.message_id)
        return False


def _try_again_soon(message: Any) -> None:
    """Else a message would come again only after six times the function's timeout, however short the trouble was."""
    seconds = min(LONGEST_WAIT, SHORTEST_WAIT * 2 ** int(message.attributes.approximate_receive_count or 1))
    if queue := os.environ.get("QUEUE_URL"):
        with suppress(ClientError, BotoCoreError):
            objects.client("sqs").change_message_visibility(
                QueueUrl=queue, ReceiptHandle=message.receipt_handle, VisibilityTimeout=seconds
            )


def _failed(event: Mapping[str, Any], seconds_left: Seconds) -> list[str]:
    """Classifies all that an event names; gives the keys of those that failed."""
    return [job.key for job in jobs_of(event) if not _finished(job, seconds_left)]


def _finished(job: Job, seconds_left: Seconds) -> bool:
    """Classifies an object; one that takes longer than this invocation goes on in the state machine."""
    try:
        outcome = work(job, models().main(), seconds_left)
        if outcome.checkpoint:
            bulk.hand_over(job, outcome.checkpoint)
    except BundleError:
        raise
    except Exception as error:
        log_error(error, source=f"s3://{job.bucket}/{job.key}")
        return False
    return True


def work(job: Job, classifier: Classifier, seconds_left: Seconds) -> Outcome:
    """Runs one job and writes its line of metrics, which holds no text."""
    began = time.perf_counter()
    outcome = run(job, classifier, seconds_left)
    tally = outcome.summary.tally if outcome.summary else None
    values = {
        "Objects": 1,
        "Lines": tally.lines if tally else 0,
        "RejectedLines": tally.rejected if tally else 0,
        "ObjectMilliseconds": round((time.perf_counter() - began) * 1000, 3),
    }
    properties = {
        "source": f"s3://{job.bucket}/{job.key}",
        "version": job.version_id,
        "result": outcome.result,
        "reason": outcome.summary.reason if outcome.summary else "",
    }
    Record(values, properties).emit()
    return outcome


if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # During init, where it costs least. An error is kept for the first event, which then goes back to its queue.
    try:
        models().warm()
    except BundleError as error:
        log_error(error)
    objects.client("s3")
