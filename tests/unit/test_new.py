"""`fenlei new` writes a project, all of it or nothing, and `fenlei package` empties nothing that it should not."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support import ROOT

from training.commands import deploying, new
from training.commands.new import FILES, write
from training.errors import InputError, WorkError


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_it_writes_what_the_template_names_and_says_which_fenlei_it_is_of(tmp_path: Path) -> None:
    project = tmp_path / "below" / "我的 shop"

    write(project, force=False)

    assert set(contents(project)) == set(FILES)
    template = (project / "template.yaml").read_text(encoding="utf-8")
    named = re.findall(r"(?:Location|TemplateURL): (infra/\S+)", template)
    assert len(named) >= 3
    assert all((project / name).exists() for name in named)
    machine = re.findall(r"DefinitionUri: (\S+)", (project / "infra/bulk.yaml").read_text(encoding="utf-8"))
    assert [(project / "infra" / name).exists() for name in machine] == [True]
    assert re.search(r"of fenlei \d+\.\d", (project / "README.md").read_text(encoding="utf-8"))
    assert len((project / "README.md").read_text(encoding="utf-8").splitlines()) < 50


def test_the_makefile_builds_each_function_of_the_template(tmp_path: Path) -> None:
    write(tmp_path, force=False)

    lines = (tmp_path / "Makefile").read_text(encoding="utf-8").splitlines()
    (target,) = [line.removesuffix(":") for line in lines if line.startswith("build-")]
    functions = re.findall(
        r"^  (\w+):\n    Type: AWS::Serverless::Function", (ROOT / "template.yaml").read_text(encoding="utf-8"), re.M
    )
    assert len(lines) <= 12
    assert len(functions) == 3
    assert all(re.fullmatch(target.replace("%", ".+"), f"build-{function}") for function in functions)


def test_it_refuses_to_replace_files_and_names_them(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n", encoding="utf-8")
    (tmp_path / "README.md").symlink_to("nowhere")

    with pytest.raises(InputError, match=r"has Makefile, README\.md already; choose .* or replace them with --force"):
        write(tmp_path, force=False)

    assert contents(tmp_path) == {"Makefile": b"all:\n"}


def test_force_replaces_what_it_writes_and_leaves_the_rest(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n", encoding="utf-8")
    (tmp_path / "labelled.csv").write_text("text,label\n", encoding="utf-8")

    write(tmp_path, force=True)

    assert set(contents(tmp_path)) == {*FILES, "labelled.csv"}
    assert contents(tmp_path)["Makefile"] == FILES["Makefile"].read_bytes()
    assert contents(tmp_path)["labelled.csv"] == b"text,label\n"


def test_a_directory_that_takes_no_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new, "can_write", lambda _: False)

    with pytest.raises(InputError, match="cannot be written to; choose another directory"):
        write(tmp_path, force=False)


def file_for_a_directory(project: Path) -> Path:
    (project / "infra").write_text("", encoding="utf-8")
    return project


def directory_for_a_file(project: Path) -> Path:
    (project / "template.yaml").mkdir()
    return project


def file_for_the_project(project: Path) -> Path:
    (project / "file").write_text("", encoding="utf-8")
    return project / "file"


def below_a_file(project: Path) -> Path:
    return file_for_the_project(project) / "project"


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (file_for_a_directory, r"infra is no directory; remove it"),
        (directory_for_a_file, r"template\.yaml is a directory; remove it"),
        (file_for_the_project, r"file is no directory; remove it"),
        (below_a_file, r"project cannot be written to: Not a directory; choose another directory"),
    ],
)
def test_what_is_in_the_way_leaves_nothing_half_written(
    tmp_path: Path, prepare: Callable[[Path], Path], sentence: str
) -> None:
    project = prepare(tmp_path)
    before = contents(tmp_path)

    with pytest.raises(InputError, match=sentence):
        write(project, force=True)

    assert contents(tmp_path) == before


def test_a_source_that_cannot_be_read_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FILES, "template.yaml", tmp_path / "nowhere")

    with pytest.raises(InputError, match="cannot be written to: No such file"):
        write(tmp_path / "project", force=False)

    assert list((tmp_path / "project").iterdir()) == []


# --- fenlei package -------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/precious").write_text("", encoding="utf-8")
    (tmp_path / "file").write_text("", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("output", "force", "sentence"),
    [
        (".", True, "which is emptied first, holds the bundle .*; choose another --output"),
        ("model", True, "which is emptied first, holds the bundle .*; choose another --output"),
        ("full", False, "full is not empty; choose another --output, or replace what it holds with --force"),
        ("file", True, "file is no directory; choose another --output"),
    ],
)
def test_a_package_empties_no_directory_unasked(project: Path, output: str, force: bool, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        deploying.package(project / "model", project / output, force=force)

    assert (project / "full/precious").exists()
    assert (project / "model").exists()


def test_a_package_is_for_a_processor_of_lambda(project: Path) -> None:
    with pytest.raises(InputError, match="--architecture riscv64 is not known; choose x86_64 or arm64"):
        deploying.package(project / "model", project / "out", architecture="riscv64")


def test_what_stops_a_build_is_one_sentence(project: Path) -> None:
    with pytest.raises(WorkError, match="model is not a bundle; make one with: fenlei train -o"):
        deploying.package(project / "model", project / "out")
