"""The pre-traffic hook under the emulator: three faults are refused, the good bundle passes.

Hook and new version run as two functions, and the hook calls the new version as it would on AWS, through Lambda's
Invoke. moto does not know the call with which a hook tells CodeDeploy its verdict, so a small server takes it.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cloud import IN, Cloud
from support import Start, write_bundle

from handler.model.bundle import Bundle, load
from handler.model.interpreter import Interpreter
from handler.model.pointer import Place
from training.shipping import registry

EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"}


class CodeDeploy:
    """Takes what a hook says, and nothing else."""

    def __init__(self) -> None:
        verdicts = self.verdicts = []  # type: list[dict[str, str]]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["X-Amz-Target"] == "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus"
                verdicts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                body = json.dumps({"lifecycleEventHookExecutionId": "e-1"}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def codedeploy() -> Iterator[CodeDeploy]:
    running = CodeDeploy()
    yield running
    running.server.shutdown()
    running.server.server_close()


# The seal and all digests of a planted bundle are right, so that it is the replay that refuses it.


def swap_labels(bundle: Bundle) -> dict[str, Any]:
    return {"labels": bundle.manifest.labels[::-1]}


def forget_to_normalise(bundle: Bundle) -> dict[str, Any]:
    tokenizer = json.loads(bundle.tokenizer)
    assert tokenizer["normalizer"]
    return {"tokenizer": json.dumps(tokenizer | {"normalizer": None})}


def move_every_token_by_one(bundle: Bundle) -> dict[str, Any]:
    tokenizer = json.loads(bundle.tokenizer)
    vocabulary = tokenizer["model"]["vocab"]
    learned = len(vocabulary) - 2
    tokenizer["model"]["vocab"] = {t: i if i < 2 else 2 + (i - 1) % learned for t, i in vocabulary.items()}
    return {"tokenizer": json.dumps(tokenizer)}


def take_signed_weights_for_unsigned(bundle: Bundle) -> dict[str, Any]:
    """The int8 tables are written as uint8 with a zero point of 128, and read as int8: quantisation gone wrong."""
    model = bytearray(bundle.model)
    interpreter = Interpreter(bundle.model)._interpreter
    inner, tables = interpreter._interpreter, set()
    for subgraph in range(len(interpreter.get_signature_list())):
        for tensor in range(inner.NumTensors(subgraph)):
            if inner.TensorName(tensor, subgraph) and inner.TensorType(tensor, subgraph).__name__ == "int8":
                with suppress(ValueError):  # what is no constant has no value yet
                    tables.add(interpreter.get_tensor(tensor, subgraph).tobytes())
    tables = {weights for weights in tables if len(weights) > 10_000}
    for weights in tables:
        start = bundle.model.index(weights)
        model[start : start + len(weights)] = bytes(byte ^ 0x80 for byte in weights)
    assert tables
    return {"model": bytes(model)}


def test_the_good_bundle_passes(bundle_path: Path, verdict_on: Callable[[Path], tuple[str, str]]) -> None:
    status, log = verdict_on(bundle_path)

    assert status == "Succeeded"
    assert '"mean_difference":' in log


@pytest.mark.parametrize(
    "fault", [swap_labels, forget_to_normalise, move_every_token_by_one, take_signed_weights_for_unsigned]
)
def test_a_fault_is_refused(
    bundle: Bundle,
    fault: Callable[[Bundle], dict[str, Any]],
    verdict_on: Callable[[Path], tuple[str, str]],
    tmp_path: Path,
) -> None:
    status, log = verdict_on(write_bundle(tmp_path / "bad", bundle, **fault(bundle)))

    assert status == "Failed"
    assert "The new version gives" in log
    assert not any(one.text in log for one in bundle.golden() if len(one.text) > 5)


def test_a_new_version_with_another_model_is_refused(
    bundle: Bundle, bundle_path: Path, verdict_on: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    other = write_bundle(tmp_path / "other", bundle, temperature=2 * bundle.manifest.temperature)

    status, log = verdict_on(bundle_path, serving=other)

    assert status == "Failed"
    assert "another model" in log


def test_a_new_version_that_cannot_start_is_refused(
    bundle_path: Path, verdict_on: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    status, log = verdict_on(bundle_path, serving=tmp_path / "nowhere")

    assert status == "Failed"
    assert "The new version answers 503" in log


def test_golden_texts_without_labels_pass_with_a_warning(
    bundle: Bundle, tmp_path: Path, verdict_on: Callable[[Path], tuple[str, str]]
) -> None:
    old = [msgspec.structs.replace(one, label=msgspec.UNSET) for one in bundle.golden()]
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in old)

    status, log = verdict_on(write_bundle(tmp_path / "old", bundle, golden_lines=lines))

    assert status == "Succeeded"
    assert "do not name their labels" in log


def test_both_versions_that_a_registry_names_are_replayed(
    aws: Cloud, bundle: Bundle, bundle_path: Path, tmp_path: Path, verdict_on: Callable[..., tuple[str, str]]
) -> None:
    where = Place(IN, "models/")
    other = load(write_bundle(tmp_path / "other", bundle, threshold=0.91))
    registry.publish(where, bundle, 100, {}, registry.find(where))
    registry.publish(where, other, 50, {}, registry.find(where))

    keys = {name: value for name, value in aws.environment.items() if name.startswith("AWS_") and "URL" not in name}
    status, log = verdict_on(bundle_path, MODEL_REGISTRY=str(where), AWS_ENDPOINT_URL_S3=aws.url, **keys)

    assert status == "Succeeded", log
    assert log.count('"mean_difference":') == 2
    assert all(one.manifest.version in log for one in (bundle, other))


@pytest.fixture
def verdict_on(start: Start, codedeploy: CodeDeploy, tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """`verdict_on(bundle)` deploys it in hook and new version; gives what CodeDeploy heard, and the hook's log."""

    def ask(bundle: Path, serving: Path | None = None, **more: str) -> tuple[str, str]:
        log = tmp_path / "hook.log"
        with start(serving or bundle, tmp_path / "new.log", **more) as new:
            environment = {
                "NEW_VERSION": "function",
                "AWS_ENDPOINT_URL_LAMBDA": f"http://{new.address}",
                "AWS_ENDPOINT_URL_CODEDEPLOY": codedeploy.url,
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "AWS_DEFAULT_REGION": "eu-central-1",
            }
            with start(bundle, log, "handler.hook.lambda_handler", **environment | more) as hook:
                answered = hook.invoke(EVENT)
        (said,) = codedeploy.verdicts
        assert said == {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "e-1", "status": answered["status"]}
        return said["status"], log.read_text(encoding="utf-8", errors="replace")

    return ask
