"""Every command of the documents is executed as it stands there, in their order, on files with the names they use.

`fenlei` runs on small files, `aws` against moto's server, `make run`, `python make.py run` and `fenlei serve` until
they answer. What other tests execute anyway is not done twice: it is listed here, with the test that does it.
Benchmarks take too long: make only says what it would do.
"""

import csv
import gzip
import json
import os
import re
import shlex
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkpoints import write_checkpoint
from cloud import OUT, Cloud, cloud
from command import COMMAND, trainer
from documents import DOCUMENTS, commands, mentions
from support import ROOT
from typer.main import get_command

import make
from handler.files import objects
from handler.s3 import lambda_handler
from tests.s3_events import IN, TWO_LINES, Invocation, s3_event
from training.commands.cli import app

AWS = ROOT / ".envs/aws/bin/aws"
# The beginning of a command, and where it is executed.
ELSEWHERE = {
    "curl ": "tests/e2e/test_examples.py::test_an_example_works_in_one_paste",
    "sam validate": "tests/e2e/test_sam_local.py::test_the_template_is_valid",
    "sam build": "tests/e2e/conftest.py::package",
    "sam local invoke ApiFunction": "tests/e2e/test_sam_local.py::test_sam_local_invoke_answers_with_predictions",
    "sam deploy --guided": "tests/e2e/test_deploy.py::walk",
    "aws cloudformation": "tests/e2e/test_deploy.py::test_the_stack_for_delivery_is_made",
    "fenlei bulk": "tests/integration/infra/test_bulk_command.py::test_it_says_the_cost_and_watches_the_machine",
    "fenlei feedback": "tests/integration/infra/test_feedback_command.py::test_corrections_become_a_file_to_train_with",
    "fenlei publish": "tests/integration/infra/test_publish_command.py::test_a_share_is_published_and_taken_back",
    "fenlei rollback": "tests/integration/infra/test_publish_command.py::test_a_share_is_published_and_taken_back",
    "make build": "tests/e2e/conftest.py::dist",
    "make wheel": "tests/e2e/test_wheel.py::wheel",
    "pip install": "tests/e2e/test_wheel.py::trainer",
    "make image": "tests/e2e/test_image.py::image",
    "make smoke": "tests/e2e/test_make.py::test_it_works_on_this_machine",
    "make audit": "tests/e2e/test_locks.py::test_without_a_database_it_says_that_it_did_not_run",
}
# What only make itself can say something about: what runs these tests, resolves anew, or takes long.
ONLY_SAID = (
    "make check",
    "make test",
    "make lock",
    "make bench",
    "make setup",
    "make sam",
    "make mpnet",
    "make e5",
    "make resolve",
)
FENLEI = [(document, command) for document in DOCUMENTS for command in commands(document)]
ALL = list(dict.fromkeys(command for _, command in FENLEI))


def executed_elsewhere(command: str) -> str:
    return next((test for start, test in ELSEWHERE.items() if command.startswith(start)), "")


def here(*programs: str) -> list[str]:
    """The documents' commands of these programs that are executed in this file, each once."""
    return [c for c in ALL if c.split()[0] in programs and not executed_elsewhere(c)]


def test_every_command_is_executed_somewhere() -> None:
    covered = [
        *here("fenlei", "python", "aws", "tar", "."),
        *(c for c in here("make") if c.startswith((*ONLY_SAID, "make run"))),
    ]

    assert len(ALL) > 30
    assert [command for command in ALL if command not in covered and not executed_elsewhere(command)] == []


@pytest.mark.parametrize(("start", "test"), ELSEWHERE.items())
def test_what_is_executed_elsewhere_is_there(start: str, test: str) -> None:
    file, name = test.split("::")

    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert any(command.startswith(start) for command in ALL), f"no document says {start} any more"


@pytest.mark.parametrize("command", [c for c in here("make") if c != "make run"])
def test_make_knows_the_target(command: str) -> None:
    said = subprocess.run(
        f"{command} --dry-run --always-make", shell=True, cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )

    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("mention", mentions())
def test_what_a_sentence_names_exists(mention: str) -> None:
    program, *words = mention.split() if not mention.startswith("--") else ["", *mention.split()]
    if program == "python":
        assert words[1] in make.GOALS
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    known = get_command(app).commands  # type: ignore[attr-defined] # a group's
    asked = [known[words[0]]] if program == "fenlei" else list(known.values())
    options = {name for one in asked for option in one.params for name in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options | {"--guided"}


def write_texts(workspace: Path, bundle_path: Path) -> None:
    """Files with the names that the documents use, made of the texts that the default bundle carries."""
    golden = [json.loads(line) for line in (bundle_path / "golden.jsonl").read_text(encoding="utf-8").splitlines()]
    golden.sort(key=lambda one: len(one["text"]))
    rest, golden = golden[72:], golden[:72]
    texts = [one["text"][:20] for one in golden]  # the shorter, the fewer functions to convert
    labels = [str(one["probabilities"].index(max(one["probabilities"]))) for one in golden]
    tables = {
        "reviews.csv": labels,
        "few.csv": labels,
        "dev.csv": labels,
        "held-out.csv": labels,
        "stars.csv": [str(len(text) % 5 + 1) for text in texts],
        "tickets.csv": [
            f"{label}|long" if len(text) > 15 else label for text, label in zip(texts, labels, strict=True)
        ],
    }
    for name, targets in tables.items():
        write_table(workspace / name, [("text", "label"), *zip(texts, targets, strict=True)])
    for name in ("texts.csv", "many.csv", "more.csv"):
        write_table(workspace / name, [("text",), *((text,) for text in texts)])
    rows = [f"{label}\t{text}" for text, label in zip(texts, labels, strict=True)]
    for name in ("data.tsv", "train.tsv", "dev.tsv", "test.tsv"):
        (workspace / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    for name in ("train.txt", "test.txt"):  # fastText's
        lines = [f"__label__{label} {text}\n" for text, label in zip(texts, labels, strict=True)]
        (workspace / name).write_text("".join(lines), encoding="utf-8")
    write_table(workspace / "comprehend.csv", list(zip(labels, texts, strict=True)))
    write_table(workspace / "vertex.csv", [("TEST", *row) for row in zip(texts, labels, strict=True)])
    unlabelled = "".join(json.dumps({"text": one["text"]}) + "\n" for one in rest)
    (workspace / "unlabelled.jsonl").write_text(unlabelled, encoding="utf-8")
    (workspace / "reviews.jsonl.gz").write_bytes(gzip.compress(TWO_LINES))
    (workspace / "huge.csv.gz").write_bytes(gzip.compress((workspace / "reviews.csv").read_bytes()))
    for name in ("all-MiniLM-L6-v2", "chinese-roberta-wwm-ext"):  # as small as they come
        write_checkpoint(workspace / name, longest=8)
    # What `make mpnet` brings.
    write_checkpoint(workspace / ".envs/mpnet/all-mpnet-base-v2", "mpnet", blocks=6, longest=8)


def write_table(path: Path, rows: list[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture(scope="module")
def workspace(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the commands run one after the other, as a reader would call them."""
    directory = tmp_path_factory.mktemp("workspace")
    write_texts(directory, bundle_path)
    (directory / ".venv").symlink_to(ROOT / ".venv")
    run(FIRST, directory)
    # From here on a training is a fork of a process that has imported TensorFlow.
    (directory / "bin").mkdir()
    shim = directory / "bin/fenlei"
    lines = [
        "#!/bin/sh",
        f'[ "$1" = train ] || exec {shlex.quote(str(COMMAND))} "$@"',
        f'exec {shlex.join(trainer())} "$@"',
    ]
    shim.write_text("\n".join(lines), encoding="utf-8")
    shim.chmod(0o755)
    return directory


# All that is done with models/reviews comes after it.
FIRST = "fenlei train reviews.csv -o models/reviews"
ENVIRONMENT = os.environ | {
    "PATH": f"{ROOT}/.venv/bin:{AWS.parent}:{os.environ['PATH']}",
    "NO_COLOR": "1",
    "DATA": ".",  # where the documents have a data set
}


def run(command: str, directory: Path, **environment: str) -> None:
    ran = subprocess.run(
        command,
        shell=True,
        cwd=directory,
        env=ENVIRONMENT | {"PATH": f"{directory}/bin:{ENVIRONMENT['PATH']}"} | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "command", [c for c in here("fenlei", "tar", ".") if c != FIRST and not c.startswith("fenlei serve")]
)
def test_a_command_does_what_it_says(command: str, workspace: Path) -> None:
    run(command, workspace)

    output = re.search(r" -o (\S+)", command)
    assert output is None or filled(workspace / output[1])


def filled(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.stat().st_size > 0


@pytest.mark.parametrize(
    "command", ["make run", *here("python"), *(c for c in here("fenlei") if c.startswith("fenlei serve"))]
)
def test_a_server_answers(command: str, workspace: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        f"exec {command}",
        shell=True,
        cwd=workspace if command.startswith("fenlei") else ROOT,
        env=ENVIRONMENT | {"PORT": str(port)},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert healthy(f"http://127.0.0.1:{port}/health")
    finally:
        os.killpg(process.pid, 15)
        process.wait(10)


def healthy(url: str) -> bool:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(json.load(answer)["models"])
        except OSError:
            time.sleep(0.1)
    return False


@pytest.fixture(scope="module")
def deployed(bundle_path: Path) -> Iterator[tuple[Cloud, dict[str, str]]]:
    """What a deployed stack has, in moto, and what stands in the documents for the names of its parts."""
    with cloud() as aws, pytest.MonkeyPatch.context() as environment:
        gateway = aws.client("apigateway")
        keys = [gateway.create_api_key(name=name, enabled=True)["id"] for name in ("first", "new")]
        plan = gateway.create_usage_plan(name="free")["id"]
        for name, value in (aws.environment | {"MODEL_DIR": str(bundle_path.absolute())}).items():
            environment.setenv(name, value)
        objects.client.cache_clear()
        names = {"INPUT-BUCKET": IN, "OUTPUT-BUCKET": OUT}
        yield aws, names | {"FIRST-KEY-ID": keys[0], "NEW-KEY-ID": keys[1], "FREE-PLAN-ID": plan}
    objects.client.cache_clear()


@pytest.mark.parametrize("command", here("aws"))
def test_the_aws_command_line_is_answered(
    command: str, deployed: tuple[Cloud, dict[str, str]], workspace: Path
) -> None:
    if not AWS.exists():
        pytest.skip("the AWS command line is not installed; make .envs/aws/ready")
    aws, names = deployed
    if "start-message-move-task" in command:  # which moto does not know: the command line checks it
        command += " --generate-cli-skeleton output"
    for name, value in names.items():
        command = command.replace(name, value)

    run(command, workspace, **aws.environment)

    if f"s3://{IN}/" in command:
        lambda_handler(s3_event("reviews.jsonl.gz"), Invocation())  # as the queue would call it
    if f"s3://{OUT}/" in command:
        fetched = gzip.decompress((workspace / "reviews.jsonl.gz.predictions.jsonl.gz").read_bytes())
        assert [json.loads(line)["label"] for line in fetched.splitlines()] == ["positive", "negative"]
