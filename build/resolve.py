"""On which machines what is locked can be installed, without a compiler: the table of machines in the README.

    python -m build.resolve [LOCK ...]

uv resolves each lock file for each machine and Python as it would there, downloads nothing large and installs nothing.
`make resolve` calls it; by default for every lock.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import NamedTuple

from build.errors import BuildError
from build.wheels import LOCKS, entries_of, find_uv, name_of

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# By the names that uv has for them.
MACHINES = {
    "Linux x86_64, glibc 2.28": "x86_64-manylinux_2_28",
    "Linux x86_64, glibc 2.34": "x86_64-manylinux_2_34",
    "Linux aarch64, glibc 2.28": "aarch64-manylinux_2_28",
    "Linux aarch64, glibc 2.34": "aarch64-manylinux_2_34",
    "macOS 13, Apple silicon": "aarch64-apple-darwin",
    "macOS 13, Intel": "x86_64-apple-darwin",
    "Windows x64": "x86_64-pc-windows-msvc",
}
# What `make run` installs, and what it trains with.
RUN, TRAINS_WITH = "run", {"tensorflow", "tensorflow-cpu"}
# Pure Python that is published as source only; and a peer in the benchmarks, which a C++ compiler has to build.
FROM_SOURCE = {"snownlp", "docopt", "fasttext"}
PROCESSES = 4


class Resolved(NamedTuple):
    """What a machine gets of a lock: the names of all packages, or that of the one that it has no wheel of."""

    packages: frozenset[str]
    missing: str


def resolve(lock: Path, platform: str, python: str) -> Resolved:
    """Resolves a lock file for a machine. Raises BuildError if uv cannot say, as without a network."""
    with tempfile.TemporaryDirectory() as directory:
        requirements = Path(directory, "requirements.txt")
        entries = [one for one in entries_of(lock.read_text(encoding="utf-8")) if name_of(one) not in FROM_SOURCE]
        requirements.write_text("".join(entries), encoding="utf-8")
        command = [find_uv(), "pip", "install", "--dry-run", "--target", directory, "--python", sys.executable]
        command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirements", str(requirements)]
        command += ["--python-version", python, "--python-platform", platform]
        ran = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if ran.returncode == 0:
        return Resolved(frozenset(re.findall(r"^ \+ (\S+)==", ran.stderr, re.MULTILINE)), "")
    if lacks := re.search(r"Because ([\w.-]+)\S*(?: \S+)*? has no (?:usable )?wheels", " ".join(ran.stderr.split())):
        return Resolved(frozenset(), lacks[1])
    said = [line for line in ran.stderr.splitlines() if line.strip() and not line.startswith("WARN")]
    raise BuildError(f"uv cannot resolve {lock.name} for {platform}: {' '.join(said[-1:]).strip() or 'no reason'}")


def cell(found: Resolved) -> str:
    """What the table says of a machine and a Python."""
    if found.missing:
        return f"no {found.missing}"
    return "yes" if TRAINS_WITH & found.packages else "serves"


def table(found: dict[tuple[str, str], Resolved]) -> str:
    """The table of machines, in Markdown, from what they get of RUN by machine and Python."""
    rows = [["", *PYTHONS], ["---"] * (1 + len(PYTHONS))]
    rows += [[machine, *(cell(found[machine, python]) for python in PYTHONS)] for machine in MACHINES]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = sorted(path.stem for path in LOCKS.glob("*.txt"))
    parser.add_argument("locks", metavar="LOCK", nargs="*", help=f"of {', '.join(known)}")
    locks = parser.parse_args().locks or known
    if unknown := set(locks) - set(known):
        parser.error(f"there is no lock {', '.join(sorted(unknown))}; there is: {', '.join(known)}")
    asked = list(product(locks, MACHINES, PYTHONS))
    try:
        with ThreadPoolExecutor(PROCESSES) as pool:
            answers = pool.map(lambda one: resolve(LOCKS / f"{one[0]}.txt", MACHINES[one[1]], one[2]), asked)
            found = dict(zip(asked, answers, strict=True))
    except BuildError as error:
        sys.exit(f"error: {error}")
    if RUN in locks:
        print(table({(machine, python): found[RUN, machine, python] for machine, python in product(MACHINES, PYTHONS)}))
    for lock in locks:
        lacking = [
            f"{m}, Python {p}: no {found[lock, m, p].missing}"
            for m, p in product(MACHINES, PYTHONS)
            if found[lock, m, p].missing
        ]
        print(f"{lock}.txt: {'; '.join(lacking) or 'everywhere'}")


if __name__ == "__main__":
    main()
