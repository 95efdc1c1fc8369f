"""The wheel as somebody installs it: in an empty environment, used in a directory far from this repository.

Two environments are made of it, without an extra and with those for training and deploying; in both, packages of other
people have the names that ours would have had at the top.
"""

import json
import re
import shutil
import subprocess
import tomllib
import urllib.request
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from environments import Installed, build_wheel, install
from packaging.requirements import Requirement
from sam import SAM
from support import ROOT

from build import archive
from build.distribution import of_group
from tests.smoke import write_texts

GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
# What a wheel is made of.
SOURCES = ("fenlei", "build", "handler", "infra", "training", "tests/events", "pyproject.toml", ".gitignore")
SOURCES += ("README.md", "LICENSE", "samconfig.toml", "template.yaml")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make wheel` makes."""
    pytest.importorskip("hatchling", reason="hatchling is not installed; make setup")
    return build_wheel(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """`pip install fenlei`, and what there is to classify."""
    made = install(wheel, tmp_path_factory.mktemp("plain"), "")
    write_texts(made.directory / "labelled.csv")
    return made


@pytest.fixture(scope="module")
def trainer(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """`pip install 'fenlei[train,deploy]'`, and a bundle that was trained with it."""
    made = install(wheel, tmp_path_factory.mktemp("trainer"), "[train,deploy]")
    write_texts(made.directory / "labelled.csv")
    options = ("--family", "logistic", "--output", "model")
    trained = made.run("fenlei", "train", "labelled.csv", *options, PYTHONSAFEPATH="1")
    assert trained.status == 0, trained.errors
    return made


# --- what it is -----------------------------------------------------------------------------------


def test_the_same_content_gives_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    # GIVEN a copy with other times and modes, and with what does not belong to it
    for name in SOURCES:
        origin, copy = ROOT / name, tmp_path / "copy" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(origin, copy, copy_function=shutil.copyfile) if origin.is_dir() else shutil.copyfile(
            origin, copy
        )
    for path in (tmp_path / "copy").rglob("*.py"):
        path.chmod(0o600)
    for name in ("handler/__pycache__/left.pyc", "training/left.tmp"):
        (tmp_path / "copy" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(b"left")

    again = build_wheel(tmp_path / "copy", tmp_path / "dist")

    assert archive.sha256(again) == archive.sha256(wheel)


def test_it_has_one_name_at_the_top_and_all_that_is_read_below_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        held = {name: opened.read(name) for name in opened.namelist()}
    tree = {name.removeprefix("fenlei/tree/") for name in held if name.startswith("fenlei/tree/")}
    here = [
        path.relative_to(ROOT)
        for room in ("handler", "training", "infra")
        for path in sorted((ROOT / room).rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    ]

    assert {name.split("/")[0] for name in held} == {
        "fenlei",
        wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info",
    }
    assert "fenlei/py.typed" in held
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)
    assert len(here) > 90
    for path in here:
        assert held[f"fenlei/tree/{path.as_posix()}"] == (ROOT / path).read_bytes()
    assert {"template.yaml", "samconfig.toml", "build/package.py", "build/locks/handler.txt"} <= tree
    assert {name for name in tree if name.startswith("tests/")} == {"tests/events/classify.json"}


def test_it_requires_what_the_groups_say(wheel: Path) -> None:
    (information,) = [one for one in zipfile.Path(wheel).iterdir() if one.name.endswith(".dist-info")]
    requires = [Requirement(one) for one in PathDistribution(information).requires or ()]  # type: ignore[arg-type]
    always = {one for one in requires if "extra ==" not in str(one.marker)}

    assert always == {Requirement(one) for one in of_group(GROUPS, "command")}
    assert {one.name for one in requires if 'extra == "train"' in str(one.marker)} >= {"tensorflow", "keras", "scipy"}


def test_the_readme_names_it(wheel: Path) -> None:
    assert f"dist/{wheel.name}[train,deploy]" in (ROOT / "README.md").read_text(encoding="utf-8")


# --- without an extra -----------------------------------------------------------------------------


def test_without_an_extra_all_but_training_works(plain: Installed, bundle_path: Path) -> None:
    bundle = str(bundle_path.absolute())

    classified = plain.run("fenlei", "classify", bundle, "东西质量很好，非常满意", "--json")
    evaluated = plain.run("fenlei", "evaluate", bundle, "labelled.csv", "--json")
    batched = plain.run("fenlei", "batch", bundle, "labelled.csv", "--output", "predictions", "--processes", "2")
    others = [plain.run("fenlei", *words) for words in (("--help",), ("needs", bundle), ("cost", "--table"))]

    assert json.loads(classified.output)["label"] == "positive", classified.errors
    assert json.loads(evaluated.output)["summary"]["accuracy"] > 0.9, evaluated.errors
    assert batched.status == 0, batched.errors
    lines = (plain.directory / "predictions/labelled.csv.predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 200
    assert [ran.status for ran in others] == [0, 0, 0], others
    assert not list(plain.environment.glob("lib/python*/site-packages/tensorflow"))


@pytest.mark.parametrize(
    ("command", "missing", "extra"),
    [
        ("fenlei train labelled.csv", "tensorflow", "train"),
        ("fenlei train labelled.csv --checkpoint directory", "safetensors", "encoder"),
        ("fenlei package model --output out", "elftools", "deploy"),
    ],
)
def test_a_command_without_its_extra_says_what_to_install(
    plain: Installed, command: str, missing: str, extra: str
) -> None:
    ran = plain.run(*command.split())

    assert (ran.status, ran.output) == (2, "")
    assert re.fullmatch(rf"error: This needs .*{missing}.*pip install 'fenlei\[{extra}\]'\n", ran.errors)


# --- with the extras ------------------------------------------------------------------------------


def test_what_was_trained_classifies_in_one_process_and_in_several(trainer: Installed) -> None:
    one = trainer.run("fenlei", "classify", "model", "质量很好，满意", "太差了，坏了")
    many = trainer.run("fenlei", "batch", "model", "labelled.csv", "--output", "predictions", "--processes", "2")

    assert [line.split("\t")[0] for line in one.output.splitlines()] == ["positive", "negative"], one.errors
    assert many.status == 0, many.errors
    with (trainer.directory / "predictions/labelled.csv.predictions.jsonl").open(encoding="utf-8") as lines:
        assert [json.loads(line)["label"] for line in lines] == ["positive", "negative"] * 100
    assert (trainer.directory / "model/report.html").exists()


def test_what_was_trained_is_served_without_what_trained_it(trainer: Installed, plain: Installed) -> None:
    command = ["fenlei", "serve", trainer.directory / "model", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=plain.directory, env=plain.variables, stderr=subprocess.PIPE, encoding="utf-8"
    )
    try:
        assert process.stderr is not None
        found = re.search(r"http://[\d.:]+", process.stderr.readline())
        assert found
        body = json.dumps({"texts": ["质量很好，满意", "太差了，坏了"]}).encode()
        request = urllib.request.Request(f"{found[0]}/v1/classify", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            answered = json.load(response)["predictions"]
        with urllib.request.urlopen(f"{found[0]}/openapi.json", timeout=30) as response:
            contract = json.load(response)
    finally:
        process.terminate()
        process.communicate(timeout=10)

    assert [one["label"] for one in answered] == ["positive", "negative"]
    assert "/v1/classify" in contract["paths"]


def test_training_from_a_checkpoint_names_its_own_extra(trainer: Installed) -> None:
    ran = trainer.run("fenlei", "train", "labelled.csv", "--checkpoint", "directory")

    assert ran == (
        2,
        "",
        "error: This needs safetensors; install what is missing with: pip install 'fenlei[encoder]'\n",
    )


@pytest.fixture(scope="module")
def project(trainer: Installed) -> Installed:
    """What `fenlei new` wrote beside the bundle, with the API's function built there by `sam build`."""
    made = trainer.run("fenlei", "new", ".")
    assert made.status == 0, made.errors
    if not SAM.exists():
        pytest.skip("the SAM command line is not installed; make sam")
    built = trainer.run("sam", "build", "ApiFunction")
    assert built.status == 0, built.errors
    return trainer


def test_a_project_builds_the_very_package_that_a_clone_builds(project: Installed, package: Path) -> None:
    built = project.directory / ".aws-sam/build/ApiFunction"

    def digests(tree: Path) -> str:
        return archive.digests([tree / path for path in archive.files(tree) if path.parts[0] != "model"], tree)

    assert digests(built) == digests(package)
    for path in (built / "model").iterdir():
        assert path.read_bytes() == (project.directory / "model" / path.name).read_bytes()


def test_the_template_of_a_project_is_valid(project: Installed) -> None:
    checked = project.run("sam", "validate", "--lint")

    assert checked.status == 0, checked.output + checked.errors


@pytest.mark.usefixtures("container_image")
def test_a_project_answers_in_a_container(project: Installed) -> None:
    words = ("ApiFunction", "--event", "events/classify.json", "--skip-pull-image")

    invoked = project.run("sam", "local", "invoke", *words)

    response = json.loads(invoked.output.strip().splitlines()[-1])
    assert response["statusCode"] == 200, invoked.errors
    assert len(json.loads(response["body"])["predictions"]) == 4
