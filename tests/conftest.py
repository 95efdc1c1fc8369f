"""What all tests share. It imports only what ships, so that it works with and without TensorFlow."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support import FOUR_LINES, ROOT, Answer, Call, Start, answer

from build.errors import BuildError
from build.replay import Command, Function, find_emulator, running
from handler.model.bundle import Bundle, load
from handler.model.classifier import Classifier
from handler.model.models import models
from training.commands.serve import proxy_event
from training.data.read import Example

# The same examples in each run, so that a failure is one for everybody;
# `pytest --hypothesis-profile explore` looks for new ones.
settings.register_profile("default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", settings.get_profile("default"), derandomize=False, max_examples=2000)
settings.load_profile("default")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "accuracy: trains on a whole data set and measures (a minute or two)")


@pytest.fixture(scope="session")
def bundle_path() -> Path:
    """A bundle to serve: FENLEI_BUNDLE, or the default model, trained now if it is not there."""
    path = Path(os.environ.get("FENLEI_BUNDLE", ROOT / "models/reviews-zh"))
    if not path.exists():
        subprocess.run(["make", "-s", "models/reviews-zh/manifest.json"], cwd=ROOT, check=True)
    return path


@pytest.fixture(scope="session")
def bundle(bundle_path: Path) -> Bundle:
    return load(bundle_path)


@pytest.fixture(scope="session")
def classifier(bundle: Bundle) -> Classifier:
    return Classifier(bundle)


@pytest.fixture(scope="session")
def reviews(bundle: Bundle) -> list[str]:
    """Real texts of all lengths: those that the bundle carries to be checked with."""
    return [golden.text for golden in bundle.golden()]


@pytest.fixture(scope="module")
def served(bundle_path: Path) -> Iterator[Call]:
    """The handler as Lambda calls it, with the default bundle: `served(event)` answers."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MODEL_DIR", str(bundle_path))
        models.cache_clear()
        yield answer
    models.cache_clear()


@pytest.fixture
def switch_to(served: Call, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:  # noqa: ARG001
    """`switch_to(path)` serves another bundle until the test is over."""

    def switch(path: Path) -> None:
        monkeypatch.setenv("MODEL_DIR", str(path))
        models.cache_clear()

    yield switch
    models.cache_clear()


@pytest.fixture(scope="module")
def post(served: Call) -> Call:
    """`post(content)` sends a value as JSON to /v1/classify."""

    def send(content: object, path: str = "/v1/classify", **headers: str) -> Answer:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): v for name, v in headers.items()}
        return served(proxy_event("POST", path, sent, body))

    return send


@pytest.fixture(scope="session")
def default_examples() -> list[Example]:
    """Every row of the default data set, as it comes."""
    from training.data.datasets import read_dataset

    return read_dataset("reviews-zh")


@pytest.fixture(scope="session")
def data_directory() -> Path:
    """Where the benchmark data sets are; they are too large for this repository."""
    path = Path(os.environ.get("FENLEI_DATA", ROOT.parent / "shared/data"))
    if not path.is_dir():
        pytest.skip("the benchmark data sets are not on this machine; name their directory in FENLEI_DATA")
    return path


@pytest.fixture
def four_lines(tmp_path: Path) -> Path:
    path = tmp_path / "four.csv"
    path.write_text(FOUR_LINES, encoding="utf-8")
    return path


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
