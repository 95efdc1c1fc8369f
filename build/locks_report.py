"""What a new lock changes in the package: versions, sizes, and what its libraries ask of a system.

    python -m build.locks_report OLD_HANDLER_TXT [NEW_HANDLER_TXT]

`make lock` calls it with the lock as it was.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from build import elf, prune, wheels
from build.errors import BuildError
from build.sizes import MB, on_disk
from build.targets import ARCHITECTURES, TARGETS, Architecture, Target

# What is built: Lambda's default zip on both processors, and the image.
BUILDS = (("python3.13", "x86_64"), ("python3.13", "arm64"), ("image-debian12", "x86_64"))


class Weighed(NamedTuple):
    """A lock, installed and pruned: bytes, the symbol versions it needs, and why it does not load, if so."""

    size: int
    needs: str
    refusal: str


def weigh(lock: Path, target: Target, architecture: Architecture) -> Weighed:
    """Installs what ships of a lock, and reads it. Raises BuildError if its wheels cannot be had."""
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        wheels.install(tree, target, architecture, lock)
        prune.prune(tree)
        needs = elf.highest(elf.shared_libraries(tree))
        try:
            elf.check(tree, target, architecture)
            refusal = ""
        except BuildError as error:
            refusal = str(error)
        return Weighed(on_disk(tree), elf.listed(needs, target.system), refusal)


def versions(lock: Path) -> dict[str, str]:
    """The pinned versions of a lock, by name; a name with several for different Pythons has them all."""
    found: dict[str, list[str]] = {}
    for entry in wheels.entries_of(lock.read_text(encoding="utf-8")):
        found.setdefault(wheels.name_of(entry), []).append(entry.split("==")[1].split()[0])
    return {name: " and ".join(pinned) for name, pinned in found.items()}


def changed_versions(old: dict[str, str], new: dict[str, str]) -> list[str]:
    return [
        f"{'*' if name in wheels.SHIPPED else ' '} {name} {old.get(name, '(new)')} -> {new.get(name, '(gone)')}"
        for name in sorted(old | new)
        if old.get(name) != new.get(name)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="build/locks/handler.txt as it was")
    parser.add_argument("new", type=Path, nargs="?", default=wheels.LOCKS / "handler.txt")
    options = parser.parse_args()
    old, new = options.old, options.new
    lines = changed_versions(versions(old), versions(new))
    print("\n".join(["handler.txt (* ships):", *lines]) if lines else "handler.txt: every version as before")
    try:
        refusals = [refusal for names in BUILDS if (refusal := _compare(old if lines else new, new, *names))]
    except BuildError as error:
        sys.exit(f"error: {error}")
    if refusals:
        sys.exit("\n".join(f"error: {refusal}" for refusal in refusals))


def _compare(old: Path, new: Path, target_name: str, architecture_name: str) -> str:
    """Prints a line about one build; gives why it would not load."""
    target, architecture = TARGETS[target_name], ARCHITECTURES[architecture_name]
    after = weigh(new, target, architecture)
    before = weigh(old, target, architecture) if old != new else after
    size = _change(f"{before.size / MB:.1f} MB", f"{after.size / MB:.1f} MB")
    verdict = "does NOT load" if after.refusal else "loads"
    print(
        f"{target.name} {architecture.name}: {size} before its libraries are cut; "
        f"needs {_change(before.needs, after.needs)}; {verdict}"
    )
    return after.refusal


def _change(before: str, after: str) -> str:
    return after if before == after else f"{before} -> {after}"


if __name__ == "__main__":
    main()
