"""One object's way from source to predictions and summary, so that it may be begun any number of times.

Work is reconciled by level: whatever an event said, the outputs are made to match the version that is current now,
unless they do already. The order of the steps is what makes it safe; docs/s3.md says which guarantee of S3 each one
leans on.

1. What does the summary say?   2. Which predictions are there?   3. Which version is current?   Nothing to do, if the
summary speaks of that version, this model, and those predictions.
4. Read that version, classify, upload.   5. Make the predictions visible if their key still holds what it held at 2.
6. Write the summary, which names the predictions it belongs to, if the one of 1 still stands.   7. Is the version
still current? If not, or if a condition failed, begin again at 1.

No two summaries are alike, so that 6 succeeds only if nobody else wrote one since 1. Predictions may be alike: somebody
late can still write at 5 what is out of date, but then fails at 6. So nobody is done before the outputs are right,
unless somebody else has touched them who is not done.
"""

import hashlib
import secrets
import time
import zlib
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import tokenizers
from msgspec.structs import replace

from handler.errors import Changed, FileError, OutOfTime, Refused
from handler.files import batch, objects
from handler.files.batch import Tally, answer, pack, text_column, windows
from handler.files.jobs import PREDICTIONS, RESERVE_SECONDS, SUMMARY, Before, Checkpoint, Job, Outcome, Seconds, Summary
from handler.files.objects import Source, Upload, Written
from handler.files.records import Layout, layout_of, records
from handler.model.classifier import Classifier
from handler.model.interpreter import RUNTIME
from handler.model.prediction import ModelName

ATTEMPTS = 3
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
        said = _decoded(content)
        true = said is not None and (not said.output or said.output.etag == before.predictions)
        source = objects.look(job.bucket, job.key)
        if not source:
            self._let_go()
            if true:  # of an earlier version: what it says and what is there still belong together
                return Outcome("deleted")
            return self._conclude("deleted", before, Tally(), None, None, "The object was deleted before it was read.")
        if said and true and (said.source, said.model) == (source, self.model):
            self._let_go()
            return Outcome("duplicate")
        try:
            return self._classify(source, before)
        except Refused as error:
            return self._conclude("refused", before, Tally(), source, None, str(error))

    def _classify(self, source: Source, before: Before) -> Outcome:
        layout = _layout(source, text_column(self.classifier.manifest))
        top_k = _top_k(source.settings)
        upload, tally, done = self._begin(source, before)
        number, slowest, began = 0, 0.0, time.monotonic()
        try:
            for window in windows(records(objects.pieces(source), layout, self._look)):
                if number >= done:
                    block, counted = answer(window, self.classifier, top_k)
                    upload.write(pack(block, self.packed))
                    tally.add(counted)
                number += 1
                slowest = max(slowest, time.monotonic() - began)
                self._look(2 * slowest)
                began = time.monotonic()
            if self.packed and not number:
                upload.write(pack(b"", self.packed))
            written = upload.complete(before.predictions)
        except OutOfTime:
            return self._pause(source, before, number, done, tally, upload)
        except BaseException as error:
            if not self.job.checkpoint or isinstance(error, Changed):  # else another attempt goes on from there
                upload.abort()
            raise
        reason = tally.damage or ("" if tally.lines else "The object is empty.")
        return self._conclude("damaged" if tally.damage else "complete", before, tally, source, written, reason)

    def _begin(self, source: Source, before: Before) -> tuple[Upload, Tally, int]:
        """The upload, what is counted so far, and the number of windows that are done. Raises Changed."""
        upload = Upload(self.job.output_bucket, self.predictions, **self._headers(source))
        checkpoint = self.job.checkpoint
        if not checkpoint:
            return upload, Tally(), 0
        then = (checkpoint.source, checkpoint.model_version, checkpoint.before, checkpoint.made_by)
        if then != (source, self.model.version, before, made_by()):
            self._let_go()
            raise Changed("The object, the model, the code or the output was replaced since the checkpoint.")
        upload.resume(checkpoint.upload)
        return upload, deepcopy(checkpoint.tally), checkpoint.windows

    def _look(self, needed: float = 0) -> None:
        """Looks at the clock; also called while bytes are read, unpacked and skipped. Raises OutOfTime."""
        if self.seconds_left() < RESERVE_SECONDS + needed:
            raise OutOfTime("The invocation is nearly over.")

    def _pause(self, source: Source, before: Before, number: int, done: int, tally: Tally, upload: Upload) -> Outcome:
        if number <= done:
            if not self.job.checkpoint:
                upload.abort()
            raise FileError(
                f"{self.job.key} cannot be read beyond window {number} in one invocation; split it, "
                "or raise BatchTimeout."
            )
        paused = upload.pause(f"{source.version_id or source.etag} {number}")
        checkpoint = Checkpoint(
            source, self.model.version, before, made_by(), number, tally, paused, self.started, self.invocations
        )
        return Outcome("paused", checkpoint=checkpoint)

    def _conclude(
        self, status: str, before: Before, tally: Tally, source: Source | None, written: Written | None, reason: str
    ) -> Outcome:
        """Writes the summary. Raises Changed if what it speaks of is not current any more."""
        job = self.job
        summary = Summary(
            status=status,
            reason=reason,
            source=source or Source(job.bucket, job.key, job.version_id),
            model=self.model,
            output=written,
            tally=tally,
            label_shares=tally.label_shares(),
            started=datetime.fromtimestamp(self.started, UTC).isoformat(timespec="milliseconds"),
            seconds=round(time.time() - self.started, 3),
            invocations=self.invocations,
            attempt=secrets.token_hex(8),
        )
        body = msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"
        objects.write(job.output_bucket, job.output_key + SUMMARY, body, before.summary, ContentType="application/json")
        if objects.look(job.bucket, job.key) != source:
            raise Changed("Another version became current meanwhile.")
        return Outcome(status, summary)

    def _let_go(self) -> None:
        """Aborts the upload of a checkpoint that nobody will go on from."""
        checkpoint = self.job.checkpoint
        if checkpoint:
            Upload(self.job.output_bucket, self.predictions, checkpoint.upload.upload_id).abort()

    def _headers(self, source: Source) -> dict[str, Any]:
        metadata = {"source-version": source.version_id or source.etag, "model-version": self.model.version}
        return {"ContentType": "application/gzip" if self.packed else "application/x-ndjson", "Metadata": metadata}


@cache
def _code() -> bytes:
    """A digest of the code that this process runs."""
    here = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(here.rglob("*.py")):
        digest.update(str(path.relative_to(here)).encode() + b"\0" + path.read_bytes())
    return digest.digest()


def made_by() -> str:
    """Names all that decides how windows are cut, answered and packed: bounds, code, and what the code runs on."""
    bounds = f"{batch.WINDOW_ROWS} {batch.WINDOW_CHARACTERS}"
    runs_on = f"{RUNTIME} {tokenizers.__version__} {zlib.ZLIB_RUNTIME_VERSION}"
    return hashlib.sha256(_code() + f" {bounds} {runs_on}".encode()).hexdigest()


def _decoded(content: bytes) -> Summary | None:
    try:
        return msgspec.json.decode(content, type=Summary)
    except msgspec.DecodeError:
        return None


def _layout(source: Source, column: str) -> Layout:
    """From the object's name and metadata: `text-column`, `id-column` (percent-encoded, since metadata is ASCII).

    Raises Refused for an archived object or another suffix.
    """
    settings = source.settings
    if archive := settings.get("archive"):
        raise Refused(f"The object lies in the archive {archive}; restore it, and put it here again.")
    layout = layout_of(
        source.key, unquote(settings.get("text-column", "")) or column, unquote(settings.get("id-column", "id"))
    )
    return layout._replace(gzip=layout.gzip or "gzip" in settings.get("content-encoding", ""))


def _top_k(settings: dict[str, str]) -> int:
    asked = settings.get("top-k", "1")
    if not (asked.isdecimal() and int(asked) > 0):
        raise Refused("The metadata top-k is no number from 1 on; put the object here again with a better one.")
    return int(asked)
