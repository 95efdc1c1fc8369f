"""What a command needs beyond `pip install fenlei`: the extras of the wheel, whose requirements pyproject.toml has."""

from importlib.util import find_spec

from training.errors import InputError

# An extra is taken to be here if these modules are.
TRAIN = ("jinja2", "keras", "scipy", "tensorflow")
EXTRAS = {"train": TRAIN, "encoder": (*TRAIN, "safetensors"), "deploy": ("cyclonedx", "elftools")}


def need(extra: str) -> None:
    """Raises InputError if an extra is not installed; called before any work is done."""
    missing = [name for name in EXTRAS[extra] if find_spec(name) is None]
    if missing:
        raise InputError(
            f"This needs {', '.join(missing)}; install what is missing with: pip install 'fenlei[{extra}]'"
        )
