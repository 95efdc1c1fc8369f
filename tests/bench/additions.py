"""What feedback, a registry and /mcp add to a request and to a start, whether they are used or not: `make bench`.

Everything takes turns, and what is counted is processor time, so that other work on the machine hits all; medians. A
registry lies in moto's S3. A start is a process that imports the handler, loads the model and runs it once.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from handler import api
from handler.https import feedback
from handler.model import bundle as bundles
from handler.model import models as loaded
from tests.bench.request_path import ROUNDS, request, say
from tests.cloud import IN, cloud
from training.shipping import registry

REQUEST_CEILING = 0.02
STARTS = 3
WHERE = registry.place(f"s3://{IN}/models/bench/")
# What a start loads, and then the milliseconds of a processor that it took and that loading the rest takes.
START = """
import json, sys, time
import handler.api
from handler.model.models import models
models().warm()
loaded, began = sorted(sys.modules), time.process_time()
from handler.https import feedback, mcp
print(json.dumps([loaded, 1000 * began, 1000 * (time.process_time() - began)]))
"""
Ask = Callable[[], None]


def main(path: Path) -> None:
    os.environ |= {"MODEL_DIR": str(path), "POWERTOOLS_METRICS_DISABLED": "true"}
    with cloud() as aws:
        os.environ |= aws.environment
        registry.publish(WHERE, bundles.load(path), 100, {}, registry.find(WHERE))
        failed = requests(path) | starts()
    if failed:
        sys.exit(
            f"error: feedback or a registry adds more than {REQUEST_CEILING:.0%} to a request, or to what a start loads"
        )


def requests(path: Path) -> bool:
    """What ids for feedback, and a look at a registry, take of a warm request without either."""
    bundle = bundles.load(path)
    texts = [golden.text[:50] for golden in bundle.golden() if len(golden.text) >= 50]
    packaged, followed = loaded._OfThisProcess(), loaded._OfThisProcess()
    packaged()
    os.environ["MODEL_REGISTRY"] = str(WHERE)
    followed()
    del os.environ["MODEL_REGISTRY"]
    api.models = packaged
    say(sys.stdout, f"{'texts':>8} {'request us':>11} {'ids us':>7} {'of it':>7} {'registry us':>12} {'of it':>7}")
    failed = False
    for count, rounds in ROUNDS.items():
        asked = [texts[i % len(texts)] for i in range(count)]
        answers = packaged().get(None).classify(asked)
        ways: list[Ask] = [
            request(asked),
            lambda answers=answers: feedback.with_ids(answers, bundle.manifest),
            lambda: followed().get(None),
            lambda: packaged().get(None),
            lambda: None,  # what it takes to look at the clock
        ]
        whole, ids, looked, plain, nothing = turns(ways, rounds)
        kept, followed_us = (ids - nothing) / (whole - nothing), (looked - plain) / (whole - nothing)
        say(
            sys.stdout,
            f"{count:>8} {whole:>11.0f} {ids - nothing:>7.1f} {kept:>7.2%} {looked - plain:>12.1f} {followed_us:>7.2%}",
        )
        failed |= max(kept, followed_us) > REQUEST_CEILING
    return failed


def turns(ways: list[Ask], rounds: int) -> list[float]:
    """Median microseconds of processor time, of ways that take turns."""
    taken: list[list[float]] = [[] for _ in ways]
    for number in range(rounds + 20):
        for ask, times in zip(ways, taken, strict=True):
            started = time.process_time_ns()
            ask()
            if number >= 20:
                times.append((time.process_time_ns() - started) / 1000)
    return [median(times) for times in taken]


def starts() -> bool:
    """What a start loads without anything, told to keep feedback, and following a registry."""
    ways = {
        "alone": {},
        "feedback": {"FEEDBACK_URI": f"s3://{IN}/feedback/", "KEEP_FEEDBACK_TEXTS": "true"},
        "registry": {"MODEL_REGISTRY": str(WHERE)},
    }
    taken: dict[str, list[tuple[list[str], float, float]]] = {name: [] for name in ways}
    for _ in range(STARTS):
        for name, environment in ways.items():
            command = [sys.executable, "-c", START]
            done = subprocess.run(
                command, env=os.environ | environment, capture_output=True, encoding="utf-8", check=True
            )
            taken[name].append(json.loads(done.stdout.splitlines()[-1]))
    loads = {name: found[0][0] for name, found in taken.items()}
    # Of a start under other work the least is the truest.
    least = {name: min(milliseconds for _, milliseconds, _ in found) for name, found in taken.items()}
    late = min(milliseconds for _, _, milliseconds in taken["alone"])
    say(sys.stdout, f"a start loads {len(loads['alone'])} modules and takes {least['alone']:.0f} ms of a processor")
    say(sys.stdout, f"told to keep feedback it loads {len(set(loads['feedback']) - set(loads['alone']))} more")
    say(sys.stdout, f"what only the first feedback and the first request of /mcp load takes {late:.1f} ms")
    say(
        sys.stdout,
        f"following a registry, with boto3 and a replay, {least['registry'] - least['alone']:+.0f} ms",
    )
    return loads["feedback"] != loads["alone"]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
