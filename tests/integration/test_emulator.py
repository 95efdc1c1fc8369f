"""The handler in Lambda's own runtime emulator, with a real bundle: init, warm requests, errors."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cloud import Cloud
from support import Start

from build.replay import Function
from handler.model.bundle import Bundle
from handler.model.interpreter import RUNTIME
from tests.s3_events import s3_event, sqs_event
from training.commands.serve import proxy_event

TEXTS = ["东西质量很好，非常满意", "太差了，第二天就坏了"]


@pytest.fixture(scope="module")
def function(start: Start, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    with start(bundle_path.absolute(), tmp_path_factory.mktemp("emulator") / "log") as function:
        yield function


def classify(content: object) -> dict[str, Any]:
    return proxy_event("POST", "/v1/classify", {"Content-Type": "application/json"}, json.dumps(content).encode())


def test_the_first_request_is_answered(function: Function, bundle: Bundle) -> None:
    response = function.invoke(classify({"texts": TEXTS}))

    assert response["statusCode"] == 200
    body = json.loads(response["body"])
    assert body["model"] == {"name": bundle.manifest.name, "version": bundle.manifest.version}
    assert [prediction["label"] for prediction in body["predictions"]] == ["positive", "negative"]


def test_warm_requests_give_the_same_answer(function: Function) -> None:
    first, *others = [function.invoke(classify({"texts": TEXTS}))["body"] for _ in range(5)]

    assert all(other == first for other in others)


def test_health_names_the_interpreter(function: Function) -> None:
    body = json.loads(function.invoke(proxy_event("GET", "/health", {}, b""))["body"])

    assert body["runtime"] == RUNTIME


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (proxy_event("GET", "/nowhere", {}, b""), 404),
        (proxy_event("GET", "/v1/classify", {}, b""), 405),
        (proxy_event("POST", "/v1/classify", {}, b"{}"), 415),
        (proxy_event("POST", "/v1/classify", {"content-type": "application/json"}, b"{"), 400),
        (classify({"text": " "}), 422),
        (classify({"text": "a\ud83d"}), 400),
        ({}, 404),
        ([], 404),
    ],
    ids=["path", "method", "media type", "no JSON", "blank", "half a pair", "empty event", "no event"],
)
def test_errors_are_problems_and_the_function_lives_on(function: Function, event: object, status: int) -> None:
    response = function.invoke(event)

    assert response["statusCode"] == status
    assert response["headers"]["Content-Type"] == "application/problem+json"
    problem = json.loads(response["body"])
    assert problem["status"] == status
    assert problem["request_id"]
    assert function.invoke(classify({"text": "ok"}))["statusCode"] == 200


def test_the_log_holds_metrics_and_no_text(function: Function) -> None:
    function.invoke(classify({"text": "a private matter"}))

    log = function.log.read_text(encoding="utf-8", errors="replace")
    assert "CloudWatchMetrics" in log
    assert "private" not in log
    assert not any(text in log for text in TEXTS)


def signature_of(method: str, url: str, body: bytes, headers: dict[str, str], date: datetime) -> str:
    """The header that AWS Signature Version 4 gives a call of a gateway, by AWS's own code."""
    request = AWSRequest(method, url, {name: headers[name] for name in ("content-type", "host")}, body)
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "a-session-token")
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr("botocore.auth.get_current_datetime", lambda: date)
        SigV4Auth(credentials, "execute-api", "eu-central-1").add_auth(request)
    headers |= {name.lower(): str(value) for name, value in request.headers.items()}
    return headers["authorization"]


def test_a_signed_call_comes_in_as_it_was_signed_is_answered_and_leaves_no_trace(function: Function) -> None:
    # GIVEN a call as Auth=iam wants it; API Gateway checks it and hands it on as it is
    host, path, date = "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com", "/live/v1/classify", datetime.now(UTC)
    headers = {"content-type": "application/json", "host": host}
    body = json.dumps({"texts": TEXTS}).encode()
    signature = signature_of("POST", f"https://{host}{path}", body, headers, date)
    event = proxy_event("POST", "/v1/classify", headers, body)

    response = function.invoke(event)

    assert response["statusCode"] == 200
    received = {name: event["headers"][name] for name in ("content-type", "host")}
    assert signature_of("POST", f"https://{host}{path}", event["body"].encode(), received, date) == signature
    assert signature != signature_of("POST", f"https://{host}{path}", body[:-1] + b" ", dict(headers), date)
    log = function.log.read_text(encoding="utf-8", errors="replace")
    assert not [part for part in ("AKIAIOSFODNN7EXAMPLE", "a-session-token", signature[-64:]) if part in log]


def test_without_a_bundle_each_request_is_503_and_the_log_says_why(start: Start, tmp_path: Path) -> None:
    with start(tmp_path / "nowhere", tmp_path / "log") as function:
        for _ in range(2):
            response = function.invoke(classify({"text": "ok"}))
            assert response["statusCode"] == 503
            assert "nowhere" not in response["body"]
    assert f"{tmp_path}/nowhere does not exist" in (tmp_path / "log").read_text(encoding="utf-8", errors="replace")


def test_the_function_for_files_in_s3_answers_events(
    start: Start, aws: Cloud, bundle_path: Path, tmp_path: Path
) -> None:
    version = aws.put("一 月.jsonl", f'{{"text": "{TEXTS[0]}"}}\n{{"text": "{TEXTS[1]}"}}\n{{\n'.encode())
    with start(bundle_path.absolute(), tmp_path / "log", "handler.s3.lambda_handler", **aws.environment) as function:
        event = s3_event("一 月.jsonl", version)
        assert function.invoke(sqs_event(event, "no event")) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
        assert function.invoke(event) is None
        assert function.invoke({})["errorType"] == "EventError"

    lines = [json.loads(line) for line in aws.get("一 月.jsonl.predictions.jsonl").splitlines()]
    assert [line.get("label", line.get("error")) for line in lines] == ["positive", "negative", "the line is not JSON"]
    assert not any(text in (tmp_path / "log").read_text(encoding="utf-8", errors="replace") for text in TEXTS)


def test_a_bundle_with_a_changed_byte_is_503(start: Start, bundle_path: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in bundle_path.iterdir():
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= file.name == "model.tflite"
        (damaged / file.name).write_bytes(content)
    with start(damaged, tmp_path / "log") as function:
        assert function.invoke(classify({"text": "ok"}))["statusCode"] == 503
    assert "model.tflite was changed" in (tmp_path / "log").read_text(encoding="utf-8", errors="replace")
