"""`fenlei bulk`: what it says that a job costs, starts and watches, with the machine in moto's Step Functions."""

import gzip
import json
import os
import subprocess
import sys

import pytest
from cloud import OUT, Cloud
from support import ROOT

from tests.s3_events import IN, TWO_LINES

pytestmark = pytest.mark.usefixtures("fresh_models")


def fenlei_bulk(aws: Cloud, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | aws.environment | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-c", "from training.commands.cli import main; main()", "bulk", *arguments]
    return subprocess.run(
        command, env=environment, input=given, capture_output=True, encoding="utf-8", timeout=60, check=False
    )


def test_it_says_the_cost_and_watches_the_machine(aws: Cloud, machine: str) -> None:
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


def test_it_starts_nothing_when_it_only_asks(aws: Cloud, machine: str) -> None:
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
def test_it_says_in_one_sentence_what_is_wrong(aws: Cloud, arguments: tuple[str, ...], sentence: str) -> None:
    aws.put("in/a.jsonl", TWO_LINES)

    ran = fenlei_bulk(aws, *arguments)

    assert ran.returncode == 2
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr
