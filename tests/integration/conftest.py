"""A stand-in for S3, SQS and Step Functions: moto's server, over HTTP."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from bulk_machine import create
from cloud import Cloud, cloud

from handler.files import attempt, objects
from handler.files.records import Row
from handler.model.models import models


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


@pytest.fixture
def machine(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ARN of the bulk state machine."""
    return create(aws, monkeypatch)


@pytest.fixture
def runs_out_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Callable[[], float]]:
    """`runs_out_after(3)` is the clock of an invocation that has time for three windows of a file."""
    read, windows = 0, attempt.windows

    def counted(rows: Iterable[Row]) -> Iterator[list[Row]]:
        nonlocal read
        for window in windows(rows):
            read += 1
            yield window

    def clock(count: int) -> Callable[[], float]:
        began: list[int] = []  # how many were read before this invocation

        def seconds_left() -> float:
            began[:] = began or [read]
            return 900.0 if read < began[0] + count else 0.0

        return seconds_left

    monkeypatch.setattr(attempt, "windows", counted)
    return clock
