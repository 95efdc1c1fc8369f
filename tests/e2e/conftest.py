"""Packages, built once for all tests that look at them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sam import SAM, model, run
from support import ROOT

from build import wheels
from build.targets import ARCHITECTURES, TARGETS

IMAGE = "public.ecr.aws/lambda/python:3.13"


@pytest.fixture(scope="session")
def dist(bundle_path: Path) -> Path:
    """What `make build` makes, for both architectures."""
    built = run("make", "-s", "build", model(bundle_path))
    assert built.returncode == 0, built.stdout + built.stderr
    return ROOT / "dist"


@pytest.fixture(scope="session")
def package(bundle_path: Path) -> Path:
    """What `sam build` makes."""
    if not SAM.exists():
        pytest.skip("the SAM command line is not installed; make sam")
    built = run("env", model(bundle_path), SAM, "build")
    assert built.returncode == 0, built.stderr
    return ROOT / ".aws-sam/build/ApiFunction"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """`installed(target, architecture)` gives a directory with the real wheels that ship, as they came."""
    trees: dict[tuple[str, str], Path] = {}

    def install(target: str, architecture: str) -> Path:
        if (target, architecture) not in trees:
            tree = trees[target, architecture] = tmp_path_factory.mktemp(f"{target}-{architecture}")
            wheels.install(tree, TARGETS[target], ARCHITECTURES[architecture])
        return trees[target, architecture]

    return install


@pytest.fixture(scope="session")
def container_image() -> None:
    if shutil.which("docker") is None or run("docker", "version").returncode:
        pytest.skip("no Docker engine answers")
    if run("docker", "image", "inspect", IMAGE).returncode:
        pytest.skip(f"the image {IMAGE} is not on this machine")
