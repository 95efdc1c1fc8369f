"""Publishing to a registry: a bundle goes up by its content, and then the pointer moves, unless somebody moved it."""

import gzip
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from msgspec import UnsetType
from msgspec.structs import replace

from handler.errors import BundleError, Changed
from handler.files import objects
from handler.model import bundle as bundles
from handler.model import pointer as pointers
from handler.model.bundle import Bundle
from handler.model.pointer import Place, Pointer, Served, Signature
from training.errors import InputError, WorkError


class Found(NamedTuple):
    """A registry's pointer and its ETag; neither, if nothing was published there yet."""

    pointer: Pointer | None
    etag: str


def place(uri: str) -> Place:
    """Reads s3://bucket/models/NAME/. Raises InputError."""
    try:
        return pointers.place(uri if uri.endswith("/") else f"{uri}/")
    except BundleError as error:
        raise InputError(str(error)) from None


def find(where: Place) -> Found:
    """Reads the pointer. Raises WorkError, or BundleError if it is none."""
    with _aws(f"{where}{pointers.KEY}"):
        content, etag = objects.read(where.bucket, where.pointer)
    return Found(pointers.parse(content, where) if etag else None, etag)


def fetched(where: Place, one: Served) -> Bundle:
    """The bundle of a version that was published. Raises WorkError or BundleError."""
    from handler.model.fetch import fetch

    with tempfile.TemporaryDirectory() as directory:
        uri = f"s3://{where.bucket}/{where.bundle(one.sha256)}"
        return bundles.load(fetch({"MODEL_URI": uri, "MODEL_SHA256": one.sha256}, Path(directory)))


def publish(
    where: Place, bundle: Bundle, share: int, metrics: dict[str, float], found: Found, key: str = ""
) -> Pointer:
    """Uploads a bundle and gives it a share of the requests in percent; the main version so far keeps the rest.

    The pointer is signed by `key`, of AWS KMS, or by that which it was signed by so far.
    Raises InputError if that cannot be, WorkError if S3 says no or somebody moved the pointer since `found`.
    """
    archive = packed(bundle)
    manifest = bundle.manifest
    with _aws(str(where)):
        one = Served(manifest.version, hashlib.sha256(archive).hexdigest(), share, _caller(), _now(), metrics)
    state = [one]
    if share < 100:
        state = [replace(_main(where, found, one), weight=100 - share), one]
    if found.pointer and found.pointer.name != manifest.name:
        raise InputError(
            f"{where} serves the model {found.pointer.name!r}, and this bundle is {manifest.name!r}; train it with "
            f"--name {found.pointer.name}, or publish it elsewhere."
        )
    with _aws(where.bundle(one.sha256)), suppress(Changed):  # what has this name already is this bundle
        objects.write(where.bucket, where.bundle(one.sha256), archive, "")
    before = pointers.states(found.pointer) if found.pointer else []
    return _move(where, Pointer(pointers.FORMAT, manifest.name, state, before), found, key)


def roll_back(where: Place, found: Found, key: str = "") -> Pointer:
    """Makes what served before serve again. Raises InputError if nothing did, WorkError as `publish` does."""
    if not found.pointer or not found.pointer.before:
        raise InputError(f"Nothing was published to {where} before; there is nothing to go back to.")
    state, *before = found.pointer.before
    return _move(where, Pointer(pointers.FORMAT, found.pointer.name, state, before), found, key)


def packed(bundle: Bundle) -> bytes:
    """A bundle as the .tar.gz that functions fetch; of the same bundle a Python always makes the same bytes."""
    content = {
        bundles.MANIFEST: bundles.encode_manifest(bundle.manifest),
        bundles.MODEL: bundle.model,
        bundles.TOKENIZER: bundle.tokenizer.encode(),
        bundles.GOLDEN: bundle.golden_lines,
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as members:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            members.addfile(member, io.BytesIO(data))
    return gzip.compress(archive.getvalue(), compresslevel=6, mtime=0)


def _main(where: Place, found: Found, one: Served) -> Served:
    if not found.pointer:
        raise InputError(f"Nothing serves from {where} yet that could keep the rest; publish without --share first.")
    main = found.pointer.serving[0]
    if main.sha256 == one.sha256:
        raise InputError(f"The version {one.version} is the main one of {where} already.")
    return main


def _signed(where: Place, pointer: Pointer, found: Found, key: str) -> Pointer:
    if not key and found.pointer and not isinstance(found.pointer.signature, UnsetType):
        key = found.pointer.signature.key
    if not key:
        return pointer
    with _aws(f"{where}{pointers.KEY} cannot be signed by {key}"):
        message = {"Message": pointers.digest(pointer, where)}
        signature = objects.client("kms").sign(KeyId=key, **message, **pointers.SIGNING)["Signature"]
    return replace(pointer, signature=Signature(key, signature))


def _move(where: Place, pointer: Pointer, found: Found, key: str) -> Pointer:
    pointer = _signed(where, replace(pointer, before=pointer.before[: pointers.KEPT_BEFORE]), found, key)
    body = msgspec.json.format(msgspec.json.encode(pointer), indent=2) + b"\n"
    with _aws(f"{where}{pointers.KEY}"):
        try:
            objects.write(where.bucket, where.pointer, body, found.etag, ContentType="application/json")
        except Changed:
            # A write whose answer was lost is written again, and then finds itself.
            if objects.read(where.bucket, where.pointer)[0] != body:
                raise WorkError(
                    f"Somebody else moved {where}{pointers.KEY} meanwhile; see what it says now, and call this again."
                ) from None
    return pointer


def _caller() -> str:
    return str(objects.client("sts").get_caller_identity()["Arn"])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _aws(what: str) -> Iterator[None]:
    """What AWS says becomes one sentence."""
    try:
        yield
    except (BotoCoreError, ClientError, HTTPClientError) as error:
        raise WorkError(f"{what}: {error}") from None
