"""Which bundles a process serves: one, several, or a directory of them."""

import os
import time
from pathlib import Path

import pytest
from cloud import Cloud
from support import write_bundle

from handler.api import lambda_handler
from handler.errors import BundleError, NotFound
from handler.model.bundle import Bundle
from handler.model.models import PACKAGED, RETRY_SECONDS, from_environment, models
from tests.proxy_events import Asked, rest_event
from tests.s3_events import IN, Invocation


@pytest.fixture(scope="module")
def shelf(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the bundles `a` and `b`."""
    shelf = tmp_path_factory.mktemp("shelf")
    for name in ("a", "b"):
        write_bundle(shelf / name, bundle, name=name)
    return shelf


def test_one_bundle_is_the_default(shelf: Path) -> None:
    models = from_environment({"MODEL_DIR": str(shelf / "a")})

    assert models.default == "a"
    assert models.get() is models.get("a")


def test_a_directory_of_bundles_serves_each_by_its_name(shelf: Path) -> None:
    models = from_environment({"MODEL_DIR": str(shelf)})

    assert [c.manifest.name for c in models.all()] == ["a", "b"]
    assert models.get("b").manifest.name == "b"


def test_several_bundles_are_listed_as_in_path_and_the_first_is_the_default(shelf: Path) -> None:
    models = from_environment({"MODEL_DIR": os.pathsep.join([str(shelf / "b"), str(shelf / "a")])})

    assert models.default == "b"


def test_the_default_can_be_named(shelf: Path) -> None:
    models = from_environment({"MODEL_DIR": str(shelf), "DEFAULT_MODEL": "b"})

    assert models.get().manifest.name == "b"


def test_an_unknown_name_is_told_those_there_are(shelf: Path) -> None:
    # The name itself is not said again: it could be a text that went astray.
    with pytest.raises(NotFound, match=r"^There is no model of that name; the models here are: a, b\.$"):
        from_environment({"MODEL_DIR": str(shelf)}).get("c")


def test_an_unknown_default_is_refused(shelf: Path) -> None:
    with pytest.raises(BundleError, match=r"default model 'c' is none of those served: a, b\."):
        from_environment({"MODEL_DIR": str(shelf), "DEFAULT_MODEL": "c"})


def test_two_bundles_of_one_name_are_refused(shelf: Path) -> None:
    with pytest.raises(BundleError, match="Two bundles have the same name"):
        from_environment({"MODEL_DIR": os.pathsep.join([str(shelf / "a")] * 2)})


def test_a_bundle_that_cannot_be_loaded_is_not_fetched_at_every_request(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an archive with another sha256 than the function was told
    aws.put("bundle.tar.gz", b"another one")
    monkeypatch.setenv("MODEL_URI", f"s3://{IN}/bundle.tar.gz")
    monkeypatch.setenv("MODEL_SHA256", "0" * 64)
    models.cache_clear()
    downloads = []
    aws.fault = lambda environ, *_: downloads.append(environ["PATH_INFO"])
    asked = [Asked("GET", "/health", query={"deep": "true"}), Asked("GET", "/health"), Asked("GET", "/v1/models")]

    statuses = [lambda_handler(rest_event(one), Invocation())["statusCode"] for one in asked * 3]

    assert statuses == [503] * 9
    assert len(downloads) == 1

    # WHEN some time has passed, or the clock is another machine's, it is tried again: the archive may be right by now
    now = time.monotonic()
    for later in (now + RETRY_SECONDS + 1, now - 1000):
        monkeypatch.setattr("handler.model.models.time.monotonic", lambda later=later: later)
        assert lambda_handler(rest_event(asked[0]), Invocation())["statusCode"] == 503
    assert len(downloads) == 3
    monkeypatch.undo()
    models.cache_clear()


def test_without_a_setting_the_packaged_bundle_is_served() -> None:
    if PACKAGED.exists():
        assert from_environment({}).all()
    else:
        with pytest.raises(BundleError, match=str(PACKAGED)):
            from_environment({})


def test_warming_runs_every_model(shelf: Path) -> None:
    models = from_environment({"MODEL_DIR": str(shelf)})

    models.warm()

    assert all(classifier._interpreter._runners for classifier in models.all())
