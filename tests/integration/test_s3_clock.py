"""Files in S3 that take long: reads that break, clocks that run out, and others that go on."""

import gzip
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from cloud import OUT, Application, Cloud

from handler.files import batch, objects
from handler.s3 import lambda_handler
from tests.s3_events import IN, TWO_LINES, Invocation, s3_event, sqs_event

pytestmark = pytest.mark.usefixtures("fresh_models")


Clocks = Callable[[int], Callable[[], float]]


def handle(event: dict[str, Any], context: Any = None) -> Any:
    return lambda_handler(event, context or Invocation())


def test_a_read_that_breaks_goes_on_where_it_broke(aws: Cloud) -> None:
    content = (json.dumps({"pad": "x" * 10_000, "text": "很好"}) + "\n").encode() * 200
    version = aws.put("a.jsonl", content)
    broken = 0

    def cut_off(environ: dict[str, Any], start_response: Any, application: Application) -> Iterable[bytes] | None:
        nonlocal broken
        if (
            environ["REQUEST_METHOD"] != "GET"
            or "a.jsonl" not in environ["PATH_INFO"]
            or "summary" in environ["PATH_INFO"]
        ):
            return None
        if broken == 3:
            return None
        broken += 1
        body = b"".join(application(environ, start_response))
        return [body[:300_000]]  # of what its header promised

    aws.fault = cut_off

    handle(s3_event("a.jsonl", version))

    assert broken == 3
    assert aws.summary("a.jsonl")["tally"]["predicted"] == 200


def test_an_object_that_takes_several_invocations_gives_the_same_bytes(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, runs_out_after: Clocks
) -> None:
    monkeypatch.setattr(objects, "PART_BYTES", 100_000)
    lines = b"".join(json.dumps({"id": i, "text": f"东西质量很好 {i}"}).encode() + b"\n" for i in range(5_000))
    for key in ("a.jsonl", "a.jsonl.gz"):
        content = gzip.compress(lines) if key.endswith("gz") else lines
        handle(s3_event(key, aws.put(key, content)))
        aws.put(f"again/{key}", content)
        event = {
            "BatchInput": {"bucket": IN, "output_bucket": OUT},
            "Items": [{"Key": f"again/{key}"}],
        }
        rounds = 0
        while event["Items"]:
            context = Invocation(left=runs_out_after(rounds + 2))
            event = json.loads(json.dumps(handle(event, context)))
            rounds += 1

        assert rounds > 2
        assert event["Results"] == {"complete": 1}
        assert aws.get(f"again/{key}.predictions.jsonl{'.gz' * key.endswith('gz')}") == aws.get(
            f"{key}.predictions.jsonl{'.gz' * key.endswith('gz')}"
        )
        summary = aws.summary(f"again/{key}")
        assert summary["invocations"] == rounds
        assert summary["tally"]["lines"] == 5_000
    assert aws.uploads() == []


def test_a_checkpoint_of_other_code_is_not_gone_on_from(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, runs_out_after: Clocks
) -> None:
    # GIVEN an object that was left after a window of 1,024 lines
    monkeypatch.setattr(objects, "PART_BYTES", 100_000)
    aws.put("a.jsonl", "".join(f'{{"text": "很好 {i}"}}\n' for i in range(3_000)).encode())
    event = {"BatchInput": {"bucket": IN, "output_bucket": OUT}, "Items": [{"Key": "a.jsonl"}]}
    left = handle(event, Invocation(left=runs_out_after(1)))
    assert left["Items"][0]["Checkpoint"]["windows"] == 1

    # WHEN windows are cut otherwise by the code that goes on
    monkeypatch.setattr(batch, "WINDOW_ROWS", 1_000)
    ended = handle(left)

    # THEN it begins again, and nothing is there twice or missing
    assert ended["Results"] == {"complete": 1}
    assert [line["line"] for line in aws.predictions("a.jsonl")] == list(range(1, 3_001))
    assert aws.uploads() == []


def test_without_a_state_machine_what_takes_too_long_goes_back_to_the_queue(aws: Cloud, runs_out_after: Clocks) -> None:
    version = aws.put("a.jsonl", TWO_LINES)

    answer = handle(sqs_event(s3_event("a.jsonl", version)), Invocation(left=runs_out_after(1)))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert [key for key in aws.contents() if not key.startswith(".fenlei/")] == []


@pytest.mark.parametrize("key", ["a.jsonl.gz", "a.txt.gz", "a.csv.gz"])
def test_the_clock_is_looked_at_while_a_line_is_skipped(aws: Cloud, key: str, caplog: pytest.LogCaptureFixture) -> None:
    # GIVEN a line without an end, of which the clock lets 20 MB be unpacked
    version = aws.put(key, gzip.compress(b"text\n" + b"x" * 100_000_000, 1))
    looks = 0

    def left() -> float:
        nonlocal looks
        looks += 1
        return 900.0 if looks < 80 else 0.0  # at most 262,144 bytes each

    answer = handle(sqs_event(s3_event(key, version)), Invocation(left=left))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert looks < 90
    assert "cannot be read beyond window 0 in one invocation" in caplog.text
