"""The `fenlei` command as a user calls it."""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from support import ROOT

FAMILIES = ("logistic", "cnn", "lstm", "hybrid")
# A shell's background job ignores Ctrl-C, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
COMMAND = Path(sys.executable).with_name("fenlei.exe" if sys.platform == "win32" else "fenlei")


class Ran(NamedTuple):
    """How a call ended, and what it said."""

    status: int
    output: str
    errors: str

    def json(self) -> Any:
        return json.loads(self.output)


@cache
def trainer() -> list[str]:
    """What to call to train: on Linux a fork of a process that has imported TensorFlow, which macOS may not survive."""
    if sys.platform != "linux":
        return [str(COMMAND)]
    directory = tempfile.mkdtemp()
    python, path = [sys.executable, "-X", "utf8"], f"{directory}/socket"
    warm = subprocess.Popen(
        [*python, "-m", "tests.warm", "serve", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert warm.stdin
    assert warm.stdout
    assert warm.stdout.readline() == b"ready\n"
    warm.stdout.close()
    atexit.register(shutil.rmtree, directory)
    atexit.register(warm.wait)
    atexit.register(warm.stdin.close)
    return [*python, "-S", str(ROOT / "tests/warm.py"), path]


def start(*arguments: object, cwd: Path | None = None, warm: bool = True) -> subprocess.Popen[str]:
    """Starts `fenlei`, as a process of its own, which trains in a `warm` one unless told not to."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    called = trainer() if warm and arguments[0] == "train" else [str(COMMAND)]
    return subprocess.Popen(
        [*called, *map(str, arguments)],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        cwd=cwd,
        env=environment,
        encoding="utf-8",
    )


def finish(process: subprocess.Popen[str], given: str | None = None) -> Ran:
    output, errors = process.communicate(given, timeout=300)
    return Ran(process.returncode, output, errors)


def fenlei(*arguments: object, given: str | None = None, cwd: Path | None = None) -> Ran:
    """Calls `fenlei` and waits; `given` is what stands on its standard input."""
    return finish(start(*arguments, cwd=cwd), given)


class FourLines(NamedTuple):
    """What training on the four classic lines left and said."""

    path: Path
    ran: Ran


class Twice(NamedTuple):
    """Two trainings with the same texts and seed, in two processes."""

    paths: tuple[Path, Path]
    results: tuple[dict[str, Any], dict[str, Any]]
