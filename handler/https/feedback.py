"""What callers say was right: an id goes out with each answer, and what comes back is kept in S3, a file a day.

An id says which version gave which label and when, and is sealed with a keyed BLAKE2s, so that nothing has to be kept
to know it again: 4 bytes of the version, 4 of the label's digest, 4 of the time, 4 by chance, 8 of the seal, as
base64url. S3 cannot append, so that each process has a file of its own, and writes it anew with each line.
"""

import hmac
import os
import random
import secrets
import struct
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from hashlib import blake2s
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from handler.errors import FieldError, InvalidRequest, NotFound, Unavailable
from handler.https.schema import Text
from handler.model.bundle import Manifest
from handler.model.prediction import Prediction
from handler.model.tree import levels_of
from handler.observability import log_error

LINES_A_FILE = 1000
PATIENCE: dict[str, Any] = {"connect_timeout": 2, "read_timeout": 4, "retries": {"total_max_attempts": 2}}
_CONTENT = struct.Struct(">4s4sII")
_SEAL_BYTES = 8


class FeedbackRequest(Struct, forbid_unknown_fields=True):
    """The id of a prediction, the label that is right, and the text if the caller wants it kept."""

    id: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{32}$")]
    label: Annotated[str, Meta(min_length=1, max_length=200)]
    text: Text | UnsetType = UNSET


class FeedbackResponse(Struct, frozen=True):
    """Whether the answer had been right, and whether the text was kept."""

    right: bool
    text_kept: bool


class Line(Struct, frozen=True, omit_defaults=True):
    """A line of a file of feedback; `version` is how that of the model begins, times are in UTC."""

    id: str
    label: str
    right: bool
    version: str
    answered: str
    at: str
    text: str | UnsetType = UNSET


class Given(NamedTuple):
    """What an id says of the answer that it was given with."""

    version: bytes
    label: bytes
    seconds: int


def with_ids(predictions: Sequence[Prediction], manifest: Manifest) -> list[Prediction]:
    """The predictions with an id each, if they have one label each."""
    if manifest.activation not in ("softmax", "sigmoid"):
        return list(predictions)
    version, now, seal = bytes.fromhex(manifest.version[:8]), int(time.time()), sealer()
    made = []
    for prediction in predictions:
        # What tells two answers of a second apart need not be secret, and is drawn anew in each copy of a snapshot.
        content = _CONTENT.pack(version, _digest(str(prediction.label)), now, random.getrandbits(32))
        made.append(replace(prediction, id=urlsafe_b64encode(content + seal(content)).decode()))
    return made


def given_with(identity: str) -> Given | None:
    """What an id says, if it was made here."""
    raw = urlsafe_b64decode(identity)
    content, seal = raw[: _CONTENT.size], raw[_CONTENT.size :]
    if not hmac.compare_digest(seal, sealer()(content)):
        return None
    version, label, seconds, _ = _CONTENT.unpack(content)
    return Given(version, label, seconds)


def right_answers(manifests: Iterable[Manifest]) -> dict[str, list[str]]:
    """By label of these models, the answers that are right of it: itself and, if it is a path, what stands above."""
    found: dict[str, list[str]] = {}
    for manifest in manifests:
        for label in manifest.labels:
            found.setdefault(label, []).extend(levels_of(label, manifest.separator))
    return found


def receive(asked: FeedbackRequest, labels: Mapping[str, Sequence[str]]) -> tuple[Line, FeedbackResponse]:
    """Keeps what a caller says; `labels` are those of all models here, with the answers that are right of each.

    Raises NotFound where nothing is kept, InvalidRequest for another id or label, Unavailable if S3 does not take it.
    """
    if not os.environ.get("FEEDBACK_URI"):
        raise NotFound("No feedback is kept here.")
    given = given_with(asked.id)
    if not given:
        raise _invalid("/id", "no answer was given with this id")
    if asked.label not in labels:
        raise _invalid("/label", "no model here has this label")
    keeps = os.environ.get("KEEP_FEEDBACK_TEXTS") == "true"
    line = Line(
        id=asked.id,
        label=asked.label,
        right=given.label in map(_digest, labels[asked.label]),
        version=given.version.hex(),
        answered=datetime.fromtimestamp(given.seconds, UTC).isoformat(),
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        text=asked.text if keeps else UNSET,
    )
    _diary.write(line)
    return line, FeedbackResponse(line.right, line.text is not UNSET)


class _Diary:
    """The file of this process and of this day."""

    def __init__(self) -> None:
        self._key, self._lines = "", list[bytes]()
        self._client: Any = None

    def write(self, line: Line) -> None:
        """Raises Unavailable, and then the line is not kept."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        place = urlsplit(os.environ["FEEDBACK_URI"])
        folder = f"{place.path.lstrip('/')}{line.at[:10]}/"
        if not self._key.startswith(folder) or len(self._lines) >= LINES_A_FILE:
            self._key, self._lines = f"{folder}{secrets.token_hex(8)}.jsonl", []
        lines = [*self._lines, msgspec.json.encode(line)]
        try:
            self._client = self._client or boto3.client("s3", config=Config(**PATIENCE))
            self._client.put_object(Bucket=place.netloc, Key=self._key, Body=b"\n".join([*lines, b""]))
        except (BotoCoreError, ClientError, HTTPClientError) as error:
            log_error(error)
            raise Unavailable("The feedback could not be kept; send it again.") from None
        self._lines = lines


_diary = _Diary()


@lru_cache(maxsize=4096)
def _digest(label: str) -> bytes:
    return blake2s(label.encode(), digest_size=4).digest()


@cache
def sealer() -> Callable[[bytes], bytes]:
    """Makes the seal of an id's content, by the key that this process began with."""
    keyed = blake2s(digest_size=_SEAL_BYTES, key=blake2s(os.environ.get("FEEDBACK_KEY", "").encode()).digest())

    def seal(content: bytes) -> bytes:
        one = keyed.copy()
        one.update(content)
        return one.digest()

    return seal


def _invalid(pointer: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"{pointer}: {reason}.", (FieldError(pointer, reason),))
