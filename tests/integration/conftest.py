"""A stand-in for S3, SQS and Step Functions: moto's server, over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cloud import Cloud, cloud

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
