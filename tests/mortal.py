"""A function whose invocations may die: each runs in a process of its own, forked from one that has loaded all.

Reads an event a line on standard input, and answers each with one line: what the function returned, or `null` if the
invocation was killed. Called as `python -m tests.mortal`, in an environment like that of the function.
"""

import json
import os
import signal
import sys
from typing import Any

from handler.files import batch, objects
from handler.model.models import models
from handler.s3 import lambda_handler
from tests.s3_events import Invocation

# Short enough that a test sees what comes after.
objects.PATIENCE = {
    "connect_timeout": 2,
    "read_timeout": 1,
    "retries": {"mode": "standard", "total_max_attempts": 3},
}


def main() -> None:
    models().warm()
    objects.client("s3")
    batch.WINDOW_ROWS = 8
    for line in sys.stdin:
        print(invoke(json.loads(line)), flush=True)


def invoke(asked: dict[str, Any]) -> str:
    """Runs one invocation; `seconds_to_live` is when it dies, `part_bytes` how large a part of an upload is."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        live(asked, writer)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer or "null"


def live(asked: dict[str, Any], writer: int) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # whose default is death on the spot
    if asked["seconds_to_live"]:
        signal.setitimer(signal.ITIMER_REAL, asked["seconds_to_live"])
    events = objects.client("s3").meta.events
    # Tells the server whom to kill.
    events.register("before-send.s3", lambda request, **_: request.headers.update({"X-Worker": str(os.getpid())}))
    objects.PART_BYTES = asked["part_bytes"]
    os.dup2(2, 1)  # the log; standard output is for answers
    answer = json.dumps(lambda_handler(asked["event"], Invocation()))
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.write(writer, answer.encode())
    os._exit(0)


if __name__ == "__main__":
    main()
