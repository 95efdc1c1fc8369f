"""The handler alone: what it imports, and what it does without."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import PYTHON

ROOT = Path(__file__).parents[2]
HANDLER_ONLY = Path(sys.prefix).name.startswith("handler-")
TRAINING = ("tensorflow", "keras", "jinja2", "rich", "typer", "snownlp", "sklearn")
# Each costs more at a cold start than all that the handler needs, or is not shipped.
NEVER_IMPORTED = (
    *TRAINING,
    "boto3",
    "botocore.session",
    "pydantic",
    "huggingface_hub",
    "aws_lambda_powertools.event_handler",
    "aws_xray_sdk",
    "training",
    "build",
)


@pytest.mark.skipif(not HANDLER_ONLY, reason="this environment is for training too")
@pytest.mark.parametrize("module", [module for module in TRAINING if module != "jinja2"])  # moto brings that one
def test_nothing_of_training_is_installed(module: str) -> None:
    assert importlib.util.find_spec(module) is None


def test_the_handler_imports_nothing_that_makes_a_cold_start_slow() -> None:
    code = "import handler.api, json, sys; print(json.dumps(sorted(sys.modules)))"

    done = subprocess.run([*PYTHON, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)

    imported = set(json.loads(done.stdout))
    assert {"handler.api", "tokenizers", "numpy"} <= imported
    assert not imported & set(NEVER_IMPORTED)


def test_the_function_for_files_in_s3_needs_boto3_and_nothing_else_that_is_slow() -> None:
    code = "import handler.s3, json, sys; print(json.dumps(sorted(sys.modules)))"

    done = subprocess.run([*PYTHON, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)

    imported = set(json.loads(done.stdout))
    assert {"handler.s3", "botocore.exceptions"} <= imported
    assert not imported & (set(NEVER_IMPORTED) - {"boto3", "botocore.session"})
