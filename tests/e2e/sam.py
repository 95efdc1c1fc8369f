"""The SAM command line, as tests call it."""

import os
import subprocess
from pathlib import Path

from cloud import CREDENTIALS
from support import ROOT

ENVIRONMENT = os.environ | CREDENTIALS | {"SAM_CLI_TELEMETRY": "0"}
SAM = ROOT / ".envs/sam/bin/sam"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, encoding="utf-8", timeout=300, check=False
    )
