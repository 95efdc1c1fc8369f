"""Cold starts, side by side: `make bench-cold`.

Each contender is started anew twenty times under AWS's runtime interface emulator, in turns, so that a slow moment of
the machine hits them all; first with its files in the page cache, then without. The emulator starts the runtime at the
first request, so that `first` is the time from spawning it to the first answer; `init` is what the emulator reports.
Medians; warm requests of all starts together. Then what it would cost. Linux only, as the emulator is.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from build.replay import Function, running
from handler.model import bundle as bundles
from tests.bench.cold_peers import Contender, contenders
from training.commands import cost
from training.commands.serve import proxy_event

STARTS = 20
WARM_REQUESTS = 50
CHARACTERS = 50
# Our init over that of the floor may be this at most; the bench fails above it.
INIT_OVER_FLOOR_CEILING = 1.4
# What must start later than we do.
SLOWER = ("ONNX", "scikit-learn")


class Start(NamedTuple):
    """One cold start, in milliseconds and megabytes; `warm` holds the requests after the first."""

    init: float
    first: float
    warm: list[float]
    resident: float


def main(bundle_path: Path, starts: int, only: str) -> None:
    text = next(g.text for g in bundles.load(bundle_path).golden() if len(g.text) >= CHARACTERS)[:CHARACTERS]
    event = proxy_event(
        "POST", "/v1/classify", {"Content-Type": "application/json"}, json.dumps({"texts": [text]}).encode()
    )
    everybody = [c for c in contenders(bundle_path) if re.search(only, c.name)]
    os.sync()  # only what is written can leave the page cache
    measured: dict[str, dict[bool, list[Start]]] = {c.name: {True: [], False: []} for c in everybody}
    for round_number in range(starts):
        first = round_number % len(everybody)  # nobody always follows the heaviest
        for cached in (True, False):
            for contender in everybody[first:] + everybody[:first]:
                measured[contender.name][cached].append(start(contender, event, cached))
        print(f"round {round_number + 1} of {starts}", file=sys.stderr)
    show(everybody, measured)
    ours = measured["fenlei"]
    init, warm = median(s.init for s in ours[False]), median(w for s in ours[True] for w in s.warm)
    print(f"\n{cost.table(cost.Measured(init, warm))}")
    if not only:
        judge(measured)


def start(contender: Contender, event: object, cached: bool) -> Start:
    """Starts a contender, once, and sends it requests."""
    for tree in contender.trees:
        (read if cached else forget)(tree)
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        with running(contender.command, log) as function:
            first = timed(function, event)
            warm = [timed(function, event) for _ in range(WARM_REQUESTS)]
            resident = resident_megabytes(function.process.pid)
        said = log.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"INIT REPORT\(durationMs: ([\d.]+)", said)
    assert found, said
    return Start(float(found[1]), first, warm, resident)


def timed(function: Function, event: object) -> float:
    started = time.perf_counter()
    response = function.invoke(event)
    elapsed = (time.perf_counter() - started) * 1000
    assert response.get("statusCode") == 200, (response, function.log.read_text(encoding="utf-8", errors="replace"))
    return elapsed


def read(tree: Path) -> None:
    """Brings a tree's files into the page cache."""
    for path in tree.rglob("*"):
        if path.is_file():
            path.read_bytes()


def forget(tree: Path) -> None:
    """Asks the kernel to drop a tree's files from the page cache; those of Python itself stay."""
    for path in tree.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def resident_megabytes(emulator: int) -> float:
    """Resident memory of the runtime, which is the emulator's only child."""
    (runtime,) = children(emulator)
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{runtime}/status").read_text(encoding="utf-8"))
    assert found
    return int(found[1]) / 1000


def children(parent: int) -> list[str]:
    """The children that any thread of a process started."""
    return [
        pid
        for task in Path(f"/proc/{parent}/task").iterdir()
        for pid in (task / "children").read_text(encoding="utf-8").split()
    ]


def show(everybody: list[Contender], measured: dict[str, dict[bool, list[Start]]]) -> None:
    print(
        "| | init ms | init ms, cold cache | first answer ms | first, cold cache | warm p50 | warm p99 | RSS MB |"
        " MB | zipped |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for contender in everybody:
        cached, cold = measured[contender.name][True], measured[contender.name][False]
        warm = [milliseconds for one in cached + cold for milliseconds in one.warm]
        figures = [median(s.init for s in cached), median(s.init for s in cold)]
        figures += [median(s.first for s in cached), median(s.first for s in cold)]
        sizes = [f"{size / 1e6:.1f}" if size > 100_000 else "" for size in (contender.unpacked, contender.packed)]
        row = [contender.name, *(f"{figure:.0f}" for figure in figures), f"{median(warm):.2f}"]
        row += [f"{quantiles(warm, n=100)[98]:.2f}", f"{median(s.resident for s in cached):.0f}", *sizes]
        print(f"| {' | '.join(row)} |")


def judge(measured: dict[str, dict[bool, list[Start]]]) -> None:
    """Says how our init compares, and exits with 1 if it is over the ceiling or not before those it must be before."""
    failed = False
    for cached in (True, False):
        init = {name: median(s.init for s in starts[cached]) for name, starts in measured.items()}
        floor = next(value for name, value in init.items() if name.startswith("floor"))
        slower = {name: value for name, value in init.items() if name.startswith(SLOWER)}
        ratio = init["fenlei"] / floor
        print(
            f"\npage cache {'warm' if cached else 'cold'}: our init is {ratio:.2f} of the floor's (ceiling "
            f"{INIT_OVER_FLOOR_CEILING}), {init['fenlei'] / init['hello, world']:.1f} of a bare function's; "
            + ", ".join(f"{init['fenlei'] / value:.2f} of {name}" for name, value in slower.items())
        )
        failed |= ratio > INIT_OVER_FLOOR_CEILING or any(init["fenlei"] >= value for value in slower.values())
    if failed:
        sys.exit("error: our init is over its ceiling")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("starts", type=int, nargs="?", default=STARTS)
    parser.add_argument("--only", default="", help="contenders whose names match this pattern, and no verdict")
    options = parser.parse_args()
    main(options.bundle, options.starts, options.only)
