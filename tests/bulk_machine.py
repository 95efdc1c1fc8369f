"""The bulk state machine in moto, which calls the function in this process where it would call Lambda.

What moto does not know is taken out of the definition, and named in `for_moto`: there, each item is a batch of its own.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from cloud import Cloud
from moto.awslambda.models import LambdaBackend
from moto.core.config import default_user_config
from support import ROOT

from handler.s3 import lambda_handler
from tests.s3_events import ACCOUNT, REGION, Invocation

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


def create(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """Gives the machine's ARN; the end of the test ends what was patched."""
    monkeypatch.setitem(default_user_config["stepfunctions"], "execute_state_machine", True)
    monkeypatch.setattr(LambdaBackend, "invoke", invoke)
    monkeypatch.setenv("MOTO_PORT", str(aws.server.server_port))  # where the machine looks for S3 and Lambda
    sfn = aws.client("stepfunctions")
    arn = sfn.create_state_machine(
        name="fenlei-bulk", definition=json.dumps(for_moto()), roleArn=f"arn:aws:iam::{ACCOUNT}:role/bulk"
    )["stateMachineArn"]
    monkeypatch.setenv("STATE_MACHINE_ARN", arn)
    return str(arn)


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
