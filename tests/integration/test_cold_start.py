"""What a cold start costs and leaves behind: imports, threads, and the state that SnapStart copies."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import PYTHON

from handler.model.bundle import Bundle
from handler.model.interpreter import MEMORY_OF_ONE_PROCESSOR, processors

ROOT = Path(__file__).parents[2]
# Modules that the handler's entry point brings in, over those that a bare interpreter has. Seconds are in the bench.
IMPORTED_MODULES_CEILING = 10
# Of which each of these may bring so many times those of a bare interpreter.
LIBRARY_CEILINGS = {"aws_lambda_powertools": 1.5, "handler": 0.5, "jmespath": 0.4, "msgspec": 0.5, "tokenizers": 0.6}


def python(code: str, **environment: str) -> str:
    """Runs code in a process of its own, as if in Lambda if `environment` says so; gives what it prints."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OPENBLAS_", "MODEL_"))}
    done = subprocess.run(
        [*PYTHON, "-c", code],
        cwd=ROOT,
        env=plain | environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def imported_by(code: str) -> set[str]:
    return set(json.loads(python(f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))")))


# --- imports --------------------------------------------------------------------------------------


def test_the_handler_imports_few_modules_for_what_it_does() -> None:
    bare, ours = imported_by(""), imported_by("import handler.api")

    assert len(ours) / len(bare) <= IMPORTED_MODULES_CEILING
    for library, ceiling in LIBRARY_CEILINGS.items():
        found = [module for module in ours if module.split(".")[0] == library]
        assert found, library
        assert len(found) / len(bare) <= ceiling, library


@pytest.mark.parametrize(
    "module",
    [
        *("asyncio", "email", "http.client", "ssl", "tarfile", "unittest", "urllib.request"),
        "handler.https.mcp",
        "handler.https.feedback",
    ],
)
def test_what_only_some_requests_need_is_imported_late(module: str) -> None:
    assert module not in imported_by("import handler.api")


def test_loading_a_model_and_answering_import_nothing_more(bundle_path: Path) -> None:
    code = """
import json, sys
import handler.api
from handler.model.models import models
before = set(sys.modules)
models().warm()
models().get(None).classify(["a"])
print(json.dumps(sorted(set(sys.modules) - before)))
"""

    assert json.loads(python(code, MODEL_DIR=str(bundle_path))) == []


# --- threads --------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells threads in /proc")
def test_in_lambda_importing_numpy_starts_no_thread() -> None:
    code = "import handler.model.classifier, pathlib; print(len(list(pathlib.Path('/proc/self/task').iterdir())))"

    assert python(code, AWS_LAMBDA_RUNTIME_API="127.0.0.1:1") == "1"


@pytest.mark.parametrize(
    ("memory", "expected"),
    [("", 1), ("128", 1), ("1769", 1), ("3537", 1), ("3538", 2), ("10240", 5)],
)
def test_threads_are_the_whole_processors_that_the_memory_buys(
    memory: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", raising=False)
    if memory:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory)

    assert processors() == expected
    assert processors() * MEMORY_OF_ONE_PROCESSOR <= max(int(memory or 0), MEMORY_OF_ONE_PROCESSOR)


# --- SnapStart ------------------------------------------------------------------------------------

IN_LAMBDA = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}

# The hooks are run as Lambda's own client runs them; a copy begins with the generator as the snapshot has it.
COPIES = """
import json, random
import handler.api
from handler.model.models import models
from awslambdaric.lambda_runtime_hooks_runner import run_after_restore, run_before_snapshot

prepared = [len(c._interpreter._runners) for c in models().all()]
run_before_snapshot()
prepared += [len(c._interpreter._runners) for c in models().all()]

snapshot = random.getstate()

def drawn(restore):
    random.setstate(snapshot)
    if restore:
        run_after_restore()
    return random.random()

drawn_by_copies = {restore: [drawn(restore), drawn(restore)] for restore in (False, True)}
print(json.dumps({"prepared": prepared, "as_copied": drawn_by_copies[False], "restored": drawn_by_copies[True]}))
"""


@pytest.fixture(scope="module")
def copies(bundle_path: Path) -> dict[str, list]:
    pytest.importorskip("awslambdaric")
    return json.loads(python(COPIES, MODEL_DIR=str(bundle_path), **IN_LAMBDA))


def test_init_prepares_one_function_of_the_model_and_a_snapshot_all(copies: dict[str, list], bundle: Bundle) -> None:
    purposes = 2 if bundle.manifest.embedding_width else 1

    assert copies["prepared"] == [1, purposes * len(bundle.manifest.signatures)]


def test_each_copy_of_a_snapshot_has_randomness_of_its_own(copies: dict[str, list]) -> None:
    assert len(set(copies["as_copied"])) == 1  # which is why something has to be done
    assert len(set(copies["restored"])) == 2


def test_a_snapshot_of_a_function_without_its_model_is_not_published(tmp_path: Path) -> None:
    pytest.importorskip("awslambdaric")
    code = """
import handler.api
from awslambdaric.lambda_runtime_hooks_runner import run_before_snapshot
try:
    run_before_snapshot()
except Exception as error:
    print(type(error).__name__)
"""

    assert python(code, MODEL_DIR=str(tmp_path / "nowhere"), **IN_LAMBDA) == "BundleError"
