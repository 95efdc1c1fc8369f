"""A bundle that is too big for the package: fetched once per environment, verified, unpacked whole or not at all."""

import hashlib
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from handler.errors import BundleError

# In Lambda /tmp, the one place that a function may write to.
KEPT = Path(tempfile.gettempdir())
CHUNK = 1 << 20
SHA256_DIGITS = 64


def fetch(environment: Mapping[str, str], kept: Path = KEPT) -> Path:
    """Gives the bundle that MODEL_URI names: a path, or `s3://bucket/key.tar.gz`, whose sha256 is MODEL_SHA256.

    An archive is kept under its sha256, so that the next start in the same environment finds it. Raises BundleError.
    """
    uri, expected = environment["MODEL_URI"], environment.get("MODEL_SHA256", "").strip().lower()
    if not uri.startswith("s3://"):
        if "://" in uri:
            raise BundleError(f"MODEL_URI is {uri!r}; give a path, or s3://bucket/key.tar.gz.")
        return Path(uri)
    place = urlsplit(uri)
    if not place.netloc or not place.path.endswith(".tar.gz"):
        raise BundleError(f"MODEL_URI is {uri!r}; an object is named s3://bucket/key.tar.gz.")
    if len(expected) != SHA256_DIGITS or set(expected) - set("0123456789abcdef"):
        raise BundleError(
            "MODEL_SHA256 is not the 64 hexadecimal digits that sha256sum gives; set it beside MODEL_URI."
        )
    bundle = kept / f"fenlei-{expected}"
    if not bundle.exists():
        _place(uri, expected, bundle)
    return bundle


def _place(uri: str, expected: str, bundle: Path) -> None:
    """Downloads and unpacks beside the bundle's place, and renames."""
    work: Path | None = None
    try:
        work = Path(tempfile.mkdtemp(prefix="fenlei-", dir=bundle.parent))
        archive = work / "bundle.tar.gz"
        found = _download(uri, archive)
        if found != expected:
            raise BundleError(f"{uri} has the sha256 {found}, and not {expected}; it is another file.")
        _unpack(uri, archive, work / "bundle")
        archive.unlink()
        (work / "bundle").rename(bundle)
    except OSError as error:
        if not (bundle.is_dir() and error.errno is not None):  # else another process was first
            raise BundleError(f"{uri} cannot be kept in {bundle.parent}: {error.strerror or error}.") from None
    finally:
        if work:
            shutil.rmtree(work, ignore_errors=True)


def _download(uri: str, archive: Path) -> str:
    """Writes the object to a file; gives its sha256."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    place = urlsplit(uri)
    try:
        answer: Any = boto3.client("s3").get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))
        digest = hashlib.sha256()
        with archive.open("wb") as file:
            for chunk in answer["Body"].iter_chunks(CHUNK):
                digest.update(chunk)
                file.write(chunk)
    except (BotoCoreError, ClientError, HTTPClientError) as error:
        raise BundleError(f"{uri} cannot be fetched: {error}.") from None
    return digest.hexdigest()


def _unpack(uri: str, archive: Path, directory: Path) -> None:
    """Writes the files of an archive into a directory, whatever directory they were in."""
    directory.mkdir()
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                content = members.extractfile(member)
                if content is not None:
                    with (directory / Path(member.name).name).open("wb") as file:
                        shutil.copyfileobj(content, file, CHUNK)
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise BundleError(f"{uri} is not a bundle's .tar.gz: {error}.") from None
