"""What a bundle needs of a machine: measured where it was trained, in a process of its own that holds only the handler.

ApiMemory  = 1.5 x megabytes, in steps of 128, and 1024 at least
ApiTimeout = 3 x (start + 4 x the slowest batch, which is 128 of the longest texts) with that memory's share of a
             processor, 15 seconds at least and 29 at most, which is where the gateway ends
"""

import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from handler.model.bundle import Bundle, Needs
from handler.model.interpreter import MEMORY_OF_ONE_PROCESSOR
from training.errors import WorkError
from training.shipping import bundles

LEAST_MEMORY, MEMORY_STEP, MEMORY_MARGIN = 1024, 128, 1.5
LEAST_SECONDS, MOST_SECONDS, TIME_MARGIN = 15, 29, 3
LARGEST_REQUEST = 4
# Where the peak of memory is to be read.
STATUS = Path("/proc/self/status")

PROGRAM = """
import json, re, time
started = time.perf_counter()
import handler.api
from handler.model.models import models
models().warm()
ready = time.perf_counter()
models().prepare()
begun = time.perf_counter()
largest = models().get()
largest.predict([[1] * largest.manifest.max_tokens] * 32)
ended = time.perf_counter()
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status", encoding="utf-8").read())[1]) / 1000
print(json.dumps({"megabytes": round(peak), "start": round(ready - started, 2), "slowest": round(ended - begun, 2)}))
"""


def measured(bundle: Bundle) -> Bundle:
    """The bundle with its needs in the manifest, or without where the system does not tell a process's memory.

    Raises WorkError if the handler cannot serve it.
    """
    if not STATUS.exists():
        return bundle
    with tempfile.TemporaryDirectory() as work:
        path = Path(work, "bundle")
        bundles.write(bundle, {}, path)
        manifest = msgspec.structs.replace(bundle.manifest, needs=_measure(path))
    return msgspec.structs.replace(bundle, manifest=manifest)


def _measure(path: Path) -> Needs:
    command, root = [sys.executable, "-c", PROGRAM], Path(__file__).parents[2]
    # PYTHONSAFEPATH keeps the current directory off the path.
    python_path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    own = {"MODEL_DIR": str(path), "MODEL_URI": "", "POWERTOOLS_METRICS_DISABLED": "true", "PYTHONPATH": python_path}
    environment = os.environ | own | {"PYTHONUTF8": "1"}
    ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, encoding="utf-8", check=False)
    if ran.returncode:
        reason = " ".join(ran.stderr.rpartition("Error: ")[2].split())
        raise WorkError(f"The handler cannot serve the bundle: {reason}")
    return msgspec.json.decode(ran.stdout.splitlines()[-1], type=Needs)


def parameters(needs: Needs) -> dict[str, int]:
    """The parameters of template.yaml that suit a bundle."""
    memory = max(LEAST_MEMORY, MEMORY_STEP * math.ceil(MEMORY_MARGIN * needs.megabytes / MEMORY_STEP))
    share = max(1.0, MEMORY_OF_ONE_PROCESSOR / memory)
    seconds = math.ceil(TIME_MARGIN * share * (needs.start + LARGEST_REQUEST * needs.slowest))
    return {"ApiMemory": memory, "ApiTimeout": min(MOST_SECONDS, max(LEAST_SECONDS, seconds))}
