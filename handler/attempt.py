"""One object's way from source to predictions and summary, so that it may be begun any number of times.

The order of the steps is what makes it safe; docs/s3.md says which guarantee of S3 each one leans on.

1. What do the output's keys hold?   2. Which version is current?   3. Nothing to do: superseded, or done already?
4. Read that version, classify, upload.   5. Make the predictions visible if their key still holds what it held at 1.
6. Write the summary, which names the predictions it belongs to, on the same condition.

A version that comes later changes what 1 saw, so that an older one fails at 5 or 6; one that came before is seen at 2.
"""

import time
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec.structs import replace

from handler import objects
from handler.batch import Tally, answer, pack, text_column, windows
from handler.classifier import Classifier
from handler.errors import Changed, FileError, Gone, Refused
from handler.jobs import PREDICTIONS, SUMMARY, Before, Checkpoint, Job, Outcome, Seconds, Summary
from handler.objects import Found, Source, Upload, Written
from handler.records import Layout, layout_of, records
from handler.schema import ModelName

ATTEMPTS = 3
RESERVE_SECONDS = 10
MAX_KEY_BYTES = 1024


def run(job: Job, classifier: Classifier, seconds_left: Seconds) -> Outcome:
    """Classifies an object, or finds out that there is nothing to do.

    Raises FileError if others keep writing the same output, if an invocation is too short for one window, or if the key
    is too long; whatever S3 says that another attempt may mend (it is slow, it denies) is raised as it came.
    """
    if len((job.output_key + PREDICTIONS + ".gz").encode()) > MAX_KEY_BYTES:
        raise FileError("The key leaves no room for the output's, which is longer; use a shorter one.")
    for _ in range(ATTEMPTS):
        try:
            return _Attempt(job, classifier, seconds_left).run()
        except Changed:
            job = replace(job, checkpoint=None)
    raise FileError(f"{job.output_key} was written by others in {ATTEMPTS} attempts; it is tried again later.")


class _Attempt:
    def __init__(self, job: Job, classifier: Classifier, seconds_left: Seconds) -> None:
        self.job, self.classifier, self.seconds_left = job, classifier, seconds_left
        self.model = ModelName(classifier.manifest.name, classifier.manifest.version)
        self.started = job.checkpoint.started if job.checkpoint else time.time()
        self.invocations = job.checkpoint.invocations + 1 if job.checkpoint else 1
        self.packed = job.key.lower().endswith(".gz")
        self.predictions = job.output_key + PREDICTIONS + (".gz" if self.packed else "")

    def run(self) -> Outcome:
        job = self.job
        content, summary_etag = objects.read(job.output_bucket, job.output_key + SUMMARY)
        before = Before(objects.etag_of(job.output_bucket, self.predictions), summary_etag)
        source = Source(job.bucket, job.key, job.version_id)
        try:
            found = objects.look(job.bucket, job.key)
            source = found.source
            if job.version_id and source.version_id != job.version_id:
                self._let_go()
                return Outcome("superseded")
            if _done(content, source, self.model, before):
                return Outcome("duplicate")
            return self._classify(found, before)
        except (Gone, Refused) as error:
            status = "deleted" if isinstance(error, Gone) else "refused"
            if _done(content, source, self.model, before):
                return Outcome("duplicate")
            return self._conclude(status, before, Tally(), source, None, str(error))

    def _classify(self, found: Found, before: Before) -> Outcome:
        layout = _layout(found, text_column(self.classifier.manifest))
        top_k = _top_k(found.metadata)
        tally, done = Tally(), 0
        upload = Upload(self.job.output_bucket, self.predictions, **self._headers(found.source))
        checkpoint = self.job.checkpoint
        if checkpoint:
            if (checkpoint.source, checkpoint.model_version, checkpoint.before) != (
                found.source,
                self.model.version,
                before,
            ):
                self._let_go()
                raise Changed("The object, the model or the output was replaced since the checkpoint.")
            upload.resume(checkpoint.upload)
            tally, done = deepcopy(checkpoint.tally), checkpoint.windows
        number, slowest = done, 0.0
        try:
            for number, window in enumerate(windows(records(objects.pieces(found.source), layout)), 1):
                began = time.monotonic()
                if number > done:
                    block, counted = answer(window, self.classifier, top_k)
                    upload.write(pack(block, self.packed))
                    tally.add(counted)
                slowest = max(slowest, time.monotonic() - began)
                if self.seconds_left() < RESERVE_SECONDS + 2 * slowest:
                    return self._pause(found.source, before, number, done, tally, upload)
            if self.packed and not number:
                upload.write(pack(b"", self.packed))
            written = upload.complete(before.predictions)
        except BaseException as error:
            if not checkpoint or isinstance(error, Changed):  # else another attempt goes on from the checkpoint
                upload.abort()
            raise
        reason = tally.damage or ("" if tally.lines else "The object is empty.")
        return self._conclude("damaged" if tally.damage else "complete", before, tally, found.source, written, reason)

    def _pause(self, source: Source, before: Before, number: int, done: int, tally: Tally, upload: Upload) -> Outcome:
        if number <= done:
            raise FileError(f"{self.job.key} is too large to be read up to window {done} in one invocation.")
        paused = upload.pause(f"{source.version_id or source.etag} {number}")
        checkpoint = Checkpoint(
            source, self.model.version, before, number, tally, paused, self.started, self.invocations
        )
        return Outcome("paused", checkpoint=checkpoint)

    def _conclude(
        self, status: str, before: Before, tally: Tally, source: Source, written: Written | None, reason: str
    ) -> Outcome:
        summary = Summary(
            status=status,
            reason=reason,
            source=source,
            model=self.model,
            output=written,
            tally=tally,
            label_shares=tally.label_shares(),
            started=datetime.fromtimestamp(self.started, UTC).isoformat(timespec="milliseconds"),
            seconds=round(time.time() - self.started, 3),
            invocations=self.invocations,
        )
        body = msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"
        key = self.job.output_key + SUMMARY
        objects.write(self.job.output_bucket, key, body, before.summary, ContentType="application/json")
        return Outcome(status, summary)

    def _let_go(self) -> None:
        """Aborts the upload of a checkpoint that nobody will go on from."""
        checkpoint = self.job.checkpoint
        if checkpoint:
            upload = Upload(self.job.output_bucket, self.predictions)
            upload.id = checkpoint.upload.upload_id
            upload.abort()

    def _headers(self, source: Source) -> dict[str, Any]:
        metadata = {"source-version": source.version_id or source.etag, "model-version": self.model.version}
        return {"ContentType": "application/gzip" if self.packed else "application/x-ndjson", "Metadata": metadata}


def _done(content: bytes, source: Source, model: ModelName, before: Before) -> bool:
    """Whether the summary speaks of this version, this model, and the predictions that are there."""
    try:
        summary = msgspec.json.decode(content, type=Summary)
    except msgspec.DecodeError:
        return False
    then = summary.source
    same = then.version_id == source.version_id if source.version_id else then.etag == source.etag
    return same and summary.model == model and (not summary.output or summary.output.etag == before.predictions)


def _layout(found: Found, column: str) -> Layout:
    """From the object's name and metadata: `text-column`, `id-column` (percent-encoded, since metadata is ASCII)."""
    layout = layout_of(
        found.source.key,
        unquote(found.metadata.get("text-column", "")) or column,
        unquote(found.metadata.get("id-column", "id")),
    )
    return layout._replace(gzip=layout.gzip or "gzip" in found.content_encoding)


def _top_k(metadata: dict[str, str]) -> int:
    asked = metadata.get("top-k", "1")
    if not (asked.isdecimal() and int(asked) > 0):
        raise Refused("The metadata top-k is no number from 1 on; put the object here again with a better one.")
    return int(asked)
