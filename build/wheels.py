"""Pinned wheels for another machine: what ships of the lock, checked against its hashes, never compiled."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

from build.errors import BuildError
from build.targets import Architecture, Target

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "build" / "locks"

# What the handler imports. The rest of the lock is not needed at run time (tokenizers asks for huggingface_hub,
# ai-edge-litert for protobuf), or Lambda brings it (boto3).
SHIPPED = (
    "ai-edge-litert",
    "aws-lambda-powertools",
    "jmespath",
    "msgspec",
    "numpy",
    "tflite-runtime",
    "tokenizers",
    "typing-extensions",
)


def install(output: Path, target: Target, architecture: Architecture, lock: Path = LOCKS / "handler.txt") -> None:
    """Fills `output` with what ships of the lock; a container gets Lambda's runtime client too. Raises BuildError."""
    entries = shipped_entries(lock.read_text(encoding="utf-8"))
    if not target.brings_runtime:
        known = {name_of(entry) for entry in entries}
        runtime = entries_of((LOCKS / "runtime.txt").read_text(encoding="utf-8"))
        entries += [entry for entry in runtime if name_of(entry) not in known]
    _uv_install(entries, output, target, architecture)


def install_whole(output: Path, target: Target, architecture: Architecture, lock: Path) -> None:
    """Fills `output` with all that a lock names. Raises BuildError."""
    _uv_install(entries_of(lock.read_text(encoding="utf-8")), output, target, architecture)


def install_runtime(output: Path, python: str) -> None:
    """Fills `output` with what Lambda's own Python brings, for the replay on this machine. Raises BuildError."""
    _uv(output, python, LOCKS / "runtime.txt")


def _uv_install(entries: Iterable[str], output: Path, target: Target, architecture: Architecture) -> None:
    glibc = "_".join(map(str, target.system.offers["GLIBC"])) if target.system.offers["GLIBC"] >= (2, 28) else "2_17"
    platform = f"{architecture.wheels}-manylinux_{glibc}"
    with tempfile.TemporaryDirectory() as directory:
        requirements = Path(directory, "requirements.txt")
        requirements.write_text("".join(entries), encoding="utf-8")
        # Copies, not links into uv's cache: what ships is cut and dated afterwards.
        options = ("--python-platform", platform, "--link-mode", "copy")
        _uv(output, target.python, requirements, *options)


def _uv(output: Path, python: str, requirements: Path, *options: str) -> None:
    command = [find_uv(), "pip", "install", "--quiet", "--target", str(output), "--requirements", str(requirements)]
    command += ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
    if subprocess.run([*command, "--python-version", python, *options], check=False).returncode:
        raise BuildError("The wheels could not be installed; uv says why above.")


def entries_of(lock: str) -> list[str]:
    """The entries of a lock file, each a requirement and its hashes."""
    return re.findall(r"^[a-z0-9].*(?:\n +.*)*\n", lock, re.MULTILINE)


def shipped_entries(lock: str) -> list[str]:
    """The entries of a lock file that ship."""
    return [entry for entry in entries_of(lock) if name_of(entry) in SHIPPED]


def name_of(entry: str) -> str:
    return entry.partition("==")[0]


def find_uv() -> str:
    """uv, as `make` installs it, as the extra `deploy` does, or on PATH. Raises BuildError."""
    for place in (str(ROOT / ".envs/uv/bin"), str(ROOT / ".envs/uv/Scripts"), sysconfig.get_path("scripts"), None):
        if found := shutil.which("uv", path=place):
            return found
    raise BuildError("uv, which fetches the wheels, is not here; install it with: pip install 'fenlei[deploy]'")


def find_python(version: str) -> str:
    """A Python of that version: this one, on PATH, or where pyenv keeps it. Raises BuildError."""
    kept = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
    this = [sys.executable] if version == f"{sys.version_info.major}.{sys.version_info.minor}" else []
    for candidate in (*this, f"python{version}", *map(str, kept)):
        found = shutil.which(candidate)
        # A name on PATH may be a shim that does not run.
        if found and subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode == 0:
            return found
    raise BuildError(f"python{version} is not on PATH; install it, because its own compiler makes the bytecode.")
