"""The SAM command line, as tests call it."""

import os
import subprocess
from pathlib import Path

from cloud import CREDENTIALS
from support import ROOT

# In the C locale without UTF-8 it stops at the first path that is not ASCII.
ENVIRONMENT = os.environ | CREDENTIALS | {"SAM_CLI_TELEMETRY": "0", "PYTHONUTF8": "1"}
SAM = ROOT / ".envs/sam/bin/sam"


def run(*command: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command; `given` is what stands on its standard input."""
    return subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, input=given, capture_output=True, encoding="utf-8", timeout=300, check=False
    )


def model(bundle: Path) -> str:
    """Names a bundle for make, from where it is called: it takes no spaces, and the path to the repository may have."""
    return f"MODEL={os.path.relpath(bundle, ROOT)}"
