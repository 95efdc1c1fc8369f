"""make.py as somebody calls it, in this repository with its environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

COMMANDS = ["fenlei train", "fenlei classify", "fenlei batch", "fenlei serve"]


def smoke(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "make.py", "smoke"],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def steps(ran: subprocess.CompletedProcess[str]) -> list[str]:
    return [line.removeprefix("==> ") for line in ran.stdout.splitlines() if line.startswith("==> ")]


def test_it_works_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FENLEI_BUNDLE", raising=False)

    ran = smoke()

    assert ran.returncode == 0, ran.stderr
    assert steps(ran) == COMMANDS
    assert ran.stdout.endswith("It works on this machine.\n")


def test_a_bundle_made_elsewhere_is_served_where_nothing_can_be_trained(bundle_path: Path) -> None:
    ran = smoke(FENLEI_BUNDLE=str(bundle_path))

    assert ran.returncode == 0, ran.stderr
    assert steps(ran) == COMMANDS[1:]


def test_a_step_that_fails_is_said_and_none_follows() -> None:
    ran = smoke(FENLEI_BUNDLE="no/bundle")

    first, *others = ran.stderr.splitlines()[-3:]
    assert first.startswith("error: no/bundle does not exist; ")
    assert [sentence.split(";")[0] for sentence in others] == [
        "error: fenlei classify ended with exit status 2",
        "error: python -m tests.smoke ended with exit status 1",
    ]
    assert steps(ran) == COMMANDS[1:2]
    assert ran.returncode == 1
