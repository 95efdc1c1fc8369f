"""The container image: the same handler on Python 3.11 and tflite-runtime, run by `sam local`."""

import json
import re
import shutil
from pathlib import Path

import pytest
from sam import SAM, model, run

# What build/Dockerfile names, and what stands in for it where no registry can be reached.
BASES = ("python:3.11-slim-bookworm", "public.ecr.aws/lambda/python:3.11")


@pytest.fixture(scope="module")
def image(bundle_path: Path) -> str:
    if shutil.which("docker") is None or run("docker", "version").returncode:
        pytest.skip("no Docker engine answers")
    base = next((base for base in BASES if run("docker", "image", "inspect", base).returncode == 0), "")
    if not base:
        pytest.skip(f"none of the images {', '.join(BASES)} is on this machine")
    built = run("make", "-s", "image", f"BASE={base}", model(bundle_path))
    assert built.returncode == 0, built.stdout + built.stderr
    assert re.search("golden texts answered as in training, .* on tflite-runtime", built.stdout)
    return "fenlei:latest"


@pytest.mark.usefixtures("image")
def test_sam_local_invoke_answers_from_the_image() -> None:
    command = [SAM, "local", "invoke", "ApiFunction", "-t", "infra/image.yaml", "--skip-pull-image"]

    invoked = run(*command, "-e", "tests/events/classify.json")

    response = json.loads(invoked.stdout.strip().splitlines()[-1])
    assert response["statusCode"] == 200, invoked.stderr
    labels = [prediction["label"] for prediction in json.loads(response["body"])["predictions"]]
    assert labels == ["positive", "negative", "positive", "negative"]
