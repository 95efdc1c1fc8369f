"""The package that `make build` makes: reproducible, small, complete, and ready when it is unpacked."""

import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support import ROOT

from build import archive, inventory, prune, replay, wheels
from build.errors import BuildError
from build.sizes import MB, total, weigh
from handler.model.bundle import Bundle
from training.commands.serve import proxy_event

Wheels = Callable[[str, str], Path]
NAMES = ["fenlei-python3.13-x86_64", "fenlei-python3.13-arm64"]
# With the model; Lambda takes 50 MB zipped and 250 MB unpacked.
PACKED_CEILING, UNPACKED_CEILING = 30 * MB, 95 * MB
# The paths that a module is read from: Lambda's own client, Python itself, and else the package alone.
SOURCE = re.compile(r"^# code object from (/\S+\.py)$", re.MULTILINE)
LOADED = re.compile(r"^# (?:code object from '|extension module '\S+' loaded from ')(/[^']+)'", re.MULTILINE)


def classify(*texts: str) -> object:
    body = json.dumps({"texts": texts}).encode()
    return proxy_event("POST", "/v1/classify", {"Content-Type": "application/json"}, body)


# --- the archive ----------------------------------------------------------------------------------


def test_two_builds_one_by_make_and_one_by_sam_are_the_same_to_the_byte(
    dist: Path, package: Path, tmp_path: Path
) -> None:
    archive.pack(package, tmp_path / "again.zip")

    assert archive.sha256(tmp_path / "again.zip") == archive.sha256(dist / f"{NAMES[0]}.zip")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_with_its_model(dist: Path, name: str) -> None:
    parts = weigh(dist / f"{name}.zip")

    assert (dist / f"{name}.zip").stat().st_size <= PACKED_CEILING
    assert total(parts).unpacked <= UNPACKED_CEILING
    assert "model" in parts


def test_its_entries_are_sorted_and_alike(dist: Path) -> None:
    with zipfile.ZipFile(dist / f"{NAMES[0]}.zip") as opened:
        entries = opened.infolist()

    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {oct(entry.external_attr >> 16) for entry in entries} == {"0o100644"}


@pytest.mark.parametrize("name", NAMES)
def test_the_digests_beside_it_are_right(dist: Path, name: str) -> None:
    if shutil.which("sha256sum") is None:
        pytest.skip("there is no sha256sum, as on macOS")
    checked = subprocess.run(
        ["sha256sum", "--check", f"{name}.sha256"], cwd=dist, capture_output=True, encoding="utf-8", check=False
    )

    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count(": OK") == 4


# --- what is in it --------------------------------------------------------------------------------


def test_the_bill_of_materials_lists_what_ships(dist: Path, bundle: Bundle) -> None:
    document = json.loads((dist / f"{NAMES[0]}.cdx.json").read_text(encoding="utf-8"))
    components = {component["name"]: component for component in document["components"]}

    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert set(components) == {bundle.manifest.name, *wheels.SHIPPED} - {"tflite-runtime"}
    assert components["numpy"]["purl"].startswith("pkg:pypi/numpy@2.")
    assert components[bundle.manifest.name]["type"] == "machine-learning-model"
    assert components[bundle.manifest.name]["hashes"][0]["content"] == bundle.manifest.files["model.tflite"].sha256
    # Rust crates are compiled into the tokenizers.
    assert len(components["tokenizers"]["components"]) > 20
    assert "/home/" not in json.dumps(document)


def test_the_licences_are_there_for_all_that_ships(dist: Path) -> None:
    text = (dist / f"{NAMES[0]}.licences.txt").read_text(encoding="utf-8")

    for name in set(wheels.SHIPPED) - {"tflite-runtime"}:
        assert re.search(rf"^{name} [\d.]+: (?!not said)\S", text, re.MULTILINE), name
    assert "OpenBLAS" in text


def test_every_pattern_of_what_is_pruned_matches_something(installed: Wheels) -> None:
    trees = [installed(target, "x86_64") for target in ("python3.13", "python3.14", "image-al2023")]
    matched = {pattern for tree in trees for pattern, _ in prune.unused(tree)}
    # Not on every machine, or not in the pinned version.
    optional = {"**/__pycache__", ".lock", "ai_edge_litert/libLiteRtWebGpuAccelerator*"}

    assert {*prune.UNUSED, *(p for patterns in prune.UNUSED_OF.values() for p in patterns)} - matched <= optional


def test_a_wheel_says_its_licence_in_one_of_three_ways(installed: Wheels) -> None:
    found = {one.name: one.licence for one in inventory.read(installed("python3.13", "x86_64"))}

    assert found["msgspec"] == "BSD-3-Clause"  # License-Expression
    assert found["ai-edge-litert"] == "Apache 2.0"  # License
    assert found["tokenizers"] == "Apache Software License"  # Classifier


# --- it runs --------------------------------------------------------------------------------------


class Ran(NamedTuple):
    """What a package answered under the emulator, and what Python said while it imported."""

    responses: list[dict]
    compiled: list[str]
    loaded: list[str]


def run(package: Path, log: Path, *events: object) -> Ran:
    command = replay.packaged(package, "3.13", PYTHONVERBOSE="1")
    with replay.running(command, log) as function:
        responses = [function.invoke(event) for event in events]
    said = log.read_text(encoding="utf-8", errors="replace")
    return Ran(responses, SOURCE.findall(said), LOADED.findall(said))


@pytest.fixture(scope="module")
def unpacked(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip as Lambda unpacks it: read-only, of 1980."""
    tree = tmp_path_factory.mktemp("var") / "task"
    with zipfile.ZipFile(dist / f"{NAMES[0]}.zip") as opened:
        opened.extractall(tree)
    archive.settle(tree)
    for path in (*tree.rglob("*"), tree):
        path.chmod(path.stat().st_mode & 0o555)
    return tree


def test_the_unpacked_zip_answers_with_only_what_it_holds_and_compiles_nothing(unpacked: Path, tmp_path: Path) -> None:
    before = archive.files(unpacked)
    explain = json.dumps({"text": "东西质量很好", "explain": True, "top_k": 1}).encode()
    events = [
        classify("东西质量很好，非常满意", "太差了，第二天就坏了"),
        proxy_event("POST", "/v1/classify", {"Content-Type": "application/json"}, explain),
        proxy_event("POST", "/v1/embed", {"Content-Type": "application/json"}, b'{"text": "ok"}'),
        *(proxy_event("GET", path, {}, b"") for path in ("/", "/docs", "/openapi.json", "/health", "/v1/models")),
        replay.DEEP,
    ]

    ran = run(unpacked, tmp_path / "log", *events)

    assert [response["statusCode"] for response in ran.responses] == [200] * len(events)
    labels = [prediction["label"] for prediction in json.loads(ran.responses[0]["body"])["predictions"]]
    assert labels == ["positive", "negative"]
    runtime, python = ROOT / ".envs/runtime-3.13", Path(wheels.find_python("3.13")).resolve().parents[1]
    assert {str(unpacked / "handler/__pycache__/api.cpython-313.pyc")} <= set(ran.loaded)
    assert any(path.endswith("/tokenizers/tokenizers.abi3.so") for path in ran.loaded)
    assert not [path for path in ran.loaded if not path.startswith((f"{unpacked}/", f"{runtime}/", f"{python}/"))]
    assert not [path for path in ran.compiled if path.startswith(str(unpacked))]
    assert archive.files(unpacked) == before


def test_a_module_without_bytecode_would_be_seen_to_be_compiled(unpacked: Path, tmp_path: Path) -> None:
    # GIVEN a package whose bytecode is of the kind that is checked against a time, as compilers make it
    tree = shutil.copytree(unpacked, tmp_path / "task")
    (tree / "handler/https/__pycache__/schema.cpython-313.pyc").unlink()

    ran = run(tree, tmp_path / "log", classify("ok"))

    assert str(tree / "handler/https/schema.py") in ran.compiled


def test_a_package_that_does_not_answer_as_in_training_is_refused_with_its_log(unpacked: Path, tmp_path: Path) -> None:
    tree = shutil.copytree(unpacked, tmp_path / "task")
    model = tree / "model/model.tflite"
    model.chmod(0o644)
    model.write_bytes(model.read_bytes()[:-1] + b"?")

    with pytest.raises(
        BuildError, match=r"does not answer as its model was trained to(?s:.*)model\.tflite was changed"
    ):
        replay.replay(tree, "3.13")


def test_without_an_emulator_nothing_is_said_to_be_built(
    unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FENLEI_RIE", str(tmp_path / "nowhere"))

    with pytest.raises(BuildError, match="aws-lambda-rie, which replays the golden texts, is not here: call make sam"):
        replay.replay(unpacked, "3.13")


def test_every_module_of_the_handler_can_be_imported_from_it(unpacked: Path) -> None:
    names = sorted(f"handler.{path.stem}" for path in (unpacked / "handler").glob("[!_]*.py"))
    command = [wheels.find_python("3.13"), "-S", "-c", f"import {', '.join(names)}"]
    path = f"{unpacked}:{wheels.ROOT}/.envs/runtime-3.13"  # boto3 is Lambda's own

    done = subprocess.run(
        command, cwd=unpacked, env={"PYTHONPATH": path}, capture_output=True, encoding="utf-8", check=False
    )

    assert done.returncode == 0, done.stderr
