"""What serving costs, from measured times and the prices in training/prices.json.

    python -m build.cost --init 300 --warm 3

    seconds(M)  = milliseconds, times 1769 / M below 1769 MB, rounded up to the next millisecond
    a million requests = 1,000,000 x (price of a request + M / 1024 x seconds(M) x price of a GB-second)
    a thousand cold starts = 1,000 x M / 1024 x seconds(M) of init x price of a GB-second

Lambda gives a function one processor at 1,769 MB and a share of it below; the times were taken with a whole one.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

PRICES = Path(__file__).parents[1] / "training/prices.json"
MEMORY_OF_ONE_PROCESSOR = 1769
MEMORY_SIZES = (512, 1024, 1769, 3008)


class Measured(NamedTuple):
    """Milliseconds of init and of a warm request, with a whole processor."""

    init: float
    warm: float


def billed_seconds(milliseconds: float, memory: int) -> float:
    """What is billed for work that takes so long with a whole processor, at a memory size in MB."""
    return math.ceil(milliseconds * max(1.0, MEMORY_OF_ONE_PROCESSOR / memory)) / 1000


def million_requests(prices: dict[str, Any], measured: Measured, memory: int, architecture: str) -> float:
    """Lambda's part, in the currency of the prices."""
    gigabyte_seconds = memory / 1024 * billed_seconds(measured.warm, memory)
    price: float = prices["lambda_request"] + gigabyte_seconds * prices["lambda_gb_second"][architecture]
    return 1_000_000 * price


def thousand_cold_starts(prices: dict[str, Any], measured: Measured, memory: int, architecture: str) -> float:
    """What init adds to a thousand requests that find no warm function, without SnapStart."""
    price: float = prices["lambda_gb_second"][architecture]
    return 1000 * memory / 1024 * billed_seconds(measured.init, memory) * price


def table(measured: Measured) -> str:
    """The cost by memory size and architecture, with the prices that it was made from."""
    prices = json.loads(PRICES.read_text(encoding="utf-8"))
    gateway = 1_000_000 * prices["rest_api_request"]
    lines = [
        f"{prices['currency']}, {prices['region']}, prices of {prices['read']} (training/prices.json); init "
        f"{measured.init:.0f} ms, a warm request {measured.warm:.2f} ms, measured on x86_64 with a whole processor; "
        f"arm64 is taken to be as fast. API Gateway's REST API adds {gateway:.2f} a million requests.",
        "",
        "| memory MB | a million requests: x86_64 | arm64 | 1000 cold starts: x86_64 | arm64 | snapshot, a month |",
        "|---|---|---|---|---|---|",
    ]
    for memory in MEMORY_SIZES:
        costs = [million_requests(prices, measured, memory, a) for a in prices["lambda_gb_second"]]
        costs += [thousand_cold_starts(prices, measured, memory, a) for a in prices["lambda_gb_second"]]
        costs.append(memory / 1024 * 30 * 24 * 3600 * prices["snapstart_cache_gb_second"])
        lines.append(f"| {memory} | {' | '.join(f'{cost:.3f}' for cost in costs)} |")
    restore = prices["snapstart_restore_gb"] * 1000
    lines += [
        "",
        f"With SnapStart a thousand restores cost {restore:.3f} a GB of memory, instead of the cold starts' init.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--init", type=float, required=True, help="milliseconds of init")
    parser.add_argument("--warm", type=float, required=True, help="milliseconds of a warm request")
    options = parser.parse_args()
    print(table(Measured(options.init, options.warm)))


if __name__ == "__main__":
    main()
