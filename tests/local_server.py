"""`fenlei serve` as a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(*bundles: Path, **environment: str) -> Iterator[str]:
    """Serves bundles on a free port of this machine, and gives the URL."""
    command = [sys.executable, "-m", "fenlei", "serve", *bundles, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8", env=os.environ | environment) as process:
        try:
            assert process.stderr is not None
            said = ""
            for line in process.stderr:
                said += line
                if found := re.search(r"listening on (http://\S+);", line):
                    yield found[1]
                    return
            raise AssertionError(said)
        finally:
            process.kill()
