"""The container image, on either interpreter, run by `sam local`."""

import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from sam import SAM, model, run


class Kind(NamedTuple):
    """A target, the images that it may be built on here, and its interpreter."""

    target: str
    bases: tuple[str, ...]
    runtime: str


# What each Dockerfile names, and what stands in for it where no registry can be reached.
KINDS = (
    Kind("image-python3.13", ("public.ecr.aws/lambda/python:3.13",), "ai-edge-litert"),
    Kind("image-debian12", ("python:3.11-slim-bookworm", "public.ecr.aws/lambda/python:3.11"), "tflite-runtime"),
)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.target)
def image(request: pytest.FixtureRequest, bundle_path: Path) -> Kind:
    kind: Kind = request.param
    if shutil.which("docker") is None or run("docker", "version").returncode:
        pytest.skip("no Docker engine answers")
    base = next((base for base in kind.bases if run("docker", "image", "inspect", base).returncode == 0), "")
    if not base:
        pytest.skip(f"none of the images {', '.join(kind.bases)} is on this machine")
    built = run("make", "-s", "image", f"IMAGE_TARGET={kind.target}", f"BASE={base}", model(bundle_path))
    assert built.returncode == 0, built.stdout + built.stderr
    assert re.search(f"golden texts answered as in training, .* on {kind.runtime}", built.stdout)
    return kind


def test_sam_local_invoke_answers_from_the_image(image: Kind) -> None:
    command = [SAM, "local", "invoke", "ApiFunction", "-t", "infra/image.yaml", "--skip-pull-image"]

    invoked = run(*command, "-e", "tests/events/classify.json")

    response = json.loads(invoked.stdout.strip().splitlines()[-1])
    assert response["statusCode"] == 200, (image, invoked.stderr)
    labels = [prediction["label"] for prediction in json.loads(response["body"])["predictions"]]
    assert labels == ["positive", "negative", "positive", "negative"]


def test_the_image_runs_on_the_interpreter_of_its_target(image: Kind) -> None:
    asked = json.dumps({"httpMethod": "GET", "path": "/health"})
    command = [SAM, "local", "invoke", "ApiFunction", "-t", "infra/image.yaml", "--skip-pull-image", "-e", "-"]

    invoked = run(*command, given=asked)

    response = json.loads(invoked.stdout.strip().splitlines()[-1])
    assert json.loads(response["body"])["runtime"] == image.runtime
