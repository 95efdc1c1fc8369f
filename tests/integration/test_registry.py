"""Another model without a deployment: a registry in moto's S3, followed by the handler through faults of all kinds."""

import json
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cloud import IN, Cloud, refuse
from registries import PREFIX, WHERE, answered_by, call, health, point_at, publish, versions

from handler.errors import BundleError, NotFound
from handler.files import objects
from handler.model import pointer as pointers
from handler.model import registry as following
from handler.model.bundle import Bundle
from handler.model.models import models
from handler.model.pointer import FORMAT, KEY, Pointer, Served
from training.errors import InputError, WorkError
from training.shipping import registry

FAULTS = 100


# --- publishing -------------------------------------------------------------------------------------


def test_what_is_published_answers_and_health_says_so(
    follow: Callable[[], Any], bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    publish(bundles["b"])
    follow()

    (b,) = versions(bundles, "b")
    assert answered_by() == b
    assert health() == [(b, 100, "answers")]
    assert call("GET", "/health?deep=true")[1]["golden"][0]["same_answers"] > 0
    assert list(tmp_path.iterdir()) == []  # the next ones need the room on the disk


def test_the_pointer_says_who_when_and_how_good(aws: Cloud, bundles: dict[str, Bundle]) -> None:
    publish(bundles["a"])
    pointer = publish(bundles["b"])

    said = json.loads(aws.get(f"{PREFIX}{KEY}", IN))
    assert said["serving"][0]["by"].startswith("arn:aws:")
    assert said["serving"][0]["at"].endswith("+00:00")
    assert said["serving"][0]["metrics"] == bundles["b"].manifest.metrics
    assert [state[0].version for state in pointers.states(pointer)] == versions(bundles, "b", "a")
    assert sorted(aws.contents(IN)) == sorted(
        [f"{PREFIX}{KEY}", *(WHERE.bundle(one[0].sha256) for one in pointers.states(pointer))]
    )


def test_another_pointer_is_taken_up_out_of_the_request_s_way(
    follow: Callable[[], Any], bundles: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = versions(bundles, "a", "b")
    publish(bundles["a"])
    found = follow()
    publish(bundles["b"])
    assert answered_by() == a  # it is no minute yet
    assert health() == [(a, 100, "answers")]

    begun, may_go = threading.Event(), threading.Event()
    refresh = found.refresh

    def waiting() -> None:
        begun.set()
        assert may_go.wait(20)
        refresh()

    monkeypatch.setattr(found, "refresh", waiting)
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.0)
    # WHEN the look takes long THEN requests are answered meanwhile, and no second look begins
    assert [answered_by() for _ in range(5)] == [a] * 5
    assert begun.wait(20)
    monkeypatch.setattr(following, "LOOK_SECONDS", 60.0)
    may_go.set()
    with found._busy:
        pass
    assert answered_by() == b


def test_a_minute_passes_between_looks_and_what_is_unchanged_is_not_sent(
    follow: Callable[[], Any], aws: Cloud, bundles: dict[str, Bundle]
) -> None:
    publish(bundles["a"])
    found = follow()
    asked: list[str] = []

    def watch(environ: dict[str, Any], start_response: Any, application: Any) -> Any:
        def told(status: str, headers: Any, info: Any = None) -> Any:
            asked.append(f"{environ['PATH_INFO'].rpartition('/')[2]} {status[:3]}")
            return start_response(status, headers, info)

        return application(environ, told)

    aws.fault = watch
    for _ in range(10):
        answered_by()
    assert asked == []
    found.refresh()
    assert asked == [f"{KEY} 304"]


# --- shares -----------------------------------------------------------------------------------------


def test_two_versions_answer_in_their_shares_and_each_by_its_name(
    follow: Callable[[], Any], bundles: dict[str, Bundle]
) -> None:
    a, b = versions(bundles, "a", "b")
    publish(bundles["a"])
    publish(bundles["b"], share=30)
    follow()
    random.seed(3)

    found = [answered_by() for _ in range(400)]

    assert health() == [(a, 70, "answers"), (b, 30, "answers")]
    assert 0.22 < found.count(b) / len(found) < 0.38
    assert set(found) == {a, b}
    name = bundles["a"].manifest.name
    assert {answered_by(f"{name}@{b}") for _ in range(9)} == {b}
    listed = call("GET", "/v1/models")[1]["models"]
    assert [(one["version"], one["default"]) for one in listed] == [(a, True), (b, False)]
    assert models().main().manifest.version == a  # files are answered by one version
    with pytest.raises(NotFound):
        models().get(f"{name}@none")


def test_the_share_becomes_the_whole_or_nothing(follow: Callable[[], Any], bundles: dict[str, Bundle]) -> None:
    a, b = versions(bundles, "a", "b")
    publish(bundles["a"])
    publish(bundles["b"], share=10)
    found = follow()

    publish(bundles["b"])
    found.refresh()
    assert health() == [(b, 100, "answers")]
    for expected in ([(a, 90, "answers"), (b, 10, "answers")], [(a, 100, "answers")]):
        registry.roll_back(WHERE, registry.find(WHERE))
        found.refresh()
        assert health() == expected
    with pytest.raises(InputError, match="there is nothing to go back to"):
        registry.roll_back(WHERE, registry.find(WHERE))


# --- what must not answer ---------------------------------------------------------------------------


@pytest.fixture
def wrong(aws: Cloud, bundles: dict[str, Bundle]) -> dict[str, Callable[[], None]]:
    """Ways in which a pointer can be wrong."""
    other = msgspec.structs.replace(bundles["b"], manifest=msgspec.structs.replace(bundles["b"].manifest, version="x"))
    missing = Served("none", "0" * 64, 100, "somebody", "now")
    name = bundles["a"].manifest.name

    def put(body: bytes) -> Callable[[], None]:
        return lambda: aws.client("s3").put_object(Bucket=IN, Key=WHERE.pointer, Body=body) and None

    return {
        "does not replay": lambda: point_at(aws, bundles["poisoned"]),
        "no archive": lambda: point_at(aws, bundles["b"], b"this is no archive"),
        "cut short": lambda: point_at(aws, bundles["b"], registry.packed(bundles["b"])[:-1000]),
        "another version": lambda: point_at(aws, other, registry.packed(bundles["b"])),
        "another name": lambda: point_at(aws, bundles["b"], name="another"),
        "a version that is not there": put(msgspec.json.encode(Pointer(FORMAT, name, [missing]))),
        "no JSON": put(b"{"),
        "weights": put(msgspec.json.encode(Pointer(FORMAT, name, [msgspec.structs.replace(missing, weight=50)]))),
        "another format": put(msgspec.json.encode(Pointer("fenlei-live/9", name, [missing]))),
        "nothing": lambda: aws.client("s3").delete_object(Bucket=IN, Key=WHERE.pointer) and None,
    }


KEEPS_WHAT_WAS = ("does not replay", "no archive", "cut short", "another version")
REFUSED = (*KEEPS_WHAT_WAS, "another name", "a version that is not there")
UNREADABLE = ("no JSON", "weights", "another format")
KINDS = (*REFUSED, *UNREADABLE, "nothing")


@pytest.mark.parametrize("kind", KINDS)
def test_what_answered_goes_on_whatever_the_pointer_says(
    kind: str, follow: Callable[[], Any], bundles: dict[str, Bundle], wrong: dict[str, Callable[[], None]]
) -> None:
    a, c = versions(bundles, "a", "c")
    publish(bundles["a"])
    found = follow()

    wrong[kind]()
    found.refresh()
    assert answered_by() == a
    assert [state for _, _, state in health()] == ["refused" if kind in REFUSED else "answers"]
    if kind in UNREADABLE:
        with pytest.raises(BundleError, match=KEY):
            publish(bundles["c"])
        return
    registry.publish(WHERE, bundles["c"], 100, {}, registry.Found(None, registry.find(WHERE).etag))
    found.refresh()
    assert answered_by() == c


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_takes_what_was_before_or_what_is_packaged(
    kind: str, follow: Callable[[], Any], bundles: dict[str, Bundle], wrong: dict[str, Callable[[], None]]
) -> None:
    publish(bundles["b"])
    wrong[kind]()
    follow()

    # "a" is in the package
    assert answered_by() == versions(bundles, "b" if kind in KEEPS_WHAT_WAS else "a")[0]


def test_a_canary_that_does_not_replay_leaves_all_to_the_main_version(
    follow: Callable[[], Any], bundles: dict[str, Bundle]
) -> None:
    publish(bundles["a"])
    found = follow()
    publish(bundles["poisoned"], share=50)
    found.refresh()

    a, poisoned = versions(bundles, "a", "poisoned")
    assert {answered_by() for _ in range(30)} == {a}
    assert health() == [(a, 50, "answers"), (poisoned, 50, "refused")]


def test_without_a_registry_or_a_package_there_is_one_sentence(
    follow: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(BundleError, match="does not exist"):
        follow()
    monkeypatch.setenv("MODEL_REGISTRY", "s3://bucket/no-slash")
    with pytest.raises(BundleError, match=r"s3://bucket/models/NAME/"):
        follow()


# --- two at once, and faults ------------------------------------------------------------------------


def test_of_two_publishers_at_once_one_is_told(aws: Cloud, bundles: dict[str, Bundle]) -> None:  # noqa: ARG001
    publish(bundles["a"])
    seen = registry.find(WHERE)
    registry.publish(WHERE, bundles["b"], 100, {}, seen)

    with pytest.raises(WorkError, match="Somebody else moved"):
        registry.publish(WHERE, bundles["c"], 100, {}, seen)
    with pytest.raises(WorkError, match="Somebody else moved"):
        registry.roll_back(WHERE, registry.Found(registry.find(WHERE).pointer, seen.etag))
    with pytest.raises(WorkError, match="Somebody else moved"):  # neither had seen a pointer
        registry.publish(WHERE, bundles["c"], 100, {}, registry.Found(None, ""))
    pointer = registry.find(WHERE).pointer
    assert pointer
    assert pointer.serving[0].version == bundles["b"].manifest.version


def test_a_write_whose_answer_was_lost_is_found_again(aws: Cloud, bundles: dict[str, Bundle]) -> None:
    publish(bundles["a"])
    lost: list[str] = []

    def fault(environ: dict[str, Any], start_response: Any, _: Any) -> Any:
        if environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith(KEY) and not lost:
            lost.append("")
            aws.serve(environ, lambda *_: None)
            return refuse(start_response, 500, "InternalError")
        return None

    aws.fault = fault
    pointer = publish(bundles["b"])

    assert lost
    assert registry.find(WHERE).pointer == pointer


def test_no_share_without_a_main_version_and_no_second_share_of_it(aws: Cloud, bundles: dict[str, Bundle]) -> None:  # noqa: ARG001
    with pytest.raises(InputError, match="publish without --share first"):
        publish(bundles["a"], share=10)
    publish(bundles["a"])
    with pytest.raises(InputError, match="is the main one of"):
        publish(bundles["a"], share=10)
    renamed = msgspec.structs.replace(
        bundles["b"], manifest=msgspec.structs.replace(bundles["b"].manifest, name="other")
    )
    with pytest.raises(InputError, match="--name reviews-zh"):
        publish(renamed)


def test_a_hundred_faults_never_give_an_answer_of_what_did_not_replay_nor_none(
    aws: Cloud, follow: Callable[[], Any], bundles: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    for patience in (objects.PATIENCE, following.PATIENCE):
        monkeypatch.setitem(patience, "retries", {"total_max_attempts": 1})  # which wait
    fit = set(versions(bundles, "a", "b", "c"))
    publish(bundles["a"])
    found = follow()
    chance, faults = random.Random(25), 0

    def fault(environ: dict[str, Any], start_response: Any, application: Any) -> Any:
        nonlocal faults
        kind = chance.choice(["none", "refused", "broken", "denied"])
        faults += kind != "none"
        if kind == "refused":
            return refuse(start_response, 503, "SlowDown")
        if kind == "denied":
            return refuse(start_response, 403, "AccessDenied")
        if kind == "broken" and environ["REQUEST_METHOD"] == "GET":
            return [b"".join(application(environ, start_response))[:-7]]
        return None

    while faults < FAULTS:
        aws.fault = None
        act = chance.choice(["publish", "share", "back", "poison", "restart"])
        try:
            if act in ("publish", "share"):
                aws.fault = fault if chance.random() < 0.5 else None
                publish(bundles[chance.choice("abc")], 100 if act == "publish" else 40)
            elif act == "back":
                registry.roll_back(WHERE, registry.find(WHERE))
            elif act == "poison":
                point_at(aws, bundles["poisoned"])
            else:
                aws.fault = fault
                found = follow()
        except (WorkError, InputError):
            pass
        aws.fault = fault
        for _ in range(5):
            found.refresh()
            assert answered_by() in fit

    aws.fault = None
    publish(bundles["c"])
    found.refresh()
    assert answered_by() == bundles["c"].manifest.version


# --- snapshots --------------------------------------------------------------------------------------


def test_a_copy_of_a_snapshot_catches_up_before_its_first_request(
    follow: Callable[[], Any], bundles: dict[str, Bundle]
) -> None:
    publish(bundles["a"])
    found = follow()
    models.prepare()
    assert found._client is None
    publish(bundles["b"])

    models.restored()

    assert answered_by() == bundles["b"].manifest.version


def test_nothing_of_this_is_loaded_where_no_registry_is_followed() -> None:
    import subprocess
    import sys

    code = "import handler.api, sys; sys.exit('handler.model.registry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
