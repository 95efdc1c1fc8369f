"""Bytecode that Python takes as it is, so that a cold start compiles nothing."""

import os
import subprocess
from pathlib import Path

from build.errors import BuildError
from build.wheels import find_python


def compile_all(tree: Path, python: str) -> None:
    """Compiles every module with unchecked hashes (PEP 552). Raises BuildError.

    Zip files carry old timestamps, so that timestamped .pyc files would be compiled again at each cold start. One
    process in sorted order, because what marshal writes depends on what the compiler saw before.
    """
    command = [find_python(python), "-I", "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(tree), str(tree)]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if subprocess.run(command, env=environment, check=False).returncode:
        raise BuildError("A module could not be compiled; see above.")
