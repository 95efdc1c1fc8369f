"""A stand-in for S3, SQS and Step Functions: moto's server, over HTTP."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from cloud import Cloud, cloud
from support import ROOT, Start

from build.errors import BuildError
from build.replay import Command, Function, find_emulator, running
from handler import objects
from handler.models import models


@pytest.fixture(scope="session")
def running_cloud() -> Iterator[Cloud]:
    with cloud() as running:
        yield running


@pytest.fixture(scope="module")
def fresh_models() -> Iterator[None]:
    """No bundle that another module served is still loaded."""
    models.cache_clear()
    yield
    models.cache_clear()


@pytest.fixture
def aws(running_cloud: Cloud, bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Empty buckets, and an environment in which the handler finds them."""
    running_cloud.reset()
    for name, value in (running_cloud.environment | {"MODEL_DIR": str(bundle_path.absolute())}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("STATE_MACHINE_ARN", raising=False)
    objects.client.cache_clear()
    yield running_cloud
    running_cloud.fault = None
    objects.client.cache_clear()


@pytest.fixture(scope="session")
def start() -> Start:
    """`with start(model, log) as function` runs this tree's handler under the emulator, with this Python."""
    pytest.importorskip("awslambdaric")
    try:
        find_emulator()
    except BuildError as error:
        pytest.skip(str(error))

    def started(
        model: Path, log: Path, handler: str = "handler.api.lambda_handler", **more: str
    ) -> AbstractContextManager[Function]:
        environment = {"PYTHONPATH": str(ROOT), "MODEL_DIR": str(model)} | more
        return running(Command([sys.executable, "-m", "awslambdaric", handler], ROOT, environment), log)

    return started
