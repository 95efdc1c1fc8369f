"""Writing a bundle: whole or not at all."""

import tempfile
import uuid
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
    if not can_write(place):
        raise InputError(f"{path} cannot be written: {place} is no directory to write to; choose another {option}.")


def can_write(directory: Path) -> bool:
    """Whether something can be made there, which is tried.

    Of a directory on Windows `os.access` says yes whoever asks, and `tempfile`, which believes it, then tries two
    thousand million names before it gives up.
    """
    probe = directory / f".{uuid.uuid4().hex}.tmp"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


def prefix_of(path: Path) -> str:
    """What the name of something temporary beside a path begins with; the whole of it has to be under 256 bytes."""
    return f".{path.name[:40]}-"


def shipped_bytes(bundle: Bundle) -> int:
    """How large the bundle is, but for its manifest and what is for people to read."""
    return sum(map(len, _shipped(bundle).values()))


def _shipped(bundle: Bundle) -> dict[str, bytes]:
    return {
        bundles.MODEL: bundle.model,
        bundles.TOKENIZER: bundle.tokenizer.encode(),
        bundles.GOLDEN: bundle.golden_lines,
    }


def write(bundle: Bundle, documents: Mapping[str, str], path: Path) -> Bundle:
    """Writes a bundle and its documents to a directory and reads it back, verified.

    It is made beside its place and moved there when it is complete; a bundle that was there before is replaced
    then. Raises InputError if the place cannot be written.
    """
    shipped = _shipped(bundle)
    papers = {name: text.encode() for name, text in documents.items()}
    manifest = msgspec.structs.replace(
        bundle.manifest,
        files={name: bundles.file_entry(content) for name, content in shipped.items()},
        documents={name: bundles.file_entry(content) for name, content in papers.items()},
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What was there before cannot be removed on Windows while somebody looks into it; the new one is in its place.
        with tempfile.TemporaryDirectory(".tmp", prefix_of(path), path.parent, ignore_cleanup_errors=True) as work:
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
