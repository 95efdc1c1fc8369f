"""What feedback, a registry and /mcp add to a request and to a start, whether they are used or not: `make bench`.

Everything takes turns, and what is counted is processor time, so that other work on the machine hits all; medians. A
registry lies in moto's S3. A start is a process that imports the handler, loads the model and runs it once.
"""

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

REQUEST_CEILING, START_CEILING = 0.02, 3.0  # of a request, and milliseconds
STARTS = 25
WHERE = registry.place(f"s3://{IN}/models/bench/")
START = """
import time, resource
import handler.api
from handler.model.models import models
models().warm()
{more}
used = resource.getrusage(resource.RUSAGE_SELF)
print(1000 * (used.ru_utime + used.ru_stime))
"""
Ask = Callable[[], None]


def main(path: Path) -> None:
    os.environ |= {"MODEL_DIR": str(path), "POWERTOOLS_METRICS_DISABLED": "true"}
    with cloud() as aws:
        os.environ |= aws.environment
        registry.publish(WHERE, bundles.load(path), 100, {}, registry.find(WHERE))
        failed = requests(path) | starts()
    if failed:
        sys.exit(f"error: more than {REQUEST_CEILING:.0%} of a request, or than {START_CEILING:.0f} ms of a start")


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
    """Starts of a process: as it is, told to keep feedback, and with what agents' first request loads."""
    call = "from handler.https import mcp, feedback"
    ways: dict[str, tuple[dict[str, str], str]] = {
        "alone": ({}, ""),
        "again": ({}, ""),
        "feedback": ({"FEEDBACK_URI": f"s3://{IN}/feedback/", "KEEP_FEEDBACK_TEXTS": "true"}, ""),
        "first": ({}, call),
        "registry": ({"MODEL_REGISTRY": str(WHERE)}, ""),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(STARTS + 1):
        for name, (environment, more) in ways.items():
            command = [sys.executable, "-c", START.format(more=more)]
            done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
            if number:
                taken[name].append(float(done.stdout.split()[-1]))
    times = {name: median(found) for name, found in taken.items()}
    added = {name: found - times["alone"] for name, found in times.items()}
    say(sys.stdout, f"a start takes {times['alone']:.0f} ms of a processor, and once more {added['again']:+.1f} ms;")
    say(sys.stdout, f"told to keep feedback {added['feedback']:+.1f} ms;")
    say(sys.stdout, f"what only the first request of /mcp and the first feedback load, {added['first']:+.1f} ms;")
    say(sys.stdout, f"following a registry, which loads boto3, fetches and replays, {added['registry']:+.0f} ms")
    return added["feedback"] > START_CEILING


if __name__ == "__main__":
    main(Path(sys.argv[1]))
