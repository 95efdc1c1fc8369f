"""make.py is make where there is none: the same goals, steps and defaults as the Makefile, which calls it."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

import make

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A tree in which nothing is made yet; the programs that would have been called there, in order."""
    for sources, _ in make.STEPS.values():
        for source in sources:
            (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
            if source not in make.STEPS:
                (tmp_path / source).touch()
                os.utime(tmp_path / source, (1, 1))
    programs: list[str] = []
    monkeypatch.setattr(make, "ROOT", tmp_path)
    monkeypatch.setattr(make, "ENVIRONMENT", {})
    monkeypatch.setattr(make, "call", lambda *command: programs.append(" ".join((Path(command[0]).name, *command[1:]))))
    return programs


def locks(called: list[str]) -> list[str]:
    return [lock for command in called for lock in re.findall(r"build/locks/(\w+)\.txt", command)]


# --- beside the Makefile --------------------------------------------------------------------------


def rule(target: str) -> list[str]:
    """What a target of the Makefile is made of."""
    (found,) = re.findall(rf"^{re.escape(target)}: \|?(.*)$", MAKEFILE, re.MULTILINE)
    return str(found).replace("$(LOCKS)", "build/locks").split()


@pytest.mark.parametrize("mark", make.STEPS)
def test_a_step_is_made_of_what_the_makefile_says(mark: str) -> None:
    assert list(make.STEPS[mark].sources) == rule(mark)


def test_the_makefile_calls_it_for_each_goal() -> None:
    calling = re.findall(r"^([^\t#\n]+):\n\t@\$\(PYTHON\) make\.py \$@$", MAKEFILE, re.MULTILINE)

    assert {goal for goals in calling for goal in goals.split()} | {"setup"} == set(make.GOALS)
    assert rule("setup") == rule(f"{make.DEFAULT_MODEL}/manifest.json") == [make.READY]


def test_the_default_model_is_that_of_the_makefile() -> None:
    assert f"\nMODEL ?= {make.DEFAULT_MODEL}\n" in MAKEFILE


# --- what it does ---------------------------------------------------------------------------------


def test_each_step_is_done_once_after_those_that_it_needs(called: list[str]) -> None:
    make.main(["setup"])
    assert locks(called) == ["uv", "run"]
    called.clear()

    make.main(["setup"])
    assert called == []

    make.bring(make.TOOLS)
    assert locks(called) == ["dev"]


def test_a_lock_that_has_changed_is_installed_and_what_builds_on_it(called: list[str]) -> None:
    make.bring(make.TOOLS)
    called.clear()
    os.utime(make.ROOT / make.UV, (2, 2))
    os.utime(make.ROOT / make.READY, (3, 3))
    os.utime(make.ROOT / make.TOOLS, (4, 4))

    os.utime(make.ROOT / "build/locks/run.txt", (5, 5))
    make.bring(make.TOOLS)

    assert locks(called) == ["run", "dev"]


def test_a_step_that_fails_is_done_again(called: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: str) -> None:
        raise make.Failed("no network", 1)

    with monkeypatch.context() as broken:
        broken.setattr(make, "call", fail)
        with pytest.raises(make.Failed, match="no network"):
            make.main(["setup"])

    make.main(["setup"])
    assert locks(called) == ["uv", "run"]


def test_run_trains_the_default_model_once_and_serves_where_it_is_told(
    called: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "WINDOWS", True)

    make.main(["run", "PORT=9000"])

    assert called[-2:] == [
        "fenlei.exe train --dataset reviews-zh -o models/reviews-zh",
        "fenlei.exe serve models/reviews-zh --host 127.0.0.1 --port 9000",
    ]
    called.clear()
    (make.ROOT / "models/reviews-zh").mkdir(parents=True)
    make.main(["run"])
    assert [command.split()[1] for command in called] == ["serve"]


def test_with_a_bundle_made_elsewhere_check_trains_none(called: list[str]) -> None:
    make.main(["check", "FENLEI_BUNDLE=models/other"])

    assert not [command for command in called if "train" in command.split()]
    assert any(command.endswith("-m pytest -q tests/unit") for command in called)
    assert any(command.split()[0] == "mypy" for command in called)
    assert make.ENVIRONMENT["FENLEI_BUNDLE"] == "models/other"


def test_programs_are_where_each_system_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "WINDOWS", False)
    assert make.program(".venv", "fenlei") == str(ROOT / ".venv/bin/fenlei")

    monkeypatch.setattr(make, "WINDOWS", True)
    assert make.program(".venv", "fenlei") == str(ROOT / ".venv/Scripts/fenlei.exe")


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fly"], r"^make\.py does not know fly; it knows: setup, run, check, "),
        (["run", "COLOUR=red"], r"^make\.py does not know COLOUR; it knows: MODEL, HOST, PORT, "),
        (["run", "MODEL=models/no"], r"^models/no is not there; train it with: fenlei train texts\.csv -o models/no$"),
    ],
)
def test_what_it_is_not_told_rightly_is_one_sentence(called: list[str], words: list[str], sentence: str) -> None:
    with pytest.raises(make.Failed, match=sentence):
        make.main(words)

    assert called == []


def test_a_command_that_fails_is_named_with_its_status() -> None:
    with pytest.raises(make.Failed, match=r"^python\S* -c raise SystemExit\(3\) ended with exit status 3") as failed:
        make.call(sys.executable, "-c", "raise SystemExit(3)")

    assert failed.value.status == 3


@pytest.mark.parametrize("version", [(3, 9, 6), (3, 10, 13), (3, 15, 0)])
def test_another_python_is_told_which_ones_it_works_with(version: tuple[int, ...]) -> None:
    code = f"import runpy, sys; sys.version_info = {version}; runpy.run_path('make.py')"

    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)

    assert ran.returncode == 1
    assert re.fullmatch(
        r"error: fenlei needs Python 3\.11, 3\.12 or 3\.13 .*; call: python3\.13 make\.py, .*\n", ran.stderr
    )


def test_an_older_python_reads_as_far_as_that_sentence() -> None:
    ast.parse((ROOT / "make.py").read_text(encoding="utf-8"), feature_version=(3, 8))


def test_an_environment_finds_the_code_by_a_path_without_a_letter_that_a_locale_may_lack(tmp_path: Path) -> None:
    root = tmp_path / "a b 中文"
    packages = root / ".venv/lib/python3.12/site-packages"
    packages.mkdir(parents=True)
    (packages / "_fenlei.pth").write_text(str(root), encoding="utf-8")

    make.point_at(root, root / ".venv")

    written = (packages / "_fenlei.pth").read_text(encoding="ascii").strip()
    assert (packages / written).resolve() == root.resolve()
