"""Whatever goes wrong, and whenever: afterwards each object has one complete and correct output.

Each run puts an object (or two versions of one) into the input bucket and draws faults: the process is killed at some
moment or at some request, before or after S3 carried it out; S3 is busy, slow, hangs up or breaks off; events come
twice, in the wrong order, or too late; the object is replaced while it is read, half of the time by what was there
before. Some objects are truly unreadable.

FENLEI_FAULTS is how many runs there are; FENLEI_SEED draws others.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cloud import Application, Cloud, Queue, refuse
from support import PYTHON

from handler.files import batch
from handler.files.batch import answer, windows
from handler.files.records import layout_of, records
from handler.model.classifier import Classifier
from tests.s3_events import IN, eventbridge_event, s3_event

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="invocations are children that are killed")

ROOT = Path(__file__).parents[2]
HANDLER_ONLY = Path(sys.prefix).name.startswith("handler-")
RUNS = int(os.environ.get("FENLEI_FAULTS", "20" if HANDLER_ONLY else "200"))
SEED = int(os.environ.get("FENLEI_SEED", "5"))
WORKERS = 3
ATTEMPTS = 10

AT_A_REQUEST = ("kill before", "kill after", "busy", "reset before", "reset after", "slow", "cut off", "replace")
FAULTS = (*AT_A_REQUEST, "kill at a moment", "kill at a moment")


@dataclass
class Run:
    """One object and what happens to it; `at` is the request (of those about this object) at which it does."""

    key: str
    faults: list[str]
    at: int
    times: int
    part_bytes: int
    kills: int = 0
    requests: int = 0
    contents: list[bytes] = field(default_factory=list)


class Chaos:
    """Does to the requests of a run what it drew."""

    def __init__(self, aws: Cloud, queue: Queue, runs: Iterable[Run], chance: random.Random) -> None:
        self.aws, self.queue, self.chance = aws, queue, chance
        self.runs = {run.key: run for run in runs}
        self.happened: Counter[str] = Counter()
        self.lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Any, application: Application) -> Iterable[bytes] | None:
        found = re.search(r"run-\d+\.\w+", unquote(environ["PATH_INFO"]))
        worker = environ.get("HTTP_X_WORKER")
        if not found or not worker:
            return None
        run = self.runs[found[0]]
        if "unreadable" in run.faults:
            return refuse(start, 403, "AccessDenied") if f"/{IN}/" in environ["PATH_INFO"] else None
        with self.lock:
            run.requests += 1
            fault = next((fault for fault in run.faults if fault in AT_A_REQUEST), "")
            if not fault or run.requests < run.at or not run.times or not self._applies(fault, environ):
                return None
            run.times -= 1
            self.happened[fault] += 1
        return self._do(fault, run, int(worker), environ, start, application)

    def _applies(self, fault: str, environ: dict[str, Any]) -> bool:
        reads = environ["REQUEST_METHOD"] == "GET" and f"/{IN}/" in environ["PATH_INFO"]
        return reads or fault not in ("cut off", "replace")

    def _do(
        self, fault: str, run: Run, worker: int, environ: dict[str, Any], start: Any, application: Application
    ) -> Iterable[bytes] | None:
        if fault == "busy":
            return refuse(start, 503, "SlowDown")
        if fault == "slow":
            time.sleep(1.2)  # longer than the worker waits: it asks again, and S3 does it all the same
            return None
        if fault == "replace":
            put(self.aws, self.queue, run, self.chance)
            return None
        if fault == "cut off":
            body = b"".join(application(environ, start))
            return [body[: len(body) // 2]]
        if fault.endswith("after"):
            list(self.aws.serve(environ, lambda *_: None))
        if fault.startswith("kill"):
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        with suppress(OSError):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return []


def draw(number: int, chance: random.Random) -> Run:
    kind = chance.choice(("jsonl", "txt", "csv", "tsv"))
    faults = [chance.choice(FAULTS), chance.choice(("duplicate event", "swapped order", "once, in order"))]
    if number % 25 == 7:
        faults = ["unreadable"]
    return Run(
        key=f"run-{number}.{kind}",
        faults=faults,
        at=chance.randint(1, 12),
        times=chance.choice((1, 1, 2, 4)),
        part_bytes=chance.choice((1_000, 2_000, 8_388_608)),
        kills=chance.choice((1, 2)) if "kill at a moment" in faults else 0,
    )


def content_of(kind: str, chance: random.Random, texts: list[str]) -> bytes:
    chosen = [chance.choice(texts) for _ in range(chance.randint(0, 40))]
    lines = {
        "jsonl": [json.dumps({"id": i, "text": text}) for i, text in enumerate(chosen)],
        "txt": chosen,
        "csv": ["text", *(f'"{text}"' for text in chosen)],
        "tsv": ["text", *chosen],
    }[kind]
    lines += chance.choice(([], [], ["", "{broken", '"']))
    return "".join(f"{line}\n" for line in lines).encode()


def put(aws: Cloud, queue: Queue, run: Run, chance: random.Random, texts: list[str] | None = None) -> dict[str, Any]:
    """Puts another version of a run's object; the event goes to the queue at once unless texts are given."""
    again = run.contents and chance.random() < 0.5  # equal bytes have equal ETags, and are another version
    content = chance.choice(run.contents) if again else content_of(run.key.split(".")[1], chance, texts or TEXTS)
    run.contents.append(content)
    version = aws.put(run.key, content)
    event = chance.choice((s3_event, eventbridge_event))(run.key, version)
    if texts is None:
        queue.send(event)
    return event


TEXTS: list[str] = []


@pytest.fixture
def workers(aws: Cloud, tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:  # noqa: ARG001
    """Processes that have loaded the model and wait for events."""
    with ExitStack() as stack:
        log = stack.enter_context((tmp_path / "log").open("w", encoding="utf-8"))
        started = []
        for _ in range(WORKERS):
            process = subprocess.Popen(
                [*PYTHON, "-m", "tests.mortal"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
            )
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
            stack.enter_context(process.stdin)  # type: ignore[arg-type]
            stack.enter_context(process.stdout)  # type: ignore[arg-type]
            started.append(process)
        yield started


def work(process: subprocess.Popen[str], queue: Queue, chaos: Chaos, end: float) -> None:
    """What Lambda does with a queue, one invocation at a time."""
    assert process.stdin
    assert process.stdout
    while time.monotonic() < end:
        messages = queue.receive(2)
        if not messages:
            if not queue.left():
                return
            time.sleep(0.2)
            continue
        named = [run for m in messages for key in re.findall(r"run-\d+\.\w+", m["Body"]) if (run := chaos.runs[key])]

        def function(event: dict[str, Any], named: list[Run] = named) -> Any:
            with chaos.lock:
                doomed = next((run for run in named if run.kills), None)
                if doomed:
                    doomed.kills -= 1
                    chaos.happened["kill at a moment"] += 1
                life = chaos.chance.uniform(0.001, 0.25) if doomed else 0
            asked = {"event": event, "seconds_to_live": life, "part_bytes": named[0].part_bytes}
            process.stdin.write(json.dumps(asked) + "\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            answer = json.loads(process.stdout.readline())  # type: ignore[union-attr]
            if answer is None:  # nobody answered: all messages come again
                return {"batchItemFailures": [{"itemIdentifier": m["messageId"]} for m in event["Records"]]}
            return answer

        queue.deliver(messages, function)


def expected(run: Run, classifier: Classifier) -> bytes:
    """What the newest version's output must be, byte by byte."""
    rows = records([run.contents[-1]], layout_of(run.key))
    return b"".join(answer(window, classifier)[0] for window in windows(rows))


def test_after_any_faults_each_object_has_one_complete_and_correct_output(
    aws: Cloud,
    workers: list[subprocess.Popen[str]],
    reviews: list[str],
    classifier: Classifier,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(SEED)
    monkeypatch.setattr(batch, "WINDOW_ROWS", 8)
    TEXTS[:] = [text[:40].replace('"', "").replace("\n", " ").replace("\t", " ") for text in reviews]
    queue = Queue(aws, attempts=ATTEMPTS, visibility=1)
    runs = [draw(number, chance) for number in range(RUNS)]
    chaos = Chaos(aws, queue, runs, chance)
    started = time.monotonic()

    # WHEN all of it happens at once
    for run in runs:
        events = [put(aws, queue, run, chance, TEXTS)]
        if "swapped order" in run.faults:
            for _ in range(chance.choice((1, 2))):
                events.insert(0, put(aws, queue, run, chance, TEXTS))
            chaos.happened["swapped order"] += 1
        if "duplicate event" in run.faults:
            events *= 2
            chaos.happened["duplicate event"] += 1
        for event in events:
            queue.send(event)
    aws.fault = chaos
    end = time.monotonic() + 450
    threads = [threading.Thread(target=work, args=(process, queue, chaos, end)) for process in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    aws.fault = None

    # THEN every object has its output, and only the unreadable ones are given up
    assert queue.left() == 0
    unreadable = {run.key for run in runs if "unreadable" in run.faults}
    dead = {key for body in queue.dead() for key in re.findall(r"run-\d+\.\w+", body)}
    assert dead == unreadable
    readable = [run for run in runs if run.key not in unreadable]
    names = [f"{run.key}{suffix}" for run in readable for suffix in (".predictions.jsonl", ".summary.json")]
    assert sorted(aws.contents()) == sorted(names)
    for run in readable:
        current = aws.client("s3").head_object(Bucket=IN, Key=run.key)["VersionId"]
        summary = aws.summary(run.key)
        output = aws.client("s3").head_object(Bucket="texts-out", Key=f"{run.key}.predictions.jsonl")
        assert aws.get(f"{run.key}.predictions.jsonl") == expected(run, classifier), run
        assert summary["source"]["version_id"] == current, run
        assert summary["output"]["etag"] == output["ETag"], run
    with capsys.disabled():
        what = ", ".join(f"{count} x {fault}" for fault, count in sorted(chaos.happened.items()))
        print(
            f"\n{RUNS} runs in {time.monotonic() - started:.0f} s: {len(readable)} objects, each with one complete and"
        )
        print(f"correct output; {len(unreadable)} unreadable ones in the dead-letter queue. What happened: {what};")
        repeated = sum(len(set(run.contents)) < len(run.contents) for run in runs)
        print(f"{repeated} objects had versions of equal bytes.")
        print(f"{len(aws.uploads())} uploads of killed invocations are left for the lifecycle rule.")
