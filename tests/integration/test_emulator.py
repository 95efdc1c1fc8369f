"""The handler in Lambda's own runtime emulator, with a real bundle: init, warm requests, errors."""

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud import Cloud

from handler.bundle import Bundle
from handler.interpreter import RUNTIME
from tests.s3_events import s3_event, sqs_event
from training.serve import proxy_event

ROOT = Path(__file__).parents[2]
MACHINE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
TEXTS = ["东西质量很好，非常满意", "太差了，第二天就坏了"]

Invoke = Callable[[object], dict[str, Any]]


@pytest.fixture(scope="session")
def emulator() -> Path:
    pytest.importorskip("awslambdaric")
    found = [Path(os.environ["FENLEI_RIE"])] if "FENLEI_RIE" in os.environ else []
    found += ROOT.glob(f".envs/sam/lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{MACHINE}")
    if not found:
        pytest.skip("aws-lambda-rie is not here; make sam brings it, or name it in FENLEI_RIE")
    return found[0]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Function:
    """A function in the emulator; one request at a time."""

    def __init__(
        self, emulator: Path, model: Path, log: Path, handler: str = "handler.api.lambda_handler", **more: str
    ) -> None:
        self.log = log
        self.address = f"127.0.0.1:{free_port()}"
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MODEL_DIR": str(model)} | more
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    emulator,
                    "--runtime-interface-emulator-address",
                    self.address,
                    "--runtime-api-address",
                    f"127.0.0.1:{free_port()}",
                    sys.executable,
                    "-m",
                    "awslambdaric",
                    handler,
                ],
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def invoke(self, event: object) -> dict[str, Any]:
        """What the function returned: the response, or Lambda's own error document."""
        url = f"http://{self.address}/2015-03-31/functions/function/invocations"
        for attempt in range(100):
            try:
                with urllib.request.urlopen(url, json.dumps(event).encode(), timeout=60) as answer:
                    result: dict[str, Any] = json.load(answer)
                    return result
            except urllib.error.URLError:  # it does not listen yet
                if attempt == 99 or self.process.poll() is not None:
                    raise
                time.sleep(0.1)
        raise AssertionError

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)  # a group of our own: the emulator and its Python
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


@pytest.fixture(scope="module")
def function(emulator: Path, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    function = Function(emulator, bundle_path.absolute(), tmp_path_factory.mktemp("emulator") / "log")
    yield function
    function.stop()


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


def test_without_a_bundle_each_request_is_503_and_the_log_says_why(emulator: Path, tmp_path: Path) -> None:
    function = Function(emulator, tmp_path / "nowhere", tmp_path / "log")
    try:
        for _ in range(2):
            response = function.invoke(classify({"text": "ok"}))
            assert response["statusCode"] == 503
            assert "nowhere" not in response["body"]
    finally:
        function.stop()
    assert f"{tmp_path}/nowhere does not exist" in (tmp_path / "log").read_text(encoding="utf-8", errors="replace")


def test_the_function_for_files_in_s3_answers_events(
    emulator: Path, aws: Cloud, bundle_path: Path, tmp_path: Path
) -> None:
    version = aws.put("一 月.jsonl", f'{{"text": "{TEXTS[0]}"}}\n{{"text": "{TEXTS[1]}"}}\n{{\n'.encode())
    function = Function(
        emulator, bundle_path.absolute(), tmp_path / "log", "handler.s3.lambda_handler", **aws.environment
    )
    try:
        event = s3_event("一 月.jsonl", version)
        assert function.invoke(sqs_event(event, "no event")) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
        assert function.invoke(event) is None
        assert function.invoke({})["errorType"] == "EventError"
    finally:
        function.stop()

    lines = [json.loads(line) for line in aws.get("一 月.jsonl.predictions.jsonl").splitlines()]
    assert [line.get("label", line.get("error")) for line in lines] == ["positive", "negative", "the line is not JSON"]
    assert not any(text in (tmp_path / "log").read_text(encoding="utf-8", errors="replace") for text in TEXTS)


def test_a_bundle_with_a_changed_byte_is_503(emulator: Path, bundle_path: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in bundle_path.iterdir():
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= file.name == "model.tflite"
        (damaged / file.name).write_bytes(content)
    function = Function(emulator, damaged, tmp_path / "log")
    try:
        assert function.invoke(classify({"text": "ok"}))["statusCode"] == 503
    finally:
        function.stop()
    assert "model.tflite was changed" in (tmp_path / "log").read_text(encoding="utf-8", errors="replace")
