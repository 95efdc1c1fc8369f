"""The gate: whether each shared library of a package loads where it is meant to, whatever its wheel's tag says.

    python -m build.elf --target python3.11 DIRECTORY

A library names the versions of the symbols that it needs; a system whose own libraries are older refuses to load it.
That is read from the file, so that a package for another processor is checked too.
"""

import argparse
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from build.errors import BuildError
from build.targets import ARCHITECTURES, SYSTEM_LIBRARIES, TARGETS, Architecture, System, Target, Version


class Library(NamedTuple):
    """What a shared library asks for: a processor, other libraries, the highest version of each family of symbols."""

    machine: str
    libraries: tuple[str, ...]
    versions: dict[str, Version]


def read(path: Path) -> Library:
    """Reads the dynamic section and `.gnu.version_r` of a shared library."""
    versions: dict[str, Version] = {}
    libraries: tuple[str, ...] = ()
    with path.open("rb") as file:
        elf = ELFFile(file)
        for section in elf.iter_sections():
            if isinstance(section, DynamicSection):
                libraries = tuple(tag.needed for tag in section.iter_tags("DT_NEEDED"))
            elif isinstance(section, GNUVerNeedSection):
                for _, needed in section.iter_versions():
                    for symbol in needed:
                        family, _, number = symbol.name.rpartition("_")
                        if number[:1].isdigit():
                            versions[family] = max(versions.get(family, ()), tuple(map(int, number.split("."))))
        return Library(str(elf["e_machine"]), libraries, versions)


def shared_libraries(tree: Path) -> dict[Path, Library]:
    """Every ELF file of a tree, by its path below the root."""
    return {path.relative_to(tree): read(path) for path in sorted(tree.rglob("*.so*")) if _is_elf(path)}


def highest(found: dict[Path, Library]) -> dict[str, Version]:
    """The highest version of each family of symbols that a set of libraries needs."""
    versions: dict[str, Version] = {}
    for library in found.values():
        for family, version in library.versions.items():
            versions[family] = max(versions.get(family, ()), version)
    return versions


def check(tree: Path, target: Target, architecture: Architecture) -> dict[Path, Library]:
    """Gives all libraries of a tree. Raises BuildError that names each that would not load, and says what to do."""
    found = shared_libraries(tree)
    inside = {path.name for path in found}
    problems = [
        f"{path} {problem}"
        for path, library in found.items()
        for problem in _problems(library, inside, target.system, architecture)
    ]
    if problems:
        raise BuildError(
            f"{'; '.join(problems)}. So the package would not load on {target.name} ({target.system.name}, "
            f"{architecture.name}), whatever the tags of its wheels say; {_advice(found, target, architecture)}."
        )
    return found


def _problems(library: Library, inside: set[str], system: System, architecture: Architecture) -> Iterator[str]:
    if library.machine != architecture.machine:
        yield f"is for {library.machine.removeprefix('EM_').lower()}"
        return
    for family, offered in system.offers.items():
        if library.versions.get(family, ()) > offered:
            yield f"needs {family} {_dotted(library.versions[family])} (there: {_dotted(offered)})"
    for name in library.libraries:
        if name not in SYSTEM_LIBRARIES and name not in inside:
            yield f"needs {name}, which is neither in the package nor on {system.name}"


def _advice(found: dict[Path, Library], target: Target, architecture: Architecture) -> str:
    """Names the targets of the same Python where these libraries do load; else says to pin another version."""
    if any(library.machine != architecture.machine for library in found.values()):
        return f"install the wheels for {architecture.name}"
    inside = {path.name for path in found}
    elsewhere = [
        other.name
        for other in TARGETS.values()
        if other.python == target.python
        and not any(list(_problems(library, inside, other.system, architecture)) for library in found.values())
    ]
    if elsewhere:
        return f"build for {' or '.join(elsewhere)} instead"
    return "pin a version of it in pyproject.toml whose wheel loads there, and call make lock"


def cut(path: Path) -> None:
    """Cuts off what follows the last loaded byte of a library: symbol names and section headers, for debuggers only.

    No byte that is loaded moves or changes, on any processor and without any compiler's tools, but for the three
    fields of the header that say where the section headers were.
    """
    with path.open("r+b") as file:
        elf = ELFFile(file)
        end = max(segment["p_offset"] + segment["p_filesz"] for segment in elf.iter_segments())
        if elf.elfclass != 64 or not elf.little_endian:
            return
        file.truncate(end)
        for offset, kind in ((0x28, "<Q"), (0x3C, "<H"), (0x3E, "<H")):  # e_shoff, e_shnum, e_shstrndx
            file.seek(offset)
            file.write(struct.pack(kind, 0))


def listed(versions: dict[str, Version], system: System) -> str:
    """The versions of those families of symbols that a system is judged by."""
    return ", ".join(f"{family} {_dotted(versions[family])}" for family in system.offers if family in versions)


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, help="a directory of installed wheels")
    parser.add_argument("--target", default="python3.13", choices=TARGETS)
    parser.add_argument("--architecture", default="x86_64", choices=ARCHITECTURES)
    options = parser.parse_args()
    try:
        found = check(options.tree, TARGETS[options.target], ARCHITECTURES[options.architecture])
    except BuildError as error:
        sys.exit(f"error: {error}")
    needs = listed(highest(found), TARGETS[options.target].system)
    print(f"{len(found)} libraries load on {options.target} ({options.architecture}); they need {needs}")


if __name__ == "__main__":
    main()
