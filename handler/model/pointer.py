"""A registry: a prefix in S3 with the bundles of one model, and a pointer to those that answer.

s3://bucket/models/NAME/bundles/SHA256.tar.gz   a bundle, named by its content and so never written twice
s3://bucket/models/NAME/live.json               which versions answer, in which shares, who said so, what was before

Who may write there decides what answers, unless the pointer must be signed by a key of AWS KMS.
"""

import hashlib
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from handler.errors import BundleError

FORMAT = "fenlei-live/1"
KEY = "live.json"
KEPT_BEFORE = 10
# Of an elliptic curve, `aws kms create-key --key-usage SIGN_VERIFY --key-spec ECC_NIST_P256`.
SIGNING = {"MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Served(Struct, frozen=True, forbid_unknown_fields=True):
    """A version that answers: `weight` is its share of requests in percent, `metrics` what it was published with."""

    version: str
    sha256: Sha256
    weight: Annotated[int, Meta(ge=1, le=100)]
    by: str
    at: str
    metrics: dict[str, float] = {}


class Signature(Struct, frozen=True, forbid_unknown_fields=True):
    """The key of AWS KMS that a pointer was signed by, and what it made of `digest`."""

    key: str
    value: bytes


Serving = Annotated[list[Served], Meta(min_length=1, max_length=2)]


class Pointer(Struct, frozen=True, forbid_unknown_fields=True):
    """The content of live.json; of `serving` the first is the main version, and `before` has the newest first."""

    format: str
    name: str
    serving: Serving
    before: list[Serving] = []
    signature: Signature | UnsetType = UNSET


class Place(NamedTuple):
    """Where a registry is: a bucket, and a prefix that is empty or ends in a slash."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def pointer(self) -> str:
        return f"{self.prefix}{KEY}"

    def bundle(self, sha256: str) -> str:
        return f"{self.prefix}bundles/{sha256}.tar.gz"


def place(uri: str) -> Place:
    """Reads s3://bucket/prefix/. Raises BundleError."""
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc or parts.query or not parts.path.endswith("/"):
        raise BundleError(f"{uri!r} names no registry; write it as s3://bucket/models/NAME/, with a slash at its end.")
    return Place(parts.netloc, parts.path.removeprefix("/"))


def parse(raw: bytes, where: Place) -> Pointer:
    """Decodes live.json. Raises BundleError."""
    try:
        pointer = msgspec.json.decode(raw, type=Pointer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{where}{KEY} is no pointer of fenlei publish: {error}.") from None
    if pointer.format != FORMAT or any(sum(one.weight for one in state) != 100 for state in states(pointer)):
        raise BundleError(f"{where}{KEY} is of another format, or its weights do not add up to 100; publish again.")
    return pointer


def digest(pointer: Pointer, where: Place) -> bytes:
    """What is signed: sha256 of the place and of all that the pointer says, so that it is good nowhere else."""
    said = msgspec.json.encode(replace(pointer, signature=UNSET))
    return hashlib.sha256(f"{where}\n".encode() + said).digest()


def states(pointer: Pointer) -> list[list[Served]]:
    """What serves, and what served before, the newest first."""
    return [pointer.serving, *pointer.before]
