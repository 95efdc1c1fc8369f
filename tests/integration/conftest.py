"""A stand-in for S3, SQS and Step Functions: moto's server, over HTTP."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloud import Cloud, cloud

from handler import objects
from tests.emulator import ROOT

MACHINE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())


@pytest.fixture(scope="session")
def running_cloud() -> Iterator[Cloud]:
    with cloud() as running:
        yield running


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
    assert "AWS_PROFILE" not in os.environ


@pytest.fixture(scope="session")
def emulator() -> Path:
    pytest.importorskip("awslambdaric")
    found = [Path(os.environ["FENLEI_RIE"])] if "FENLEI_RIE" in os.environ else []
    found += ROOT.glob(f".envs/sam/lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{MACHINE}")
    if not found:
        pytest.skip("aws-lambda-rie is not here; make sam brings it, or name it in FENLEI_RIE")
    return found[0]
