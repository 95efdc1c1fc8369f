"""A folder of train, dev and test, as Hugging Face's datasets come: some files of each, or a folder of each."""

import re
from pathlib import Path

from training.data.formats.any_file import suffix_of

PART = re.compile(r"(train|dev|valid|val|test)(?:ing|elopment|idation)?(?![a-z])")
WITHIN = "data"
# What Hugging Face's datasets write beside the data.
ABOUT = ("dataset_info.json", "state.json")


def parts_of(path: Path) -> dict[str, list[Path]]:
    """The files of train, dev and test in a folder, or in its folder `data`.

    None if there is no train, or if it is a class: a folder beside others that are no parts.
    """
    found: dict[str, list[Path]] = {}
    for folder in (path, path / WITHIN):
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            name = PART.match(entry.name.lower())
            if name and (entry.is_dir() or suffix_of(entry)):
                part = "dev" if name[1] in ("valid", "val") else name[1]
                found.setdefault(part, []).extend(_tables(entry) or [entry])
            elif entry.is_dir() and entry.name != WITHIN and not entry.name.startswith("."):
                return {}
    return found if "train" in found else {}


def _tables(path: Path) -> list[Path]:
    """The files of a part that is a folder itself; none if it has a folder a class, or is a file."""
    if not path.is_dir() or any(one.is_dir() and not one.name.startswith(".") for one in path.iterdir()):
        return []
    return [one for one in sorted(path.iterdir()) if one.is_file() and suffix_of(one) and one.name not in ABOUT]
