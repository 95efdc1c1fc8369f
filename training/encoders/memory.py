"""Whether an encoder can be trained in the memory that there is: better said before than after an hour."""

import math
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from training.encoders.checkpoint import Checkpoint
from training.errors import InputError

# Copies of the weights at the peak: model, gradients, the optimizer's averages, both trainings' and their mean,
# SavedModel, what the converter makes of each function; and what all else takes. Measured on ai-edge-litert, with half
# of the layers trained or fewer: 4.2 GB for MiniLM's 23 million weights, 8.4 GB for MPNet's 109.
COPIES, BESIDES = 15, 3 * 10**9
# Converting a large table to bytes takes as much as gradients do: frozen, multilingual-e5-small took 3.6 GB with 33
# million weights left of its 118, and 6.6 GB with 66.
MEMINFO = Path("/proc/meminfo")


def available_bytes() -> float:
    """The memory that this process may still take: what is free, or its own limit.

    macOS says only how much there is at all, and Windows does not say it to Python: infinite.
    """
    if sys.platform == "win32":
        return math.inf
    import resource

    free = math.inf
    if MEMINFO.exists() and (found := re.search(r"^MemAvailable:\s+(\d+)", MEMINFO.read_text(encoding="ascii"), re.M)):
        free = int(found[1]) * 1024
    else:
        with suppress(ValueError, OSError):  # some versions of macOS do not say even that
            free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return min(free, math.inf if limit == resource.RLIM_INFINITY else limit)


def check_memory(checkpoint: Checkpoint, available: float) -> None:
    """Raises InputError if training the encoder takes more memory than there is."""
    needed = 4 * checkpoint.parameters * COPIES + BESIDES
    if needed > available:
        raise InputError(
            f"Training this encoder of {checkpoint.parameters / 1e6:.0f} million weights takes about "
            f"{needed / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB are free; use a smaller checkpoint, "
            "or a part of it: --layers, --pieces, --tune none."
        )
