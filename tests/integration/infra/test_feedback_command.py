"""`fenlei feedback`, as it is called: from what the API kept in moto's S3 to a file that trains."""

import json
import os
import subprocess
import sys
from pathlib import Path

from cloud import IN, Cloud
from support import ROOT

from training.data.files import read
from training.data.formats.rows import Columns, Missing

DAY = "fenlei/2026-11-28"


def fenlei(aws: Cloud, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | aws.environment | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-c", "from training.commands.cli import main; main()", "feedback", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False)


def line(number: int, label: str, right: bool, version: str = "aa8364a0", **more: str) -> str:
    at = f"2026-11-28T10:00:{number:02}.000+00:00"
    told = {"id": f"{number:032}", "label": label, "right": right, "version": version, "answered": at, "at": at}
    return json.dumps(told | more) + "\n"


def test_corrections_become_a_file_to_train_with(aws: Cloud, tmp_path: Path) -> None:
    first = line(1, "positive", True, text="很好") + line(2, "negative", False)
    # What is said of an answer again counts instead, in whichever file it is.
    second = line(1, "negative", False, text="很好", at="2026-11-28T11:00:00.000+00:00")
    second += line(3, "negative", True, version="b0b0b0b0", text="太差了")
    aws.put(f"{DAY}/one.jsonl", first.encode())
    aws.put(f"{DAY}/two.jsonl", second.encode())
    output = tmp_path / "corrections.jsonl"

    ran = fenlei(aws, f"s3://{IN}/fenlei", "-o", output, "--json")
    again = fenlei(aws, f"s3://{IN}/fenlei/", "-o", output)
    forced = fenlei(aws, f"s3://{IN}/{DAY}/", "-o", output, "--force")

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "lines": 3,
        "texts": 2,
        "versions": {"aa8364a0": {"told": 2, "right": 0}, "b0b0b0b0": {"told": 1, "right": 1}},
    }
    assert (again.returncode, forced.stdout) == (2, "aa8364a0…  0 of 2 right\nb0b0b0b0…  1 of 1 right\n")
    examples = read(output, Columns(None, None, (), "", False), Missing.STOP, lambda _: None)
    assert {(one.text, one.label) for one in examples} == {("很好", "negative"), ("太差了", "negative")}


def test_what_makes_no_file_is_said_in_one_sentence(aws: Cloud, tmp_path: Path) -> None:
    aws.put(f"{DAY}/one.jsonl", line(1, "positive", True).encode())
    aws.put("other/one.jsonl", b"{")
    output = tmp_path / "corrections.jsonl"

    for uri, status, sentence in [
        (f"s3://{IN}/fenlei/", 1, "None of the 1 came with its text"),
        (f"s3://{IN}/nothing/", 2, "holds no feedback"),
        (f"s3://{IN}/other/", 2, f"s3://{IN}/other/one.jsonl is no feedback"),
        ("s3://nowhere/", 2, "NoSuchBucket"),
        ("nowhere", 2, "names no place in S3"),
    ]:
        ran = fenlei(aws, uri, "-o", output)
        assert (ran.returncode, output.exists()) == (status, False), ran.stderr
        assert sentence in ran.stderr
        assert "Traceback" not in ran.stderr
