"""Several bundles at once, and bundles for each task: all answer in one shape."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from support import Call, write_bundle

from handler.model.bundle import Bundle, Golden
from training.commands.serve import proxy_event

Switch = Callable[[Path], None]


@pytest.fixture
def two(bundle: Bundle, tmp_path: Path, switch_to: Switch) -> Path:
    """A directory with one directory a model."""
    for name in ("first", "second"):
        write_bundle(tmp_path / "models" / name, bundle, name=name)
    switch_to(tmp_path / "models")
    return tmp_path / "models"


def names(answer: dict[str, list[dict[str, object]]]) -> dict[object, object]:
    return {model["name"]: model["default"] for model in answer["models"]}


@pytest.mark.usefixtures("two")
def test_a_request_chooses_among_several_models(post: Call, served: Call) -> None:
    assert post({"text": "很好"}).body["model"]["name"] == "first"
    assert post({"text": "很好", "model": "second"}).body["model"]["name"] == "second"
    assert post({"text": "很好", "model": "second"}, "/v1/embed").body["model"]["name"] == "second"
    assert names(served(proxy_event("GET", "/v1/models", {}, b"")).body) == {"first": True, "second": False}
    assert served(proxy_event("GET", "/v1/models/second", {}, b"")).body["default"] is False
    deep = served(proxy_event("GET", "/health?deep=true", {}, b"")).body
    assert [replayed["model"] for replayed in deep["golden"]] == ["first", "second"]


def test_the_default_model_is_named(
    two: Path, switch_to: Switch, monkeypatch: pytest.MonkeyPatch, post: Call, served: Call
) -> None:
    monkeypatch.setenv("DEFAULT_MODEL", "second")
    switch_to(two)

    assert post({"text": "很好"}).body["model"]["name"] == "second"
    assert names(served(proxy_event("GET", "/v1/models", {}, b"")).body) == {"first": False, "second": True}


def test_a_value_is_answered_and_explained(bundle: Bundle, tmp_path: Path, switch_to: Switch, post: Call) -> None:
    switch_to(write_bundle(tmp_path / "m", bundle, task="regress", activation="identity", labels=[]))

    (plain,) = post({"text": "质量很好"}).body["predictions"]
    (explained,) = post({"text": "质量很好", "explain": True}).body["predictions"]
    (without,) = post({"text": "质量很"}).body["predictions"]

    assert set(plain) == {"value", "tokens", "truncated"}
    assert explained["explanation"][-1]["effect"] == pytest.approx(plain["value"] - without["value"], abs=2e-5)


def test_a_cluster_is_answered_with_its_distance(bundle: Bundle, tmp_path: Path, switch_to: Switch, post: Call) -> None:
    switch_to(write_bundle(tmp_path / "m", bundle, task="cluster", activation="distance", labels=["one"]))

    (plain,) = post({"text": "质量很好"}).body["predictions"]
    (explained,) = post({"text": "质量很好", "explain": True}).body["predictions"]
    (without,) = post({"text": "质量很"}).body["predictions"]

    assert set(plain) == {"cluster", "distance", "tokens", "truncated"}
    assert plain["cluster"] == "one"
    # Leaving out a token that brought the text near makes it farther.
    assert explained["explanation"][-1]["effect"] == pytest.approx(without["distance"] - plain["distance"], abs=2e-5)


def test_several_labels_may_apply(bundle: Bundle, tmp_path: Path, switch_to: Switch, post: Call) -> None:
    switch_to(write_bundle(tmp_path / "m", bundle, activation="independent", labels=["good"]))

    good, bad = post({"texts": ["质量很好", "太差了，退货"]}).body["predictions"]

    assert (good["labels"], bad["labels"]) == (["good"], [])


@pytest.mark.parametrize(("applies_from", "applicable"), [(0.0001, [["good"], ["good"]]), (0.9999, [[], []])])
def test_a_label_applies_from_its_own_threshold_on(
    bundle: Bundle, tmp_path: Path, switch_to: Switch, post: Call, applies_from: float, applicable: list[list[str]]
) -> None:
    changes = {"activation": "independent", "labels": ["good"], "label_thresholds": [applies_from], "threshold": 0.9}
    switch_to(write_bundle(tmp_path / "m", bundle, **changes))

    answers = post({"texts": ["质量很好", "太差了，退货"]}).body["predictions"]

    assert [answer["labels"] for answer in answers] == applicable
    # Sure is what is far from the threshold, on whichever side.
    assert [answer["certain"] for answer in answers] == [applies_from < 0.5, applies_from > 0.5]


def test_a_bundle_without_vectors_says_so(bundle: Bundle, tmp_path: Path, switch_to: Switch, post: Call) -> None:
    switch_to(write_bundle(tmp_path / "m", bundle, embedding_width=0))

    assert post({"text": "a"}, "/v1/embed").status == 422


def test_a_model_that_answers_otherwise_than_where_it_was_trained_is_unhealthy(
    bundle: Bundle, tmp_path: Path, switch_to: Switch, served: Call
) -> None:
    # GIVEN golden texts whose answers are turned round
    lines = [Golden(g.text, g.probabilities[::-1]) for g in bundle.golden()]
    switch_to(
        write_bundle(tmp_path / "m", bundle, golden_lines=b"".join(msgspec.json.encode(g) + b"\n" for g in lines))
    )

    assert served(proxy_event("GET", "/health", {}, b"")).status == 200
    deep = served(proxy_event("GET", "/health?deep=true", {}, b""))
    assert deep.status == 503
    assert "golden texts" in deep.body["detail"]
