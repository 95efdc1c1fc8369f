"""The package as `sam build` makes it, run by `sam local invoke` in a container."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAM = ROOT / ".envs/sam/bin/sam"
IMAGE = "public.ecr.aws/lambda/python:3.13"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-central-1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="session")
def package() -> Path:
    if not SAM.exists():
        pytest.skip("the SAM command line is not installed; make sam")
    built = run(SAM, "build")
    assert built.returncode == 0, built.stderr
    return ROOT / ".aws-sam/build/ApiFunction"


@pytest.fixture(scope="session")
def container_image() -> None:
    if shutil.which("docker") is None or run("docker", "version").returncode:
        pytest.skip("no Docker engine answers")
    if run("docker", "image", "inspect", IMAGE).returncode:
        pytest.skip(f"the image {IMAGE} is not on this machine")


def test_the_template_is_valid() -> None:
    if not SAM.exists():
        pytest.skip("the SAM command line is not installed; make sam")
    checked = run(SAM, "validate", "--lint")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_package_holds_what_serves_and_nothing_else(package: Path) -> None:
    names = {path.name for path in package.iterdir()}
    assert {"handler", "model", "ai_edge_litert", "numpy", "tokenizers"} <= names
    assert not names & {"tensorflow", "keras", "training", "boto3", "huggingface_hub", "tests"}
    assert {path.name for path in (package / "model").iterdir()} == {
        "manifest.json",
        "model.tflite",
        "tokenizer.json",
        "golden.jsonl",
    }


def test_every_module_of_the_package_has_bytecode_that_is_never_checked(package: Path) -> None:
    sources = [path for path in package.rglob("*.py") if path.stat().st_size]
    assert len(sources) > 100
    for source in sources:
        bytecode = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        # PEP 552: bit 0 of the flags says hash-based, bit 1 whether the source is checked.
        assert int.from_bytes(bytecode.read_bytes()[4:8], "little") == 0b01, source


@pytest.mark.usefixtures("package", "container_image")
def test_sam_local_invoke_answers_with_predictions() -> None:
    invoked = run(SAM, "local", "invoke", "ApiFunction", "-e", "tests/events/classify.json", "--skip-pull-image")
    response = json.loads(invoked.stdout.strip().splitlines()[-1])
    assert response["statusCode"] == 200, invoked.stderr
    labels = [prediction["label"] for prediction in json.loads(response["body"])["predictions"]]
    assert labels == ["positive", "negative", "positive", "negative"]
