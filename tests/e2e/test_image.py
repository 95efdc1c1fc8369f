"""The container image: the same handler on Python 3.11 and tflite-runtime, run by `sam local`."""

import json
import shutil
from pathlib import Path

import pytest
from sam import SAM, run

from training.serve import proxy_event

# What build/Dockerfile names, and what stands in for it where no registry can be reached.
BASES = ("python:3.11-slim-bookworm", "public.ecr.aws/lambda/python:3.11")


@pytest.fixture(scope="module")
def image(bundle_path: Path) -> str:
    if shutil.which("docker") is None or run("docker", "version").returncode:
        pytest.skip("no Docker engine answers")
    base = next((base for base in BASES if run("docker", "image", "inspect", base).returncode == 0), "")
    if not base:
        pytest.skip(f"none of the images {', '.join(BASES)} is on this machine")
    built = run("make", "-s", "image", f"BASE={base}", f"MODEL={bundle_path}")
    assert built.returncode == 0, built.stdout + built.stderr
    assert "golden texts answered as in training" in built.stdout
    return "fenlei:latest"


@pytest.mark.usefixtures("image")
def test_sam_local_invoke_answers_from_the_image(tmp_path: Path) -> None:
    asked = tmp_path / "health.json"
    asked.write_text(json.dumps(proxy_event("GET", "/health", {}, b"")), encoding="utf-8")
    command = [SAM, "local", "invoke", "ApiFunction", "-t", "infra/image.yaml", "--skip-pull-image"]

    classified, health = (run(*command, "-e", event) for event in ("tests/events/classify.json", asked))

    answers = [json.loads(invoked.stdout.strip().splitlines()[-1]) for invoked in (classified, health)]
    assert [answer["statusCode"] for answer in answers] == [200, 200], classified.stderr
    labels = [prediction["label"] for prediction in json.loads(answers[0]["body"])["predictions"]]
    assert labels == ["positive", "negative", "positive", "negative"]
    assert json.loads(answers[1]["body"])["runtime"] == "tflite-runtime"
