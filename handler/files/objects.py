"""Objects in S3: read in pieces at one pinned version, and written whole or not at all.

Every write is conditional: on there being no object of that key, or on the very one that was seen before.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError, ResponseStreamingError
from msgspec import Struct

from handler.errors import Changed
from handler.files.lines import PIECE_BYTES

MISSING = frozenset({"404", "NoSuchKey", "NoSuchVersion", "405", "MethodNotAllowed"})
LOST = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict", "NoSuchUpload"})
BROKEN_READS = (HTTPClientError, IncompleteReadError, ResponseStreamingError)
READ_ATTEMPTS = 6
PATIENCE: dict[str, Any] = {
    "connect_timeout": 5,
    "read_timeout": 20,
    "retries": {"mode": "standard", "total_max_attempts": 6},
}
PART_BYTES = 8 * 1_048_576
PARTS_OF_A_SIZE = 1000  # then they grow: of at most 10,000 parts, these can hold 440 GB
WORK_PREFIX = ".fenlei/"
SETTINGS = ("text-column", "id-column", "top-k")  # of an object's metadata
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")


@cache
def client(service: str) -> Any:
    """One client a process, made late: what it imports is slow."""
    import boto3
    from botocore.config import Config

    return boto3.client(service, config=Config(**PATIENCE))


class Source(Struct, frozen=True):
    """An object at one version, and what its headers ask for.

    `version_id` is empty where the bucket has no versions, and `null` where they are suspended: there an overwrite
    keeps it, so that two sources are one only if all else is alike, too. `settings` are of SETTINGS, and
    `content-encoding` and `archive`, where there is one.
    """

    bucket: str
    key: str
    version_id: str = ""
    etag: str = ""
    size: int = 0
    last_modified: str = ""
    settings: dict[str, str] = {}


class Written(Struct, frozen=True):
    """An object that was written."""

    bucket: str
    key: str
    etag: str
    version_id: str
    bytes: int


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def look(bucket: str, key: str) -> Source | None:
    """Says what is the current version of a key, if there is one."""
    try:
        head = client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if code_of(error) in MISSING:
            return None
        raise
    settings = {name: value for name, value in head.get("Metadata", {}).items() if name in SETTINGS}
    if coding := head.get("ContentEncoding"):
        settings["content-encoding"] = coding
    if archive := _archive(head):
        settings["archive"] = archive
    return Source(
        bucket,
        key,
        head.get("VersionId", ""),
        head["ETag"],
        head["ContentLength"],
        head["LastModified"].isoformat(),
        settings,
    )


def _archive(head: dict[str, Any]) -> str:
    """The archive that an object cannot be read from, if it lies in one: a storage class, or a tier of one."""
    if 'ongoing-request="false"' in head.get("Restore", ""):
        return ""
    storage = str(head.get("StorageClass", ""))
    return storage if storage in ARCHIVES else str(head.get("ArchiveStatus", ""))


def etag_of(bucket: str, key: str) -> str:
    """The ETag of what a key holds now; empty if nothing."""
    try:
        return str(client("s3").head_object(Bucket=bucket, Key=key)["ETag"])
    except ClientError as error:
        if code_of(error) in MISSING:
            return ""
        raise


def read(bucket: str, key: str) -> tuple[bytes, str]:
    """A small object's content and ETag; both empty if there is none."""
    try:
        got = client("s3").get_object(Bucket=bucket, Key=key)
        return got["Body"].read(), got["ETag"]
    except ClientError as error:
        if code_of(error) in MISSING:
            return b"", ""
        raise


def pieces(source: Source) -> Iterator[bytes]:
    """Reads one version of an object. A read that breaks goes on where it broke.

    Raises Changed if that version is no more.
    """
    position, attempts = 0, 0
    while position < source.size:
        try:
            for piece in _open(source, position).iter_chunks(PIECE_BYTES):
                position += len(piece)
                attempts = 0
                yield piece
        except BROKEN_READS:
            attempts += 1
            if attempts == READ_ATTEMPTS:
                raise
        except ClientError as error:
            if code_of(error) in MISSING | LOST:
                raise Changed("The object was replaced while it was read.") from None
            raise


def _open(source: Source, position: int) -> Any:
    version = {"VersionId": source.version_id} if source.version_id else {}
    span = {"Range": f"bytes={position}-"} if position else {}
    return client("s3").get_object(Bucket=source.bucket, Key=source.key, IfMatch=source.etag, **version, **span)["Body"]


def write(bucket: str, key: str, content: bytes, expected: str, **headers: Any) -> Written:
    """Puts an object if the key still holds what is `expected`: an ETag, or "" for nothing. Raises Changed."""
    with _condition_kept():
        done = client("s3").put_object(Bucket=bucket, Key=key, Body=content, **_condition(expected), **headers)
    return Written(bucket, key, done["ETag"], done.get("VersionId", ""), len(content))


class Upload:
    """An object in the making: nobody sees it before `complete`. Up to one part of it is in memory.

    `pause` puts the rest aside and gives what another process needs to go on.
    """

    def __init__(self, bucket: str, key: str, id: str = "", **headers: Any) -> None:
        self.bucket, self.key, self.id, self.headers = bucket, key, id, headers
        self.bytes = 0
        self._buffer = bytearray()
        self._parts: list[dict[str, Any]] = []

    def write(self, block: bytes) -> None:
        self._buffer += block
        self.bytes += len(block)
        if len(self._buffer) >= PART_BYTES * (1 + len(self._parts) // PARTS_OF_A_SIZE):
            self._send()

    def complete(self, expected: str) -> Written:
        """Makes the object visible if its key still holds what is `expected`. Raises Changed."""
        if not self.id:
            return write(self.bucket, self.key, bytes(self._buffer), expected, **self.headers)
        if self._buffer:
            self._send()
        with _condition_kept():
            done = client("s3").complete_multipart_upload(
                **self._named, MultipartUpload={"Parts": self._parts}, **_condition(expected)
            )
        return Written(self.bucket, self.key, done["ETag"], done.get("VersionId", ""), self.bytes)

    def abort(self) -> None:
        """Lets go of what was sent. Where this fails or is not reached, a lifecycle rule does it."""
        if self.id:
            with suppress(ClientError, BotoCoreError):
                client("s3").abort_multipart_upload(**self._named)

    def pause(self, name: str) -> "Paused":
        """Puts the part in memory aside, under a name that says which upload it is of."""
        digest = hashlib.sha256(f"{self.key} {self.id} {name} {self.bytes}".encode()).hexdigest()
        aside = WORK_PREFIX + digest
        client("s3").put_object(Bucket=self.bucket, Key=aside, Body=bytes(self._buffer))
        return Paused(self.id, len(self._parts), self.bytes, aside)

    def resume(self, paused: "Paused") -> None:
        """Goes on where another process paused. Raises Changed if the upload is no more."""
        self.id, self.bytes = paused.upload_id, paused.bytes
        content, etag = read(self.bucket, paused.aside)
        if not etag:
            raise Changed("What was put aside has expired.")
        self._buffer += content
        if self.id:
            with _condition_kept():
                pages = client("s3").get_paginator("list_parts").paginate(**self._named)
                parts = [_part(part, part["PartNumber"]) for page in pages for part in page.get("Parts", [])]
            self._parts = parts[: paused.parts]  # a process that went on before may have sent more

    @property
    def _named(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key, "UploadId": self.id}

    def _send(self) -> None:
        if not self.id:
            created = client("s3").create_multipart_upload(Bucket=self.bucket, Key=self.key, **self.headers)
            self.id = created["UploadId"]
        number = len(self._parts) + 1
        with _condition_kept():
            sent = client("s3").upload_part(**self._named, PartNumber=number, Body=self._buffer)
        self._parts.append(_part(sent, number))
        self._buffer = bytearray()


class Paused(Struct, frozen=True):
    """An upload that waits for somebody to go on: what was sent, and where the rest was put."""

    upload_id: str
    parts: int
    bytes: int
    aside: str


def _part(answer: dict[str, Any], number: int) -> dict[str, Any]:
    checksums = {name: value for name, value in answer.items() if name == "ChecksumCRC32"}
    return {"PartNumber": number, "ETag": answer["ETag"], **checksums}


def _condition(expected: str) -> dict[str, str]:
    return {"IfMatch": expected} if expected else {"IfNoneMatch": "*"}


@contextmanager
def _condition_kept() -> Iterator[None]:
    """What S3 says when somebody else was faster becomes Changed."""
    try:
        yield
    except ClientError as error:
        if code_of(error) in LOST | MISSING:
            raise Changed("Somebody else wrote this output meanwhile.") from None
        raise
