"""Events of S3 as AWS writes them, and an invocation's context. Light: moto is not imported."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

REGION, ACCOUNT = "eu-central-1", "123456789012"
IN = "texts-in"
# A good review and a bad one.
TWO_LINES = '{"id": "a", "text": "东西质量很好，非常满意"}\n{"id": 7, "text": "太差了，第二天就坏了"}\n'.encode()


class Invocation:
    """What the handler uses of Lambda's context object; `seconds` are left at first, or what a function says."""

    aws_request_id = "a-request"
    function_name = "batch"
    function_version = "$LATEST"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn:aws:lambda:local:000000000000:function:batch"

    def __init__(self, seconds: float = 900, left: Callable[[], float] | None = None) -> None:
        end = time.monotonic() + seconds
        self._left = left or (lambda: end - time.monotonic())

    def get_remaining_time_in_millis(self) -> int:
        return int(self._left() * 1000)


def s3_event(key: str, version: str = "", name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """S3's own event: the key is written as in a form."""
    found = {"key": quote_plus(key, safe="/"), "size": 1, "eTag": "e", "sequencer": "0"}
    if version:
        found["versionId"] = version
    s3 = {"s3SchemaVersion": "1.0", "bucket": {"name": IN, "arn": f"arn:aws:s3:::{IN}"}, "object": found}
    return {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": name, "s3": s3}]}


def eventbridge_event(key: str, version: str = "", name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """EventBridge's: the key is written as it is."""
    what = "Object Created" if name.startswith("ObjectCreated:") else "Object Deleted"
    found = {"key": key, "size": 1, "etag": "e", "sequencer": "0"} | ({"version-id": version} if version else {})
    detail = {"version": "0", "bucket": {"name": IN}, "object": found, "reason": f"{name.partition(':')[2]}Object"}
    return {"version": "0", "detail-type": what, "source": "aws.s3", "region": REGION, "detail": detail}


def sqs_event(*bodies: Any) -> dict[str, Any]:
    """Messages with an event each; their ids are m0, m1 ..."""
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": "r",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:texts",
            }
            for number, body in enumerate(bodies)
        ]
    }
