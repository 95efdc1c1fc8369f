"""S3, SQS and Step Functions on this machine: moto's server, over HTTP, as the handler and its tests see AWS.

Two things are added to moto. A multipart upload is completed under `If-Match`, which moto does not know yet; and a
`Fault` can be put before the next requests, to see what becomes of the work.
"""

import gzip
import json
import logging
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qs

import boto3
from moto.s3 import models as s3_models
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from tests.s3_events import ACCOUNT, IN, REGION, sqs_event

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
OUT = "texts-out"
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Fault = Callable[[dict[str, Any], Any, Application], Iterable[bytes] | None]


class Cloud:
    """A running server. `fault`, if set, sees each request first and may answer it."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        os.environ.update(CREDENTIALS)
        s3_models.S3_UPLOAD_PART_MIN_SIZE = 0  # so that small parts will do, too
        self.application: Application = DomainDispatcherApplication(create_backend_app)
        self.fault: Fault | None = None
        self._clients: dict[str, Any] = {}
        self._completing = threading.Lock()
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.server = make_server(host, 0, self, threaded=True)
        self.url = f"http://{host}:{self.server.server_port}"
        self.environment = CREDENTIALS | {"AWS_ENDPOINT_URL": self.url, "OUTPUT_BUCKET": OUT}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self.fault:
            answered = self.fault(environ, start_response, self.application)
            if answered is not None:
                return answered
        return self.serve(environ, start_response)

    def serve(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Carries a request out, whatever the fault."""
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
        held = s3_models.s3_backends[ACCOUNT]["aws"].get_object(bucket, key)
        return held is None or held.etag.strip('"') != environ["HTTP_IF_MATCH"].strip('"')

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service, endpoint_url=self.url, region_name=REGION)
        return self._clients[service]

    def make_buckets(self) -> None:
        s3 = self.client("s3")
        for bucket in (IN, OUT):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def reset(self) -> None:
        """Empties everything."""
        self.fault = None
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")).close()
        self.make_buckets()

    def put(self, key: str, content: bytes, **options: Any) -> str:
        """Puts an object into the input bucket; gives its version."""
        return str(self.client("s3").put_object(Bucket=IN, Key=key, Body=content, **options)["VersionId"])

    def get(self, key: str, bucket: str = OUT) -> bytes:
        content: bytes = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def contents(self, bucket: str = OUT) -> list[str]:
        """The keys of a bucket."""
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def summary(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get(f"{key}.summary.json"))
        return found

    def predictions(self, key: str) -> list[dict[str, Any]]:
        """The lines of an object's predictions."""
        packed = key.lower().endswith(".gz")
        content = self.get(f"{key}.predictions.jsonl{'.gz' if packed else ''}")
        return [json.loads(line) for line in (gzip.decompress(content) if packed else content).splitlines()]

    def uploads(self) -> list[str]:
        """Multipart uploads into the output bucket that were neither completed nor aborted."""
        found = self.client("s3").list_multipart_uploads(Bucket=OUT)
        return [upload["Key"] for upload in found.get("Uploads", [])]


@contextmanager
def cloud(host: str = "127.0.0.1") -> Iterator[Cloud]:
    running = Cloud(host)
    running.reset()  # all stand-ins of a process share one state
    try:
        yield running
    finally:
        running.server.shutdown()


class Queue:
    """A queue with a dead-letter queue, and what Lambda does between a queue and a function."""

    def __init__(self, cloud: Cloud, name: str = "texts", attempts: int = 3, visibility: int = 1) -> None:
        self.sqs = cloud.client("sqs")
        self.dead_url = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead_url, AttributeNames=["QueueArn"])["Attributes"]
        policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": str(attempts)}
        attributes = {"VisibilityTimeout": str(visibility), "RedrivePolicy": json.dumps(policy)}
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def send(self, event: Any) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=event if isinstance(event, str) else json.dumps(event))

    def receive(self, count: int = 1) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=count, AttributeNames=["All"]
        ).get("Messages", [])
        return found

    def deliver(self, messages: list[dict[str, Any]], function: Callable[[dict[str, Any]], Any]) -> None:
        """Invokes the function with messages and deletes those that did not fail; all stay if it raises."""
        event = sqs_event(*(message["Body"] for message in messages))
        for record, message in zip(event["Records"], messages, strict=True):
            record["messageId"], record["receiptHandle"] = message["MessageId"], message["ReceiptHandle"]
            record["attributes"] = message["Attributes"]
        failed = {failure["itemIdentifier"] for failure in function(event)["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] not in failed:
                # One that took longer than it was hidden has another handle by now, and comes again.
                with suppress(self.sqs.exceptions.ReceiptHandleIsInvalid):
                    self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def left(self) -> int:
        """Messages that are neither done nor dead, whether somebody works on them or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def drain(self, function: Callable[[dict[str, Any]], Any], seconds: float = 30) -> None:
        """Delivers until nothing is left. Raises AssertionError if that takes too long."""
        end = time.monotonic() + seconds
        while self.left():
            assert time.monotonic() < end, "messages go round and round"
            messages = self.receive(10)
            if messages:
                self.deliver(messages, function)
            else:
                time.sleep(0.05)

    def dead(self) -> list[str]:
        """The messages that were given up, taken from the dead-letter queue."""
        bodies = []
        while found := self.sqs.receive_message(QueueUrl=self.dead_url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in found]
        return bodies


def refuse(start_response: Any, status: int, code: str) -> list[bytes]:
    """An error as S3 sends it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    start_response(f"{status} {code}", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


def refusing(part: str, status: int, code: str) -> Fault:
    """Refuses every request whose path holds this."""

    def fault(environ: dict[str, Any], start_response: Any, _: Application) -> Iterable[bytes] | None:
        return refuse(start_response, status, code) if part in environ["PATH_INFO"] else None

    return fault
