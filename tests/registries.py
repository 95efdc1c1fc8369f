"""A registry in moto's S3, and the handler that follows it: what tests of both call."""

import hashlib
import json
from typing import Any

import msgspec
from cloud import IN, Cloud

from handler import api
from handler.model import pointer as pointers
from handler.model.bundle import Bundle
from handler.model.pointer import FORMAT, Place, Pointer, Served
from training.commands.serve import Context, proxy_event
from training.shipping import registry

PREFIX = "models/reviews-zh/"
URI = f"s3://{IN}/{PREFIX}"
WHERE = Place(IN, PREFIX)
TEXT = "东西质量很好"


def publish(bundle: Bundle, share: int = 100) -> Pointer:
    return registry.publish(WHERE, bundle, share, bundle.manifest.metrics, registry.find(WHERE))


def call(method: str, path: str, body: object = None) -> Any:
    event = proxy_event(method, path, {"content-type": "application/json"}, json.dumps(body).encode())
    response = api.lambda_handler(event, Context("a-request"))
    return response["statusCode"], json.loads(response["body"])


def answered_by(model: str | None = None) -> str:
    """The version that answers a request."""
    status, body = call("POST", "/v1/classify", {"text": TEXT} | ({"model": model} if model else {}))
    assert status == 200, body
    return str(body["model"]["version"])


def health() -> list[tuple[str, int, str]]:
    status, body = call("GET", "/health")
    assert status == 200
    return [(one["version"], one["weight"], one["state"]) for one in body["published"]]


def versions(bundles: dict[str, Bundle], *names: str) -> list[str]:
    return [bundles[name].manifest.version for name in names]


def point_at(aws: Cloud, bundle: Bundle, archive: bytes | None = None, **changes: Any) -> None:
    """Moves the pointer by hand, past all that publishing checks."""
    content = registry.packed(bundle) if archive is None else archive
    served = Served(bundle.manifest.version, hashlib.sha256(content).hexdigest(), 100, "somebody", "now")
    before = registry.find(WHERE).pointer
    pointer = Pointer(FORMAT, bundle.manifest.name, [served], pointers.states(before) if before else [])
    aws.client("s3").put_object(Bucket=IN, Key=WHERE.bundle(served.sha256), Body=content)
    body = msgspec.json.encode(msgspec.structs.replace(pointer, **changes))
    aws.client("s3").put_object(Bucket=IN, Key=WHERE.pointer, Body=body)
