"""A stand-in for S3, SQS and Step Functions: moto's server, over HTTP."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bulk_machine import create
from cloud import Cloud, cloud
from registries import URI
from support import write_bundle

from handler.files import attempt, objects
from handler.files.records import Row
from handler.model import registry as following
from handler.model.bundle import Bundle, load
from handler.model.models import models
from training.shipping import registry


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


# --- a registry, and a function that follows it ---------------------------------------------------


@pytest.fixture(scope="session")
def shelf(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions of the default model with few golden texts, and one that does not replay."""
    directory = tmp_path_factory.mktemp("versions")
    few = b"".join(bundle.golden_lines.splitlines(keepends=True)[:20])
    poison = {"labels": bundle.manifest.labels[::-1]}
    changes = {"a": {}, "b": {"threshold": 0.91}, "c": {"threshold": 0.92}, "poisoned": poison}
    for name, change in changes.items():
        write_bundle(directory / name, bundle, golden_lines=few, **change)
    return directory


@pytest.fixture(scope="session")
def bundles(shelf: Path, packed_once: None) -> dict[str, Bundle]:  # noqa: ARG001
    """Those versions, loaded."""
    return {path.name: load(path) for path in shelf.iterdir()}


@pytest.fixture
def follow(
    aws: Cloud,  # noqa: ARG001
    shelf: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Callable[[], Any]]:
    """`follow()` starts a function that follows the registry, as a cold start does; version a is in its package."""
    monkeypatch.setenv("MODEL_REGISTRY", URI)
    monkeypatch.setenv("MODEL_DIR", str(shelf / "a"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(following.Registry.__init__, "__defaults__", (None, "", tmp_path))
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.0)

    def started() -> Any:
        models.cache_clear()
        models()
        return models.registry

    yield started
    models.cache_clear()


@pytest.fixture(scope="session")
def packed_once() -> Iterator[None]:
    """Of each bundle the archive is made once."""
    with pytest.MonkeyPatch.context() as patch:
        made: dict[str, bytes] = {}
        pack = registry.packed
        patch.setattr(registry, "packed", lambda one: made.setdefault(one.manifest.version, b"") or pack_into(one))

        def pack_into(one: Bundle) -> bytes:
            made[one.manifest.version] = pack(one)
            return made[one.manifest.version]

        yield
