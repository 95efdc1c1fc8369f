"""Writing a bundle: whole or not at all."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from handler.model import bundle as bundles
from handler.model.bundle import Bundle
from training.errors import InputError


def check_destination(path: Path, force: bool) -> None:
    """Raises InputError if something is in the way, so that hours of training do not end in this."""
    _check_room(path, path.absolute().parents, "--output")
    if path.exists() and not force:
        raise InputError(f"{path} exists already; choose another --output, or give --force to replace it.")
    if path.exists() and not (path / bundles.MANIFEST).exists():
        raise InputError(f"{path} is not a bundle, so it is not replaced; choose another --output.")


def check_directories(paths: Mapping[str, Path | None]) -> None:
    """Raises InputError unless these directories, by the option that names them, can be written to, or made."""
    for option, path in paths.items():
        if path:
            _check_room(path, [path.absolute(), *path.absolute().parents], option)


def _check_room(path: Path, places: Sequence[Path], option: str) -> None:
    """Raises InputError unless the first of these places that is there is a directory to write to."""
    place = next((place for place in places if place.exists()), path)
    if not (place.is_dir() and os.access(place, os.W_OK)):
        raise InputError(f"{path} cannot be written: {place} is no directory to write to; choose another {option}.")


def write(bundle: Bundle, documents: Mapping[str, str], path: Path) -> Bundle:
    """Writes a bundle and its documents to a directory and reads it back, verified.

    It is made beside its place and moved there when it is complete; a bundle that was there before is replaced
    then. Raises InputError if the place cannot be written.
    """
    shipped = {
        bundles.MODEL: bundle.model,
        bundles.TOKENIZER: bundle.tokenizer.encode(),
        bundles.GOLDEN: bundle.golden_lines,
    }
    papers = {name: text.encode() for name, text in documents.items()}
    manifest = msgspec.structs.replace(
        bundle.manifest,
        files={name: bundles.file_entry(content) for name, content in shipped.items()},
        documents={name: bundles.file_entry(content) for name, content in papers.items()},
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", suffix=".tmp", dir=path.parent) as work:
            fresh = Path(work, "new")
            fresh.mkdir()
            for name, content in (shipped | papers).items():
                (fresh / name).write_bytes(content)
            (fresh / bundles.MANIFEST).write_bytes(bundles.encode_manifest(manifest))
            complete = bundles.load(fresh)
            old = Path(work, "old")
            try:
                if path.exists():
                    path.rename(old)
                fresh.rename(path)
            finally:
                if old.exists() and not path.exists():
                    old.rename(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another --output.") from None
    return complete
