"""Follows a registry's pointer: what it names is fetched, verified, loaded and replayed before it may answer.

Until then, and if it fails, what answered goes on. Requests do not wait: the pointer is looked at in a thread of its
own, once a minute and only while there are requests, since Lambda stops all threads between them.
"""

import random
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import UnsetType

from handler.errors import BundleError
from handler.model import pointer as pointers
from handler.model.bundle import Bundle, load
from handler.model.classifier import Classifier, Watch
from handler.model.fetch import KEPT, fetch
from handler.model.golden import healthy, replay
from handler.model.models import Models
from handler.model.pointer import Pointer, Served
from handler.model.prediction import ModelVersion, Replay
from handler.observability import log_error, logger

LOOK_SECONDS = 60.0
RETRY_SECONDS = 600.0  # what failed may be large: it is not fetched anew at each look
RESTORE_SECONDS = 3.0  # Lambda lets a copy of a snapshot wake up for 10
STATES = 3  # so many are tried at a start, one after the other
PATIENCE: dict[str, Any] = {"connect_timeout": 3, "read_timeout": 10, "retries": {"total_max_attempts": 2}}
UNCHANGED = ("304", "NotModified")


class Ready(NamedTuple):
    """A version that may answer."""

    bundle: Bundle
    classifier: Classifier
    replayed: Replay


class Versions(Models):
    """One model in one version or two, which answer in the shares that the pointer says."""

    def __init__(self, ready: dict[str, Ready], weights: Sequence[int]) -> None:
        self.ready, self._weights = ready, weights
        self.bundles = [one.bundle for one in ready.values()]
        self.replays = [one.replayed for one in ready.values()]
        self._all = [one.classifier for one in ready.values()]
        self.default = self._all[0].manifest.name
        self._classifiers = {self.default: self._all[0]}

    def all(self) -> list[Classifier]:
        return self._all

    def get(self, name: str | None = None) -> Classifier:
        """Gives the version that a request falls to, unless it asks for NAME@VERSION. Raises NotFound."""
        if name in (None, self.default) and len(self._all) > 1:
            return random.choices(self._all, self._weights)[0]
        return super().get(name)


class Registry:
    """What a pointer says, and how much of it is in force here; `packaged` gives what answers if none of it can.

    With a `signing_key` of AWS KMS only what that key signed is a pointer.
    """

    def __init__(
        self,
        uri: str,
        packaged: Callable[[], Models],
        watch: Watch | None = None,
        signing_key: str = "",
        kept: Path = KEPT,
    ) -> None:
        self._place, self._packaged, self._watch, self._kept = pointers.place(uri), packaged, watch, kept
        self._signing_key = signing_key
        self._etag, self._looked, self._busy = "", time.monotonic(), threading.Lock()
        self._pointer: Pointer | None = None
        self._failed: dict[str, tuple[str, float]] = {}  # by sha256: why, and when
        self._client: Any = None
        self.models: Models = self._first()

    def look(self) -> None:
        """Begins to look for another pointer, if that is a minute ago, and comes back at once."""
        if not 0 <= time.monotonic() - self._looked < LOOK_SECONDS:
            self._begin()

    def restored(self) -> None:
        """Looks at once, and waits a little: a snapshot may be weeks old."""
        if thread := self._begin():
            thread.join(RESTORE_SECONDS)

    def refresh(self) -> None:
        """Looks now; what goes wrong is logged, and changes nothing."""
        try:
            self._read()
            if self._pointer:
                self._take(self._pointer.serving)
        except Exception as error:
            log_error(error)

    def close(self) -> None:
        """Closes connections, for a snapshot; a copy of it looks at the pointer anew."""
        if self._client:
            self._client.close()
        self._client = None

    def named(self) -> list[ModelVersion]:
        """What the pointer names, and what became of it here."""
        ready = self.models.ready if isinstance(self.models, Versions) else {}
        return [
            ModelVersion(
                one.version,
                one.weight,
                "answers" if one.sha256 in ready else "refused" if one.sha256 in self._failed else "awaited",
            )
            for one in (self._pointer.serving if self._pointer else ())
        ]

    def _first(self) -> Models:
        """What is named, else what was named before, else what is packaged. Raises BundleError if there is none."""
        try:
            self._read()
            for serving in pointers.states(self._pointer)[:STATES] if self._pointer else ():
                try:
                    return self._versions(serving, {})
                except BundleError as error:
                    log_error(error)
        except BundleError as error:
            log_error(error)
        return self._packaged()

    def _begin(self) -> threading.Thread | None:
        if not self._busy.acquire(blocking=False):
            return None
        self._looked = time.monotonic()
        thread = threading.Thread(target=self._looking, daemon=True)
        thread.start()
        return thread

    def _looking(self) -> None:
        try:
            self.refresh()
        finally:
            self._busy.release()

    def _read(self) -> None:
        """Reads the pointer, if it is another one than before. Raises BundleError."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        condition = {"IfNoneMatch": self._etag} if self._etag else {}
        try:
            self._client = self._client or boto3.client("s3", config=Config(**PATIENCE))
            found = self._client.get_object(Bucket=self._place.bucket, Key=self._place.pointer, **condition)
            pointer = pointers.parse(found["Body"].read(), self._place)
            self._check_signature(pointer)
            self._pointer, self._etag, self._failed = pointer, found["ETag"], {}
        except (BotoCoreError, ClientError, HTTPClientError) as error:
            if (getattr(error, "response", None) or {}).get("Error", {}).get("Code") not in UNCHANGED:
                raise BundleError(f"{self._place}{pointers.KEY} cannot be read: {error}.") from None

    def _check_signature(self, pointer: Pointer) -> None:
        """Asks KMS whether the key that this function knows signed the pointer. Raises BundleError if not."""
        if not self._signing_key:
            return
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        sentence = f"{self._place}{pointers.KEY} is not signed by {self._signing_key}"
        if isinstance(pointer.signature, UnsetType):
            raise BundleError(f"{sentence}; publish with --sign-with.")
        client = boto3.client("kms", config=Config(**PATIENCE))
        try:
            signed = {"Message": pointers.digest(pointer, self._place), "Signature": pointer.signature.value}
            good = client.verify(KeyId=self._signing_key, **signed, **pointers.SIGNING)["SignatureValid"]
        except (BotoCoreError, ClientError, HTTPClientError) as error:
            raise BundleError(f"{sentence}: {error}.") from None
        finally:
            client.close()
        if not good:
            raise BundleError(f"{sentence}.")

    def _take(self, serving: Sequence[Served]) -> None:
        """Has a state answer, unless it does already. Raises BundleError."""
        now = self.models.ready if isinstance(self.models, Versions) else {}
        self.models = taken = self._versions(serving, now)
        if set(now) != set(taken.ready):
            logger.info("took up", extra={"versions": [one.manifest.version for one in taken.all()]})

    def _versions(self, serving: Sequence[Served], now: dict[str, Ready]) -> Versions:
        """The main version and, if it is fit too, the other one. Raises BundleError if the main version is not fit."""
        ready = {serving[0].sha256: self._ready(serving[0], now)}
        for other in serving[1:]:
            try:
                ready[other.sha256] = self._ready(other, now)
            except BundleError as error:
                log_error(error)
        return Versions(ready, [one.weight for one in serving[: len(ready)]])

    def _ready(self, one: Served, now: dict[str, Ready]) -> Ready:
        """Raises BundleError, at once if it did lately."""
        if one.sha256 in now:
            return now[one.sha256]
        sentence, failed = self._failed.get(one.sha256, ("", 0.0))
        if sentence and 0 <= time.monotonic() - failed < RETRY_SECONDS:
            raise BundleError(sentence)
        try:
            bundle = self._fetched(one)
            classifier = Classifier(bundle, watch=self._watch)
            replayed = replay(classifier, bundle.golden())
            if not healthy(replayed):
                raise BundleError(
                    f"The version {one.version} of {self._place} gives {replayed.same_answers} of its {replayed.texts} "
                    "golden texts the answer that they had in training; it does not answer here."
                )
        except BundleError as error:
            self._failed[one.sha256] = str(error), time.monotonic()
            raise
        return Ready(bundle, classifier, replayed)

    def _fetched(self, one: Served) -> Bundle:
        """In memory; what was fetched is not kept on disk, where the next ones need the room. Raises BundleError."""
        uri = f"s3://{self._place.bucket}/{self._place.bundle(one.sha256)}"
        path = fetch({"MODEL_URI": uri, "MODEL_SHA256": one.sha256}, self._kept)
        try:
            bundle = load(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)
        if self._pointer and (bundle.manifest.name, bundle.manifest.version) != (self._pointer.name, one.version):
            raise BundleError(f"{uri} holds another model than {self._place}{pointers.KEY} says; publish it again.")
        return bundle
