"""Looks every pin of some lock files up in the OSV database of known vulnerabilities, by pip-audit.

    python -m build.audit build/locks/handler.txt

Exits with 1 if there are any. Where the database cannot be reached it says that nothing was looked up.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from build.wheels import entries_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("locks", type=Path, nargs="+")
    parser.add_argument("--database", help="another address than that of OSV itself")
    options = parser.parse_args()
    pinned = pins([lock.read_text(encoding="utf-8") for lock in options.locks])
    known: list[str] = []
    for group in groups(pinned):
        answer, said = look_up(group, options.database)
        if not answer:
            print(f"The audit did NOT run, nothing was looked up: {said}")
            return
        known += vulnerabilities(answer)
    names = " and ".join(str(lock) for lock in options.locks)
    print("\n".join([*known, f"{len(known)} known vulnerabilities in {len(pinned)} pins of {names}"]))
    sys.exit(1 if known else 0)


def pins(locks: list[str]) -> list[str]:
    """Every NAME==VERSION of some locks, for whatever Python or system it is meant."""
    return sorted({entry.split()[0] for lock in locks for entry in entries_of(lock)})


def groups(pinned: list[str]) -> list[list[str]]:
    """The pins in lists that have each name once: some are pinned twice, for two Pythons, which pip-audit refuses."""
    found: list[dict[str, str]] = []
    for pin in pinned:
        name = pin.partition("==")[0]
        group = next((group for group in found if name not in group), None)
        if group is None:
            found.append(group := {})
        group[name] = pin
    return [list(group.values()) for group in found]


def look_up(pinned: list[str], database: str | None = None) -> tuple[str, str]:
    """Gives what pip-audit found, as JSON, and what it said; the first is empty if it could not ask."""
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    command += ["--format", "json", "--vulnerability-service", "osv", "--timeout", "20"]
    command += ["--osv-url", database] if database else []
    with tempfile.TemporaryDirectory() as directory:
        requirements = Path(directory, "requirements.txt")
        requirements.write_text("\n".join(pinned), encoding="utf-8")
        command += ["--requirement", str(requirements)]
        utf8 = os.environ | {"PYTHONUTF8": "1"}
        done = subprocess.run(command, env=utf8, check=False, capture_output=True, encoding="utf-8")
    lines = done.stderr.strip().splitlines()
    return (done.stdout if done.stdout.startswith("{") else ""), lines[-1] if lines else ""


def vulnerabilities(answer: str) -> list[str]:
    """A line for each: what has it, its name in the database, and the versions that have it no longer."""
    return [
        f"{found['name']} {found['version']}: {one['id']}, fixed in {', '.join(one['fix_versions']) or 'no version'}"
        for found in json.loads(answer)["dependencies"]
        for one in found.get("vulns", [])
    ]


if __name__ == "__main__":
    main()
