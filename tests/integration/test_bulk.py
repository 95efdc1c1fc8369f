"""The state machine in moto's Step Functions, with the real function behind its Lambda task."""

import json
from collections.abc import Callable

import pytest
from bulk_machine import SECONDS, definition, ended, for_moto, run
from cloud import OUT, Cloud, Queue, refuse

from handler.files import bulk, objects
from handler.s3 import lambda_handler
from tests.s3_events import IN, TWO_LINES, Invocation, s3_event

pytestmark = pytest.mark.usefixtures("fresh_models")


def counts_of(aws: Cloud, execution: str) -> dict[str, int]:
    sfn = aws.client("stepfunctions")
    (found,) = sfn.list_map_runs(executionArn=execution)["mapRuns"]
    counts: dict[str, int] = sfn.describe_map_run(mapRunArn=found["mapRunArn"])["itemCounts"]
    return counts


def test_every_object_below_a_prefix_is_classified(aws: Cloud, machine: str) -> None:
    for number in range(5):
        aws.put(f"in/{number}.jsonl", TWO_LINES)
    aws.put("in/bad.pdf", TWO_LINES)
    aws.put("other.jsonl", TWO_LINES)

    found = run(aws, machine, kind="objects", bucket=IN, prefix="in/", output_bucket=OUT, output_prefix="out/")

    assert found["status"] == "SUCCEEDED", found
    outputs = {key for key in aws.contents() if key.endswith(".predictions.jsonl")}
    assert outputs == {f"out/{number}.jsonl.predictions.jsonl" for number in range(5)}
    assert aws.summary("out/bad.pdf")["status"] == "refused"
    assert any(key.startswith("reports/") and key.endswith("manifest.json") for key in aws.contents())


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_rows_of_one_object_become_parts_in_order(aws: Cloud, machine: str, kind: str) -> None:
    rows = [{"id": str(i), "text": text} for i, text in enumerate(["很好", "太差了", " ", "很好"])]
    body = {
        "csv": "id,text\n" + "".join(f"{row['id']},{row['text']}\n" for row in rows),
        "jsonl": json.dumps(rows),  # moto reads JSON here, see for_moto
    }[kind]
    aws.put("rows", body.encode())

    found = run(aws, machine, kind=kind, bucket=IN, key="rows", output_bucket=OUT, output_key="out/rows")

    assert found["status"] == "SUCCEEDED", found
    parts = sorted(key for key in aws.contents() if key.startswith("out/rows.parts/"))
    lines = [json.loads(line) for part in parts for line in aws.get(part).splitlines()]
    assert [(line["line"], line["id"]) for line in lines] == [(1, "0"), (2, "1"), (3, "2"), (4, "3")]
    assert [line.get("label", line.get("error")) for line in lines] == [
        "positive",
        "negative",
        "the text is blank",
        "positive",
    ]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rows_that_take_too_long_for_one_invocation_go_on_in_the_next(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    # GIVEN a batch of rows, and time for one look between two invocations
    monkeypatch.setattr(bulk, "ROWS_AT_ONCE", 2)
    rows = [{"id": str(i), "text": "很好"} for i in range(5)]
    shared = {"bucket": IN, "output_bucket": OUT, "output_key": "rows", "execution": "e"}
    event = {"BatchInput": shared, "Items": [{"Index": i, "Row": row} for i, row in enumerate(rows)]}
    rounds = 0
    while event["Items"]:
        left = iter([900.0, 0.0])
        event = json.loads(json.dumps(lambda_handler(event, Invocation(left=lambda left=left: next(left)))))
        rounds += 1

    assert rounds == 3
    assert event["Parts"] == [f"rows.parts/e/{first:012d}.jsonl" for first in (0, 2, 4)]
    assert event["Tally"]["lines"] == 5
    assert [json.loads(line)["id"] for part in event["Parts"] for line in aws.get(part).splitlines()] == list("01234")
    # The machine asks again while rows are left.
    states = definition()["States"][{"csv": "EachCsvRow", "jsonl": "EachJsonLine"}[kind]]["ItemProcessor"]["States"]
    (again,) = [state for state in states.values() if state["Type"] == "Choice"]
    assert again["Choices"][0]["Next"] in states


@pytest.mark.parametrize("execution", ["", "e"], ids=["objects", "rows"])
def test_what_a_release_left_whose_items_had_the_fields_of_both_kinds_is_gone_on_with(
    aws: Cloud, execution: str
) -> None:
    aws.put("a.txt", "很好".encode())
    shared = {"bucket": IN, "output_bucket": OUT, "prefix": "", "output_prefix": "", "output_key": "rows"}
    item = {"VersionId": "", "Checkpoint": None, "Key": "", "Index": 0} if execution else {"Key": "a.txt", "Index": -1}
    batch = {"BatchInput": shared | {"execution": execution, "text_column": ""}, "Items": [item | {"Row": {}}]}

    event = lambda_handler(batch, Invocation())

    assert event is not None
    assert event["Items"] == []
    assert event["Parts" if execution else "Results"]


def test_an_object_that_takes_too_long_is_handed_over_and_ends_as_if_it_had_not(
    aws: Cloud, machine: str, monkeypatch: pytest.MonkeyPatch, runs_out_after: Callable[[int], Callable[[], float]]
) -> None:
    # GIVEN a function that runs out of time after three windows, and then after six
    monkeypatch.setattr(objects, "PART_BYTES", 100_000)
    content = b"".join(json.dumps({"id": i, "text": f"很好 {i}"}).encode() + b"\n" for i in range(8_000))
    lambda_handler(s3_event("whole.jsonl", aws.put("whole.jsonl", content)), Invocation())
    queue = Queue(aws)
    queue.send(s3_event("parts.jsonl", aws.put("parts.jsonl", content)))
    SECONDS[:] = [runs_out_after(6)]

    queue.drain(lambda event: lambda_handler(event, Invocation(left=runs_out_after(3))))

    (execution,) = aws.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert ended(aws, execution["executionArn"])["status"] == "SUCCEEDED"
    assert aws.get("parts.jsonl.predictions.jsonl") == aws.get("whole.jsonl.predictions.jsonl")
    assert aws.summary("parts.jsonl")["invocations"] == 3
    assert (aws.uploads(), queue.dead()) == ([], [])


def test_what_failed_is_said_and_the_same_call_does_only_the_rest(aws: Cloud, machine: str) -> None:
    for number in range(3):
        aws.put(f"in/{number}.jsonl", TWO_LINES)
    # GIVEN one object that nobody may read; the machine's own waits are too long for a test
    aws.fault = lambda environ, start, _: (
        refuse(start, 403, "AccessDenied") if environ["PATH_INFO"] == f"/{IN}/in/1.jsonl" else None
    )
    impatient = for_moto()
    for retry in impatient["States"]["EachObject"]["ItemProcessor"]["States"]["ClassifyObjects"]["Retry"]:
        retry["MaxAttempts"] = 0
    aws.client("stepfunctions").update_state_machine(stateMachineArn=machine, definition=json.dumps(impatient))
    asked = {"kind": "objects", "bucket": IN, "prefix": "in/", "output_bucket": OUT, "output_prefix": "in/"}

    found = run(aws, machine, **asked)

    counts = counts_of(aws, found["executionArn"])  # moto counts, but tolerates any number
    assert (counts["total"], counts["succeeded"], counts["failed"]) == (3, 2, 1)
    aws.fault = None
    before = {key: aws.get(key) for key in aws.contents() if key.endswith("summary.json")}
    assert run(aws, machine, **asked)["status"] == "SUCCEEDED"
    assert aws.summary("in/1.jsonl")["status"] == "complete"
    assert {key: aws.get(key) for key in before} == before


def test_an_unknown_kind_fails_at_once(aws: Cloud, machine: str) -> None:
    assert run(aws, machine, kind="objets")["status"] == "FAILED"
