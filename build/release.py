"""The release: what `sam build` made, in one file, deployed to one environment after the other.

    python -m build.release pack      .aws-sam/build -> dist/release.zip and its digest
    python -m build.release unpack    dist/release.zip, if it is what its digest says -> .aws-sam/build

Python does it, because the tar of macOS sorts no names, sets no times, and there is no sha256sum.
"""

import argparse
import shutil
import sys
import zipfile
from pathlib import Path

from build import archive
from build.errors import BuildError

BUILT, RELEASE = Path(".aws-sam/build"), Path("dist/release.zip")


def pack(built: Path = BUILT, release: Path = RELEASE) -> None:
    """Writes the release and its digest; the same content gives the same bytes. Raises BuildError."""
    if not built.is_dir():
        raise BuildError(f"{built} is not there; make it with: sam build")
    release.parent.mkdir(parents=True, exist_ok=True)
    archive.pack(built, release)
    digest_of(release).write_text(archive.digests([release], release.parent), encoding="utf-8")


def unpack(release: Path = RELEASE, built: Path = BUILT) -> None:
    """Puts the content of a release where `sam deploy` looks for it, in place of what is there. Raises BuildError."""
    if not release.exists() or not digest_of(release).exists():
        raise BuildError(f"{release} or its digest is not there; make them with: make release")
    if digest_of(release).read_text(encoding="utf-8") != archive.digests([release], release.parent):
        raise BuildError(f"{release} is not what {digest_of(release)} says; make it again with: make release")
    shutil.rmtree(built, ignore_errors=True)
    with zipfile.ZipFile(release) as opened:
        opened.extractall(built)
    archive.settle(built)


def digest_of(release: Path) -> Path:
    return release.with_name(f"{release.name}.sha256")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("pack", "unpack"))
    try:
        {"pack": pack, "unpack": unpack}[parser.parse_args().step]()
    except BuildError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
