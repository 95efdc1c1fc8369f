"""Environments that a wheel of this repository is installed into, each with a directory of its user's."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from sam import ENVIRONMENT, SAM

from build import wheels

# What uv says where there is neither a network nor what it needs in its cache.
OUT_OF_REACH = re.compile(r"Failed to fetch|error sending request|network|not found in the cache", re.IGNORECASE)


def build_wheel(source: Path, output: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", output]
    done = subprocess.run(command, cwd=source, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    (made,) = output.iterdir()
    return made


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    output: str
    errors: str


class Installed(NamedTuple):
    """An environment, and a directory of its user's."""

    environment: Path
    directory: Path

    @property
    def variables(self) -> dict[str, str]:
        path = f"{self.environment}/bin:{SAM.parent}:{os.environ['PATH']}"
        return ENVIRONMENT | {"PATH": path, "PYTHONPATH": "", "NO_COLOR": "1"}

    def run(self, *words: str, **variables: str) -> Ran:
        done = subprocess.run(
            words,
            cwd=self.directory,
            env=self.variables | variables,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


def take_compiled(site: Path, *packages: str) -> None:
    """Takes along what this environment has compiled of the same files; to compile TensorFlow takes ten seconds.

    Where a file's time differs, as it does when it is a copy and no link, Python compiles it again.
    """
    here = Path(pytest.__file__).parents[1]
    for package in packages:
        for compiled in (here / package).rglob("*.pyc"):
            copy = site / compiled.relative_to(here)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(compiled, copy)


def install(wheel: Path, directory: Path, extras: str) -> Installed:
    """An environment with the wheel and the packages that the locks name, beside which others have our names."""
    uv, environment = wheels.find_uv(), directory / "environment"
    locks = [word for name in ("dev", "uv") for word in ("--constraint", str(wheels.LOCKS / f"{name}.txt"))]
    command = [uv, "pip", "install", "--quiet", "--python", environment, *locks, f"{wheel}{extras}"]
    if "train" in extras and (sys.platform, platform.machine()) == ("linux", "x86_64"):
        # As the locks have it there, without kernels for graphics cards: half as much to download.
        instead = directory / "instead.txt"
        instead.write_text("tensorflow; sys_platform == 'never'\n", encoding="utf-8")
        command += ["tensorflow-cpu", "--override", instead]
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode and OUT_OF_REACH.search(done.stderr):
        pytest.skip("the packages that the wheel requires are neither in uv's cache nor to be had")
    assert done.returncode == 0, done.stderr
    (site,) = environment.glob("lib/python*/site-packages")
    if "train" in extras:
        take_compiled(site, "tensorflow", "keras")
    for name in ("handler", "training", "build"):
        (site / name).mkdir()
        (site / name / "__init__.py").write_text("raise ImportError('this is not ours')\n", encoding="utf-8")
    work = directory / "我的 texts"
    work.mkdir()
    return Installed(environment, work)
