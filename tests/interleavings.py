"""All that can happen to one key in S3, step by step: the product's own code against S3 in memory, searched whole.

A request to S3 is one step, since S3 carries each out at once. A worker is the product's code up to its next request;
what it does is a function of the answers that it got so far, its *history*, so that it is run again from the beginning
with those answers and stopped at the request after them. A state is what S3 holds, how many events wait, and the
workers' histories; all states that can be reached are visited, each once.

What makes the states few enough, and why nothing is lost:
- Workers are alike, and so are events of one key: they are sorted, and counted.
- No two summaries are alike (the test of that is in test_interleavings.py), so that of an ETag of the summary only this
  matters: is it still the one that the worker saw? Its times are left out.
- Reading a version that nobody can delete gives the same whenever it is done: it is no step of its own.
"""

import hashlib
import io
import json
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from handler.errors import FileError
from handler.files import attempt, objects
from handler.files.batch import answer as predict
from handler.files.jobs import Job
from handler.model.classifier import Classifier

KEY, IN, OUT = "a.jsonl", "in", "out"
PREDICTIONS, SUMMARY = "a.jsonl.predictions.jsonl", "a.jsonl.summary.json"
KILLED, TWICE, UNHEARD = "a worker is killed", "an event comes twice", ", which nobody hears"
MISSING, LOST, DONE, FAILED = "404", "412", "done", "failed"

# Contents by name; R is refused, since it has no text column, and X is a delete marker.
CONTENTS = {"A": '{"text": "很好"}\n', "B": '{"text": "太差了"}\n{\n', "R": ""}
DELETED = "X"


class Scenario(NamedTuple):
    """Versions by their contents, in order. With `deletes` the current one may be deleted for good, once.

    `versioned` is whether each gets an id of its own; in a bucket whose versioning is suspended all are `null`.
    """

    versions: str
    versioned: bool = True
    deletes: bool = False
    part_bytes: int = 8_388_608
    workers: int = 3


class Request(NamedTuple):
    """What a worker asks of S3."""

    name: str
    key: str
    condition: str = ""
    body: str = ""


class Worker(NamedTuple):
    """Answers so far, and whether the summary is still the one that was seen. No history: it has nothing to do."""

    history: tuple[str, ...] | None = None
    fresh: bool = True


class State(NamedTuple):
    """`source` holds the versions that are left, as positions in the scenario; "" is no object."""

    put: int = 0
    deleted: bool = False
    source: tuple[int, ...] = ()
    predictions: str = ""
    summary: str = ""
    events: int = 0
    workers: tuple[Worker, ...] = ()


class Found(NamedTuple):
    """How many states, steps between them, and states without an event left; and the steps to a wrong one."""

    states: int
    steps: int
    ends: int
    fault: list[str]


class _Stopped(BaseException):
    """The worker has come to a request that has not been answered yet."""

    def __init__(self, request: Request) -> None:
        self.request = request


class _Client:
    """S3's client for a worker: gives the answers of its history, and stops it at the request after them."""

    def __init__(self, history: tuple[str, ...], scenario: Scenario) -> None:
        self.left, self.scenario = deque(history), scenario

    def _ask(self, *request: str) -> str:
        if not self.left:
            raise _Stopped(Request(*request))
        answer = self.left.popleft()
        if answer in (MISSING, LOST):
            raise ClientError({"Error": {"Code": answer}}, request[0])
        return answer

    def head_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if Bucket == OUT:
            return {"ETag": self._ask("head", Key)}
        number = int(self._ask("look", Key))
        content = CONTENTS[self.scenario.versions[number]]
        headers: dict[str, Any] = {"ETag": etag_of(content), "ContentLength": len(content.encode())}
        if self.scenario.versions[number] == "R":
            headers |= {"Metadata": {"top-k": "none"}}
        # Puts within a second: a bucket without versions has nothing but ETag and metadata to tell them by.
        headers["LastModified"] = datetime(2026, 1, 1, tzinfo=UTC)
        return headers | {"VersionId": version_of(self.scenario, number)}

    def get_object(self, Bucket: str, Key: str, IfMatch: str = "", **_: str) -> dict[str, Any]:  # noqa: N803
        if Bucket == OUT:
            return {"ETag": "seen", "Body": io.BytesIO(self._ask("read", Key).encode())}
        content = next(c for c in CONTENTS.values() if etag_of(c) == IfMatch)
        if self.scenario.deletes or not self.scenario.versioned:
            self._ask("get", Key, IfMatch)
        return {"Body": _Body(content.encode())}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **headers: Any) -> dict[str, Any]:  # noqa: N803
        assert Bucket == OUT
        return {"ETag": self._ask("put", Key, headers.get("IfMatch", ""), Body.decode())}

    def create_multipart_upload(self, **_: Any) -> dict[str, Any]:
        self.parts = b""
        return {"UploadId": "u"}

    def upload_part(self, Body: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.parts += Body
        return {"ETag": "p"}

    def complete_multipart_upload(self, Key: str, IfMatch: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"ETag": self._ask("put", Key, IfMatch, self.parts.decode())}

    def abort_multipart_upload(self, **_: Any) -> None: ...


class _Body(io.BytesIO):
    def iter_chunks(self, _: int) -> Iterator[bytes]:
        yield self.read()


def etag_of(content: str) -> str:
    return hashlib.md5(content.encode()).hexdigest()


def version_of(scenario: Scenario, number: int) -> str:
    return f"v{number}" if scenario.versioned else "null"


class Search:
    """Visits every state of a scenario."""

    def __init__(self, scenario: Scenario, classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
        self.scenario, self.classifier = scenario, classifier
        self.next = cache(self._next)
        self.expected = cache(self._expected)
        real = cache(lambda rows, top_k: predict(list(rows), classifier, top_k))
        # The classifier's own answers, each asked for once.
        monkeypatch.setattr(attempt, "answer", lambda window, _, top_k: real(tuple(window), top_k))
        monkeypatch.setattr(attempt, "ATTEMPTS", 1)  # another attempt begins as a message that comes again does
        monkeypatch.setattr(objects, "client", lambda _: self.client)
        monkeypatch.setattr(objects, "PART_BYTES", scenario.part_bytes)

    def _next(self, history: tuple[str, ...]) -> Request | str:
        """What a worker does after these answers: its next request, or how it ended."""
        self.client = _Client(history, self.scenario)
        try:
            attempt.run(Job(IN, KEY, OUT, KEY), self.classifier, lambda: 900.0)
        except _Stopped as stopped:
            return stopped.request
        except FileError:
            return FAILED
        return DONE

    def run(self) -> Found:
        """Searches breadth first, so that a fault is found by the fewest steps."""
        start = State(workers=(Worker(),) * self.scenario.workers)
        came: dict[State, tuple[State, str] | None] = {start: None}
        waiting, steps, ends = deque([start]), 0, 0
        while waiting:
            state = waiting.popleft()
            if not state.events and all(worker.history is None for worker in state.workers):
                ends += 1
                if not self.right(state):
                    return Found(len(came), steps, ends, _path(came, state))
            for what, after in self.steps(state):
                steps += 1
                if after not in came:
                    came[after] = (state, what)
                    waiting.append(after)
        return Found(len(came), steps, ends, [])

    def interleavings(self) -> int:
        """In how many orders all can happen if nobody is killed, nothing is lost, and nothing comes twice."""

        @cache
        def count(state: State) -> int:
            usual = [after for what, after in self.steps(state) if what not in (KILLED, TWICE) and UNHEARD not in what]
            return sum(map(count, usual)) if usual else 1

        return count(State(workers=(Worker(),) * self.scenario.workers))

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """All that can happen next."""
        scenario, busy = self.scenario, [worker for worker in state.workers if worker.history is not None]
        if state.put < len(scenario.versions):
            new = (state.put,)
            source = state.source + new if scenario.versioned else new
            after = state._replace(put=state.put + 1, source=source, events=state.events + 1)
            yield f"put {scenario.versions[state.put]}", after
        if scenario.deletes and state.source and not state.deleted:
            yield "delete for good", state._replace(deleted=True, source=state.source[:-1], events=state.events + 1)
        if (busy or state.events) and state.events + len(busy) < scenario.workers:  # more would wait for a worker
            yield TWICE, state._replace(events=state.events + 1)
        if state.events and len(busy) < scenario.workers:
            yield "a worker begins", self._with(state._replace(events=state.events - 1), Worker(), Worker(()))
        for worker in dict.fromkeys(busy):
            yield KILLED, self._with(state._replace(events=state.events + 1), worker, Worker())
            yield from self._answered(state, worker)

    def _answered(self, state: State, worker: Worker) -> Iterator[tuple[str, State]]:
        """A worker's request is carried out: its answer arrives, or is lost, so that the client asks again."""
        assert worker.history is not None
        request = self.next(worker.history)
        assert isinstance(request, Request)
        place = state.workers.index(worker)
        after, answer = self.carry_out(state, worker, request)
        yield self._goes_on(after, place, request, answer)
        if request.name == "put" and answer != LOST:
            after, answer = self.carry_out(after, after.workers[place], request)
            what, after = self._goes_on(after, place, request, answer)
            yield what + UNHEARD, after

    def _goes_on(self, state: State, place: int, request: Request, answer: str) -> tuple[str, State]:
        """A worker has its answer, and comes to its next request or to an end."""
        worker = state.workers[place]
        history = (*(worker.history or ()), answer)
        then = self.next(history)
        what = f"{request.name} {request.key} after {worker.history}: {answer}"
        if isinstance(then, Request):
            return what, self._with(state, worker, Worker(history, worker.fresh or request.name == "read"))
        events = state.events + (then == FAILED)
        return f"{what}, and the worker is {then}", self._with(state._replace(events=events), worker, Worker())

    def carry_out(self, state: State, worker: Worker, request: Request) -> tuple[State, str]:
        """What S3 does: strongly consistent, each request at once, each write on its condition."""
        if request.name != "put":
            return state, self._read(state, request) or MISSING
        if request.key == PREDICTIONS:
            if request.condition != state.predictions:
                return state, LOST
            return state._replace(predictions=etag_of(request.body)), etag_of(request.body)
        assert worker.history
        assert request.condition == ("" if worker.history[0] == MISSING else "seen")
        if not worker.fresh:
            return state, LOST
        stale = tuple(w if w.history is None else w._replace(fresh=False) for w in state.workers)
        return state._replace(summary=_timeless(request.body), workers=stale), "written"

    def _read(self, state: State, request: Request) -> str:
        """What is there; "" for nothing."""
        if request.key != KEY:
            return state.summary if request.key == SUMMARY else state.predictions
        if request.name == "look":
            return str(state.source[-1]) if self._current(state) else ""
        left = [self.scenario.versions[number] for number in state.source]
        return "there" if request.condition in [etag_of(CONTENTS[kind]) for kind in left if kind != DELETED] else ""

    def _current(self, state: State) -> str:
        """The content of the current version, by name; "" if there is none."""
        kind = self.scenario.versions[state.source[-1]] if state.source else DELETED
        return "" if kind == DELETED else kind

    def right(self, state: State) -> bool:
        """Whether the outputs are of the current version; where nothing is left, whether they belong together."""
        said = json.loads(state.summary) if state.summary else {}
        output = (said.get("output") or {}).get("etag", "")
        kind = self._current(state)
        if not kind:
            return not said or not output or output == state.predictions
        named = (said.get("source", {}).get("version_id"), said.get("source", {}).get("etag"))
        if named != (version_of(self.scenario, state.source[-1]), etag_of(CONTENTS[kind])):
            return False
        if kind == "R":
            return said["status"] == "refused" and not output
        return said["status"] == "complete" and output == state.predictions == self.expected(kind)

    def _expected(self, kind: str) -> str:
        """The ETag of what the predictions of a content must be."""
        rows = attempt.records([CONTENTS[kind].encode()], attempt.layout_of(KEY))
        return etag_of(b"".join(attempt.answer(w, self.classifier, 1)[0] for w in attempt.windows(rows)).decode())

    def _with(self, state: State, old: Worker, new: Worker) -> State:
        workers = list(state.workers)
        workers[workers.index(old)] = new
        return state._replace(workers=tuple(sorted(workers, key=repr)))


def _timeless(body: str) -> str:
    said = json.loads(body)
    return json.dumps({name: said[name] for name in ("status", "source", "model", "output", "tally")}, sort_keys=True)


def _path(came: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    path, before = [], came[state]
    while before:
        path.append(before[1])
        before = came[before[0]]
    return path[::-1]
