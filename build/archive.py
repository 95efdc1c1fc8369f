"""A tree -> a zip whose bytes depend on its content alone: sorted entries, one time, one mode."""

import hashlib
import os
import zipfile
from pathlib import Path

# The earliest that a zip can say; Lambda unpacks with it.
EPOCH = (1980, 1, 1, 0, 0, 0)
_EPOCH_SECONDS = 315532800
_MODE = 0o644


def files(tree: Path) -> list[Path]:
    """The files below a directory, relative to it, sorted."""
    return sorted((path.relative_to(tree) for path in tree.rglob("*") if path.is_file()), key=Path.as_posix)


def settle(tree: Path) -> None:
    """Gives every file and directory the same mode and time that the archive gives them."""
    for path in (*tree.rglob("*"), tree):
        path.chmod(0o755 if path.is_dir() else _MODE)
        os.utime(path, (_EPOCH_SECONDS, _EPOCH_SECONDS))


def pack(tree: Path, output: Path) -> None:
    """Writes the archive. zlib's version is the one thing besides the content that its bytes depend on."""
    with zipfile.ZipFile(output, "w") as archive:
        for path in files(tree):
            entry = zipfile.ZipInfo(path.as_posix(), EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, so that the mode counts
            entry.external_attr = (0o100000 | _MODE) << 16
            archive.writestr(entry, (tree / path).read_bytes(), compresslevel=9)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(paths: list[Path], root: Path) -> str:
    """What `sha256sum --check` reads."""
    return "".join(f"{sha256(path)}  {path.relative_to(root).as_posix()}\n" for path in paths)
