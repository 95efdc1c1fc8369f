"""Requests made from the contract, right and wrong ones, against `fenlei serve`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_server import serving

API_KEY = "a-key-for-tests"
SEED = "20"
EXAMPLES = "50"


@pytest.fixture(scope="module")
def url(bundle_path: Path) -> Iterator[str]:
    with serving(bundle_path, FENLEI_API_KEY=API_KEY) as found:
        yield found


def test_every_operation_keeps_to_the_contract(url: str, tmp_path: Path) -> None:
    """All checks of Schemathesis; examples, coverage, fuzzing, and the links from one call to the next."""
    command: list[str | Path] = [Path(sys.executable).parent / "schemathesis", "run", f"{url}/openapi.json"]
    command += ["--checks", "all", "--mode", "all", "--phases", "examples,coverage,fuzzing,stateful"]
    command += ["--max-examples", EXAMPLES, "--seed", SEED, "--header", f"x-api-key: {API_KEY}", "--no-color"]
    # All but missing_test_data: where no feedback is kept, its route is a 404 whatever is sent.
    command += ["--warnings", "missing_auth,validation_mismatch,missing_deserializer,unused_openapi_auth"]

    utf8 = os.environ | {"PYTHONUTF8": "1"}  # for its own signs
    done = subprocess.run(command, cwd=tmp_path, env=utf8, capture_output=True, encoding="utf-8", check=False)

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout
    assert "✅ Stateful" in done.stdout.replace("  ", " ")
