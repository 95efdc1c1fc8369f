"""S3, SQS and Step Functions on this machine: moto's server, over HTTP, as the handler and its tests see AWS.

Two things are added to moto. A multipart upload is completed under `If-Match`, which moto does not know yet; and a
`Fault` can be put before the next requests, to see what becomes of the work.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import boto3
from moto.moto_api import state_manager  # noqa: F401 - moto registers its settings with this
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

REGION = "eu-central-1"
ACCOUNT = "123456789012"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
IN, OUT = "texts-in", "texts-out"
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Fault = Callable[[dict[str, Any], Any, Application], Iterable[bytes] | None]


class Cloud:
    """A running server. `fault`, if set, sees each request first and may answer it."""

    def __init__(self) -> None:
        os.environ.update(CREDENTIALS)
        os.environ.setdefault("S3_UPLOAD_PART_MIN_SIZE", "0")
        self.application: Application = DomainDispatcherApplication(create_backend_app)
        self.fault: Fault | None = None
        self.requests = 0
        self._completing = threading.Lock()
        self.server = make_server("127.0.0.1", 0, self, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.environment = CREDENTIALS | {"AWS_ENDPOINT_URL": self.url, "OUTPUT_BUCKET": OUT}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.requests += 1
        if self.fault:
            answered = self.fault(environ, start_response, self.application)
            if answered is not None:
                return answered
        condition = environ.get("HTTP_IF_MATCH") or environ.get("HTTP_IF_NONE_MATCH")
        if not condition or environ["REQUEST_METHOD"] == "GET":
            return self.application(environ, start_response)
        with self._completing:  # S3 checks and writes in one step
            if environ["REQUEST_METHOD"] == "POST" and "HTTP_IF_MATCH" in environ and self._differs(environ):
                return refuse(start_response, 412, "PreconditionFailed")
            return list(self.application(environ, start_response))

    def _differs(self, environ: dict[str, Any]) -> bool:
        if "uploadId" not in parse_qs(environ["QUERY_STRING"]):
            return False
        _, bucket, key = environ["PATH_INFO"].encode("latin-1").decode().split("/", 2)
        held = s3_backends[ACCOUNT]["aws"].get_object(bucket, key)
        return held is None or held.etag.strip('"') != environ["HTTP_IF_MATCH"].strip('"')

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.url, region_name=REGION)

    def make_buckets(self) -> None:
        s3 = self.client("s3")
        for bucket in (IN, OUT):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def reset(self) -> None:
        self.fault = None
        import urllib.request

        urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")).close()
        self.make_buckets()

    def put(self, key: str, content: bytes, **options: Any) -> str:
        """Puts an object into the input bucket; gives its version."""
        return str(self.client("s3").put_object(Bucket=IN, Key=key, Body=content, **options)["VersionId"])

    def get(self, key: str, bucket: str = OUT) -> bytes:
        content: bytes = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def keys(self, bucket: str = OUT) -> list[str]:
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def summary(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get(f"{key}.summary.json"))
        return found

    def uploads(self) -> list[str]:
        """Multipart uploads into the output bucket that were neither completed nor aborted."""
        found = self.client("s3").list_multipart_uploads(Bucket=OUT)
        return [upload["Key"] for upload in found.get("Uploads", [])]


@contextmanager
def cloud() -> Iterator[Cloud]:
    running = Cloud()
    running.make_buckets()
    try:
        yield running
    finally:
        running.server.shutdown()


def refuse(start_response: Any, status: int, code: str) -> list[bytes]:
    """An error as S3 sends it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    start_response(f"{status} {code}", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


def slow(seconds: float) -> Fault:
    def wait(*_: Any) -> None:
        time.sleep(seconds)

    return wait
