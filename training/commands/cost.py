"""What serving costs, from measured times and the prices in prices.json. Nobody but this file turns times into dollars.

    seconds(M)         = milliseconds, times 1769 / M below 1769 MB, rounded up to the next millisecond
    a million requests = 1,000,000 x (price of a request + M / 1024 x seconds(M) x price of a GB-second)
    1,000 cold starts  = 1,000 x M / 1024 x seconds(M) of init x price of a GB-second
    always on          = price of an hour x 730, for as many machines as the requests need

Lambda gives a function one processor at 1,769 MB and a share of it below; the times were taken with a whole one.
"""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

PRICES = Path(__file__).parent / "prices.json"
MEMORY_OF_ONE_PROCESSOR = 1769
MEMORY_SIZES = (512, 1024, 1769, 3008)
HOURS_A_MONTH = 730
# Of the default model on one machine, from the README's tables; `make bench-cold` measures them.
INIT_MILLISECONDS, WARM_MILLISECONDS = 251.0, 1.27


class Measured(NamedTuple):
    """Milliseconds of init and of a warm request, with a whole processor."""

    init: float = INIT_MILLISECONDS
    warm: float = WARM_MILLISECONDS


class Month(NamedTuple):
    """Dollars a month by part, and the requests a month from which one always-on machine costs less; None: never."""

    parts: dict[str, float]
    always_on: float
    break_even: float | None

    @property
    def total(self) -> float:
        return sum(self.parts.values())


def prices() -> dict[str, Any]:
    """The dated price file."""
    found: dict[str, Any] = json.loads(PRICES.read_text(encoding="utf-8"))
    return found


def billed_seconds(milliseconds: float, memory: int) -> float:
    """What is billed for work that takes so long with a whole processor, at a memory size in MB."""
    return math.ceil(milliseconds * max(1.0, MEMORY_OF_ONE_PROCESSOR / memory)) / 1000


def function_seconds(seconds: float, memory: int, architecture: str) -> float:
    """Dollars for so many seconds of a function."""
    price: float = prices()["lambda_gb_second"][architecture]
    return seconds * memory / 1024 * price


def million_requests(measured: Measured, memory: int, architecture: str) -> float:
    """Lambda's part of a million warm requests."""
    seconds = billed_seconds(measured.warm, memory)
    return 1_000_000 * float(prices()["lambda_request"]) + function_seconds(1_000_000 * seconds, memory, architecture)


def thousand_cold_starts(measured: Measured, memory: int, architecture: str) -> float:
    """What init adds to a thousand requests that find no warm function, without SnapStart."""
    return function_seconds(1000 * billed_seconds(measured.init, memory), memory, architecture)


def month(
    requests: float, cold_share: float, measured: Measured, memory: int, architecture: str, log_bytes: int
) -> Month:
    """A month of requests without SnapStart, beside one always-on machine, which needs neither Lambda nor its logs."""
    listed = prices()
    parts = {
        "Lambda": requests / 1e6 * million_requests(measured, memory, architecture),
        "cold starts": requests * cold_share / 1000 * thousand_cold_starts(measured, memory, architecture),
        "API Gateway": requests * listed["rest_api_request"],
        "logs": requests * log_bytes / 1e9 * listed["logs_gigabyte"],
    }
    always_on = listed["always_on_hour"] * HOURS_A_MONTH
    one = (sum(parts.values()) / requests) if requests else 0.0
    # One machine answers one request after the other, on a processor like the one measured on.
    capacity = HOURS_A_MONTH * 3600 * 1000 / measured.warm
    break_even = always_on / one if one else None
    return Month(parts, always_on, break_even if break_even and break_even < capacity else None)


def table(measured: Measured) -> str:
    """The cost by memory size and architecture, with the prices that it was made from."""
    listed = prices()
    gateway = 1_000_000 * listed["rest_api_request"]
    lines = [
        f"{listed['currency']}, {listed['region']}, prices of {listed['read']} (training/commands/prices.json); init "
        f"{measured.init:.0f} ms, a warm request {measured.warm:.2f} ms, measured on x86_64 with a whole processor; "
        f"arm64 is taken to be as fast. API Gateway's REST API adds {gateway:.2f} a million requests.",
        "",
        "| memory MB | a million requests: x86_64 | arm64 | 1,000 cold starts: x86_64 | arm64 | "
        "a snapshot kept a month |",
        "|---|---|---|---|---|---|",
    ]
    for memory in MEMORY_SIZES:
        costs = [million_requests(measured, memory, a) for a in listed["lambda_gb_second"]]
        costs += [thousand_cold_starts(measured, memory, a) for a in listed["lambda_gb_second"]]
        costs.append(memory / 1024 * 30 * 24 * 3600 * listed["snapstart_cache_gb_second"])
        lines.append(f"| {memory} | {' | '.join(f'{cost:.3f}' for cost in costs)} |")
    restore = listed["snapstart_restore_gb"] * 1000
    lines += [
        "",
        f"With SnapStart a thousand restores cost {restore:.3f} a GB of memory, instead of the cold starts' init.",
    ]
    return "\n".join(lines)
