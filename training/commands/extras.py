"""What a command needs beyond `pip install fenlei`: the extras of the wheel, whose requirements pyproject.toml has."""

import sys
from importlib.util import find_spec

from training.errors import InputError

# An extra is taken to be here if these modules are.
TRAIN = ("jinja2", "keras", "scipy", "tensorflow")
EXTRAS = {
    "train": TRAIN,
    "encoder": (*TRAIN, "huggingface_hub", "safetensors"),
    "parquet": ("pyarrow",),
    "deploy": ("cyclonedx", "elftools"),
}


BEYOND_TENSORFLOW = (3, 14)


def need(extra: str) -> None:
    """Raises InputError if an extra is not installed; called before any work is done."""
    missing = [name for name in EXTRAS[extra] if find_spec(name) is None]
    if "tensorflow" in missing and sys.version_info >= BEYOND_TENSORFLOW:
        raise InputError(
            f"Training needs Python 3.11, 3.12 or 3.13, for which TensorFlow is published, and this is "
            f"{sys.version.split()[0]}; train with one of them, and serve the bundle with this one."
        )
    if missing:
        raise InputError(
            f"This needs {', '.join(missing)}; install what is missing with: pip install 'fenlei[{extra}]'"
        )
