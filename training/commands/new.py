"""`fenlei new`: what deploys a bundle, in a directory of one's own, without a clone of this repository."""

import os
import tempfile
from importlib.metadata import version
from pathlib import Path

from training.errors import InputError
from training.shipping.bundles import can_write

ROOT = Path(__file__).parents[2]
OWN = Path(__file__).parent / "project"
# What is written, and what it is copied from. Of infra/ it is what the template names: openapi.yaml is the contract of
# the code, and image.yaml needs an image.
INFRA = ("bulk.asl.json", "bulk.yaml", "delivery.yaml", "gateway.yaml", "observability.yaml")
FILES = {
    ".cfnlintrc": OWN / "cfnlintrc",
    ".gitignore": OWN / "gitignore",
    "Makefile": OWN / "Makefile",
    "README.md": OWN / "README.md",
    "events/classify.json": ROOT / "tests/events/classify.json",
    **{f"infra/{name}": ROOT / "infra" / name for name in INFRA},
    "samconfig.toml": ROOT / "samconfig.toml",
    "template.yaml": ROOT / "template.yaml",
}


def write(directory: Path, force: bool) -> None:
    """Writes the files of a project: all of them, or none. Raises InputError if anything is in the way."""
    _check(directory, force)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not can_write(directory):
            raise InputError(f"{directory} cannot be written to; choose another directory.")
        with tempfile.TemporaryDirectory(prefix=".fenlei-", dir=directory) as stage:
            for name, source in FILES.items():
                path = Path(stage, name)
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(source.read_bytes().replace(b"FENLEI_VERSION", version("fenlei").encode()))
            for name in FILES:
                (directory / name).parent.mkdir(exist_ok=True)
                Path(stage, name).replace(directory / name)
    except OSError as error:
        raise InputError(
            f"{directory} cannot be written to: {error.strerror}; choose another directory, or make room."
        ) from None


def _check(directory: Path, force: bool) -> None:
    places = dict.fromkeys(path for name in FILES for path in (directory, (directory / name).parent))
    for place in places:
        if os.path.lexists(place) and not place.is_dir():
            raise InputError(f"{place} is no directory; remove it, or choose another directory.")
    there = [name for name in FILES if os.path.lexists(directory / name)]
    if there and not force:
        raise InputError(
            f"{directory} has {', '.join(there)} already; choose another directory, or replace them with --force."
        )
    for name in there:
        if (directory / name).is_dir():
            raise InputError(f"{directory / name} is a directory; remove it, or choose another directory.")
