"""The state machine in moto's Step Functions, with the real function behind its Lambda task.

What moto does not know is taken out of the definition, and named in `for_moto`: there, each item is a batch of its own.
"""

import gzip
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cloud import OUT, Cloud, Queue, refuse
from moto.awslambda.models import LambdaBackend
from moto.core.config import default_user_config

from handler.files import bulk, objects
from handler.s3 import lambda_handler
from tests.s3_events import ACCOUNT, IN, REGION, TWO_LINES, Invocation, s3_event

ROOT = Path(__file__).parents[2]
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:batch"
SETTINGS = {
    "FunctionArn": FUNCTION,
    "Concurrency": "2",
    "ToleratedFailurePercentage": "5",
    "ObjectsPerBatch": "10",
    "RowsPerBatch": "1000",
    "BytesPerBatch": "200000",
}


def definition() -> dict[str, Any]:
    """As CloudFormation fills it in."""
    text = (ROOT / "infra/bulk.asl.json").read_text(encoding="utf-8")
    for name, value in SETTINGS.items():
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def for_moto() -> dict[str, Any]:
    """Without ItemBatcher (ItemSelector makes a batch of each item), without JSONL and without EXPRESS children."""
    found = definition()
    for name in ("EachObject", "EachJsonLine", "EachCsvRow"):
        state = found["States"][name]
        batcher = state.pop("ItemBatcher")
        state["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] = "STANDARD"
        item = {"Index.$": "$$.Map.Item.Index", "Row.$": "$$.Map.Item.Value"}
        if name == "EachObject":
            item = {"Key.$": "$$.Map.Item.Value.Key"}
        state["ItemSelector"] = {"Items": [item], "BatchInput": batcher["BatchInput"]}
    found["States"]["EachJsonLine"]["ItemReader"]["ReaderConfig"]["InputType"] = "JSON"
    return found


pytestmark = pytest.mark.usefixtures("fresh_models")


@pytest.fixture
def machine(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """The machine in moto, which calls the function in this process where it would call Lambda."""
    monkeypatch.setitem(default_user_config["stepfunctions"], "execute_state_machine", True)
    monkeypatch.setattr(LambdaBackend, "invoke", invoke)
    monkeypatch.setenv("MOTO_PORT", str(aws.server.server_port))  # where the machine looks for S3 and Lambda
    sfn = aws.client("stepfunctions")
    arn = sfn.create_state_machine(
        name="fenlei-bulk", definition=json.dumps(for_moto()), roleArn=f"arn:aws:iam::{ACCOUNT}:role/bulk"
    )["stateMachineArn"]
    monkeypatch.setenv("STATE_MACHINE_ARN", arn)
    return str(arn)


SECONDS: list[Callable[[], float]] = []
ONE_AT_A_TIME = threading.Lock()  # as in an instance of Lambda; the machine's branches come in threads


def invoke(_: Any, function_name: str, __: Any, body: Any, ___: Any, response_headers: dict[str, Any]) -> bytes:
    """Lambda's boundary: an event in, JSON out, an error as Lambda reports it."""
    assert function_name == FUNCTION
    try:
        with ONE_AT_A_TIME:
            left = SECONDS.pop(0) if SECONDS else None
            return json.dumps(lambda_handler(json.loads(body), Invocation(left=left))).encode()
    except Exception as error:
        response_headers["x-amz-function-error"] = "Unhandled"
        return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)}).encode()


def run(aws: Cloud, machine: str, **event: Any) -> dict[str, Any]:
    sfn = aws.client("stepfunctions")
    arn = sfn.start_execution(stateMachineArn=machine, name=str(uuid.uuid4()), input=json.dumps(event))["executionArn"]
    return ended(aws, arn)


def ended(aws: Cloud, execution: str) -> dict[str, Any]:
    for _ in range(600):
        found: dict[str, Any] = aws.client("stepfunctions").describe_execution(executionArn=execution)
        if found["status"] != "RUNNING":
            return found
        time.sleep(0.1)
    raise AssertionError("the execution does not end")


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


# --- the command ------------------------------------------------------------------------------------


def fenlei_bulk(aws: Cloud, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    pytest.importorskip("typer")
    environment = os.environ | aws.environment | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-c", "from training.commands.cli import main; main()", "bulk", *arguments]
    return subprocess.run(
        command, env=environment, input=given, capture_output=True, encoding="utf-8", timeout=60, check=False
    )


def test_the_command_says_the_cost_starts_the_machine_and_watches_it(aws: Cloud, machine: str) -> None:
    for number in range(3):
        aws.put(f"in/{number}.jsonl", TWO_LINES * 10)
    aws.put("in/other.pdf", TWO_LINES)

    ran = fenlei_bulk(
        aws, f"s3://{IN}/in", f"s3://{OUT}/out", "--state-machine", machine, "-y", "--poll", "0.2", "--json"
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) | {"execution": ""} == {
        "execution": "",
        "status": "SUCCEEDED",
        "total": 4,
        "succeeded": 4,
        "failed": 0,
    }
    assert "3 objects, 0.0 MB, about 60 lines; 1 others are left out" in ran.stderr
    assert "dollars" in ran.stderr
    assert "out/2.jsonl.predictions.jsonl" in aws.contents()


def test_the_command_starts_nothing_when_it_only_asks(aws: Cloud, machine: str) -> None:
    aws.put("in/a.jsonl.gz", gzip.compress(TWO_LINES * 1000))
    places = (f"s3://{IN}/in/", f"s3://{OUT}/")

    ran = fenlei_bulk(aws, *places, "--dry-run", "--json")
    refused = fenlei_bulk(aws, *places, "--state-machine", machine, given="n\n")

    found = json.loads(ran.stdout)
    assert found["survey"]["lines"] == 2000
    assert 0 < sum(found["dollars"].values()) < 0.01
    assert refused.returncode == 1
    assert "Nothing was started." in refused.stderr
    assert aws.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Give where the texts are"),
        (("in", "s3://out/"), "write it as s3://bucket/prefix/"),
        ((f"s3://{IN}/nothing/", f"s3://{OUT}/"), "holds no .txt"),
        (("s3://no-such-bucket/", f"s3://{OUT}/"), "AWS says NoSuchBucket"),
        ((f"s3://{IN}/a.txt", f"s3://{OUT}/", "--rows"), "--rows needs one plain .jsonl or .csv object"),
        ((f"s3://{IN}/in/", f"s3://{OUT}/", "--stack", "none"), "the stack none: AWS says"),
        (("--redrive", "arn:aws:states:eu-central-1:123456789012:execution:a:b"), "AWS says"),
    ],
)
def test_the_command_says_in_one_sentence_what_is_wrong(aws: Cloud, arguments: tuple[str, ...], sentence: str) -> None:
    aws.put("in/a.jsonl", TWO_LINES)

    ran = fenlei_bulk(aws, *arguments)

    assert ran.returncode == 2
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_unknown_kind_fails_at_once(aws: Cloud, machine: str) -> None:
    assert run(aws, machine, kind="objets")["status"] == "FAILED"
