"""The gate: whether each shared library of a package loads where it is meant to, whatever its wheel's tag says.

    python -m build.elf --target python3.11 DIRECTORY

A library names the versions of the symbols that it needs; a system whose own libraries are older refuses to load it.
That is read from the file, so that a package for another processor is checked too; and one that was cut, since what the
loader reads is left. Another library counts as there only where the loader would look for it.
"""

import argparse
import posixpath
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from elftools.common.utils import parse_cstring_from_stream, struct_parse
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

from build.errors import BuildError
from build.targets import ARCHITECTURES, SYSTEM_LIBRARIES, TARGETS, Architecture, System, Target, Version


class Library(NamedTuple):
    """What a shared library asks for: a processor, other libraries, the highest version of each family of symbols.

    `own_path` is where its libraries are looked for (RUNPATH); `chain_path` is where they are, and those of all that it
    brings (RPATH, which counts if it has no RUNPATH).
    """

    machine: str
    libraries: tuple[str, ...]
    versions: dict[str, Version]
    name: str = ""
    own_path: tuple[str, ...] = ()
    chain_path: tuple[str, ...] = ()


def read(path: Path) -> Library:
    """Reads what the loader reads, the dynamic segment: sections are for linkers and debuggers, and may be cut off.

    Raises BuildError if it has none.
    """
    with path.open("rb") as file:
        elf = ELFFile(file)
        dynamic = next((segment for segment in elf.iter_segments() if isinstance(segment, DynamicSegment)), None)
        if dynamic is None or dynamic.get_table_offset("DT_STRTAB")[1] is None:
            raise BuildError(
                f"{path} has no dynamic segment, so it does not say what it needs; install its wheel again."
            )

        def named(tag: str) -> list[str]:
            return [getattr(found, tag) for found in dynamic.iter_tags(f"DT_{tag.upper()}")]

        own, chain = (tuple(one for path in named(tag) for one in path.split(":")) for tag in ("runpath", "rpath"))
        return Library(
            machine=str(elf["e_machine"]),
            libraries=tuple(named("needed")),
            versions=_versions(elf, dynamic),
            name=next(iter(named("soname")), path.name),
            own_path=own,
            chain_path=() if own else chain,
        )


def _versions(elf: Any, dynamic: Any) -> dict[str, Version]:
    """The highest version of each family of symbols, from the table that DT_VERNEED points to."""
    versions: dict[str, Version] = {}
    _, place = dynamic.get_table_offset("DT_VERNEED")
    _, names = dynamic.get_table_offset("DT_STRTAB")
    for _ in range(next((tag["d_val"] for tag in dynamic.iter_tags("DT_VERNEEDNUM")), 0)):
        needed = struct_parse(elf.structs.Elf_Verneed, elf.stream, place)
        symbol_place = place + needed["vn_aux"]
        for _ in range(needed["vn_cnt"]):
            symbol = struct_parse(elf.structs.Elf_Vernaux, elf.stream, symbol_place)
            name = parse_cstring_from_stream(elf.stream, names + symbol["vna_name"]).decode()
            family, _, number = name.rpartition("_")
            if number[:1].isdigit():
                versions[family] = max(versions.get(family, ()), tuple(map(int, number.split("."))))
            symbol_place += symbol["vna_next"]
        place += needed["vn_next"]
    return versions


def shared_libraries(tree: Path) -> dict[Path, Library]:
    """Every ELF file of a tree, by its path below the root. Raises BuildError if there is none."""
    found = {path.relative_to(tree): read(path) for path in sorted(tree.rglob("*.so*")) if _is_elf(path)}
    if not found:
        raise BuildError(f"{tree} holds no shared library, so it is no package; name a directory of installed wheels.")
    return found


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
    problems = [
        f"{path} {problem}"
        for path, library in found.items()
        for problem in _problems(library, target.system, architecture)
    ]
    problems += _missing(found, target)
    if problems:
        raise BuildError(
            f"{'; '.join(problems)}. So the package would not load on {target.name} ({target.system.name}, "
            f"{architecture.name}), whatever the tags of its wheels say; {_advice(found, target, architecture)}."
        )
    return found


def _problems(library: Library, system: System, architecture: Architecture) -> Iterator[str]:
    if library.machine != architecture.machine:
        yield f"is for {library.machine.removeprefix('EM_').lower()}"
        return
    for family, offered in system.offers.items():
        if library.versions.get(family, ()) > offered:
            yield f"needs {family} {_dotted(library.versions[family])} (there: {_dotted(offered)})"


def _missing(found: dict[Path, Library], target: Target) -> list[str]:
    """Which libraries need one that the loader would not find, each once.

    It is asked for those that no other brings along, which Python imports, and goes on to what each needs.
    """
    brought = {name for library in found.values() for name in library.libraries}
    told: dict[str, None] = {}
    for path in found:
        if path.name not in brought:
            told |= dict.fromkeys(_unfound(path, found, target))
    return list(told)


def _unfound(first: Path, found: dict[Path, Library], target: Target) -> Iterator[str]:
    """What is not found when a library is loaded, in the order of ld.so: breadth first, each once.

    Looked for in the RPATH of a library and of those that brought it, unless it has a RUNPATH, which counts for itself
    alone; then in LD_LIBRARY_PATH: ld.so(8).
    """
    waiting: list[tuple[Path, tuple[Path, ...]]] = [(first, ())]
    loaded = {first.name, found[first].name}
    for path, inherited in waiting:
        library = found[path]
        chain = (*_places(path, library.chain_path), *inherited)
        places = [*(_places(path, library.own_path) if library.own_path else chain), *map(Path, target.library_path)]
        for name in library.libraries:
            if name in SYSTEM_LIBRARIES or name in loaded:
                continue
            there = next((place / name for place in places if place / name in found), None)
            if there is None:
                elsewhere = "" if name not in {path.name for path in found} else " where it would be looked for"
                yield f"{path} needs {name}, which is neither in the package{elsewhere} nor on {target.system.name}"
            else:
                loaded |= {name, found[there].name}
                waiting.append((there, chain))


def _places(path: Path, searched: Iterable[str]) -> list[Path]:
    """The directories of the package, below its root, that a library at a path has searched."""
    beside = [re.sub(r"^\$(ORIGIN|{ORIGIN})", path.parent.as_posix(), one) for one in searched if one.startswith("$")]
    return [Path(posixpath.normpath(one)) for one in beside]


def _advice(found: dict[Path, Library], target: Target, architecture: Architecture) -> str:
    """Names the targets of the same Python where these libraries do load; else says to pin another version."""
    if any(library.machine != architecture.machine for library in found.values()):
        return f"install the wheels for {architecture.name}"
    elsewhere = [
        other.name
        for other in TARGETS.values()
        if other.python == target.python
        and not any(list(_problems(library, other.system, architecture)) for library in found.values())
        and not _missing(found, other)
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
