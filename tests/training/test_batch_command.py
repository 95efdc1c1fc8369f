"""`fenlei batch`: whole files on this machine, with the code that classifies files in S3."""

import gzip
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from command import Ran, fenlei, start

from handler.files.batch import answer, windows
from handler.files.records import layout_of, records
from handler.model.classifier import Classifier


@pytest.fixture
def files(tmp_path: Path, reviews: list[str]) -> list[Path]:
    """The same texts in two formats."""
    lines = [review.replace("\n", " ") for review in reviews]
    plain, packed = tmp_path / "a.txt", tmp_path / "b.jsonl.gz"
    plain.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    rows = "".join(json.dumps({"id": i, "text": line}) + "\n" for i, line in enumerate(lines * 4))
    packed.write_bytes(gzip.compress(rows.encode()))
    return [plain, packed]


def batch(bundle_path: Path, *arguments: object) -> Ran:
    return fenlei("batch", bundle_path, *arguments)


def test_files_get_the_answers_of_the_code_for_s3_whatever_the_number_of_processes(
    bundle_path: Path, files: list[Path], tmp_path: Path, classifier: Classifier
) -> None:
    for processes in (1, 2):
        ran = batch(bundle_path, *files, "-o", tmp_path / f"out{processes}", "--processes", processes, "--json")
        assert ran.status == 0, ran.errors
        assert [summary["status"] for summary in ran.json()] == ["complete", "complete"]

    for file in files:
        content = file.read_bytes()
        rows = windows(records([content], layout_of(file.name)))
        expected = b"".join(answer(window, classifier)[0] for window in rows)
        packed = file.suffix == ".gz"
        name = f"{file.name}.predictions.jsonl{'.gz' if packed else ''}"
        outputs = [(tmp_path / out / name).read_bytes() for out in ("out1", "out2")]
        assert outputs[0] == outputs[1]
        assert (gzip.decompress(outputs[0]) if packed else outputs[0]) == expected


def test_what_was_done_is_not_done_again_until_the_file_or_a_setting_changes(
    bundle_path: Path, files: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    calls = [batch(bundle_path, files[0], "-o", out, *more) for more in ((), (), ("--top-k", 2))]
    files[0].write_text("很好\n", encoding="utf-8")
    last = batch(bundle_path, files[0], "-o", out)

    assert ["done before" in call.output for call in (*calls, last)] == [False, True, False, False]
    assert "1 lines" in last.output


def test_files_that_s3_does_not_read_get_the_same_answers_by_way_of_what_it_does(
    bundle_path: Path, tmp_path: Path
) -> None:
    texts = ["物流很快，非常满意", "味道难吃，非常失望", "性价比高，值得购买", "用了一天就坏了"]
    table = "text,id\n" + "".join(f"{text},{n}\n" for n, text in enumerate(texts))
    (tmp_path / "utf-8.csv").write_text(table, encoding="utf-8")
    (tmp_path / "gb18030.csv.gz").write_bytes(gzip.compress(table.encode("gb18030")))
    (tmp_path / "utf-16.csv").write_text(table, encoding="utf-16", newline="\r\n")
    records = [{"内容": text, "id": str(n)} for n, text in enumerate(texts)]
    (tmp_path / "array.json").write_text(json.dumps(records), encoding="utf-8")
    (tmp_path / "other.csv").write_text(table.replace("text,", "评论内容,"), encoding="utf-8")
    names = ["utf-8.csv", "gb18030.csv.gz", "utf-16.csv", "array.json", "other.csv"]

    ran = batch(bundle_path, *(tmp_path / name for name in names), "-o", tmp_path)

    assert ran.status == 0, ran.errors
    assert "gb18030.csv.gz is read as GB18030" in ran.errors
    assert "array.json: texts from '内容'" in ran.errors
    answers = [(tmp_path / f"{name.removesuffix('.gz')}.predictions.jsonl") for name in ("utf-8.csv", "utf-16.csv")]
    packed = tmp_path / "gb18030.csv.gz.predictions.jsonl.gz"
    assert answers[0].read_bytes() == answers[1].read_bytes() == gzip.decompress(packed.read_bytes())
    of_table, *by_rows = (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in (answers[0], *(tmp_path / f"{name}.predictions.jsonl" for name in ("array.json", "other.csv")))
    )
    for rows in by_rows:
        assert [{**row, "line": row["line"] + 1} for row in rows] == of_table


def test_a_bad_line_is_a_warning_and_the_file_is_done(bundle_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "很好"}\n{\n', encoding="utf-8")

    ran = batch(bundle_path, file, "-o", tmp_path)

    assert ran.status == 0
    assert f"warning: {file} line 2: the line is not JSON" in ran.errors
    lines = (tmp_path / "a.jsonl.predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[1]) == {"line": 2, "error": "the line is not JSON"}


def test_a_cut_file_is_done_as_far_as_it_goes_and_ends_in_an_error(bundle_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.txt.gz"
    file.write_bytes(gzip.compress("很好\n太差了\n".encode())[:-4])

    ran = batch(bundle_path, file, "-o", tmp_path, "--json")

    assert ran.status == 1
    assert "is damaged from line 3 on (the gzip breaks off here); fetch it again." in ran.errors
    assert ran.json()[0]["tally"]["predicted"] == 2


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.pdf", "x", "rename or convert"),
        ("a.csv", "label\nx\n", "names no column 'text'"),
        ("nothing.txt", None, "is no file"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_sentence_and_leaves_nothing(
    bundle_path: Path, tmp_path: Path, name: str, content: str | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")

    ran = batch(bundle_path, tmp_path / name, "-o", tmp_path / "out")

    assert ran.status == 2
    assert sentence in ran.errors
    assert "Traceback" not in ran.errors
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_two_files_of_one_name_are_refused(bundle_path: Path, tmp_path: Path) -> None:
    for directory in ("one", "two"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "a.txt").write_text("很好\n", encoding="utf-8")

    ran = batch(bundle_path, tmp_path / "one/a.txt", tmp_path / "two/a.txt", "-o", tmp_path)

    assert ran.status == 2
    assert "would both be written to" in ran.errors


@pytest.mark.skipif(sys.platform == "win32", reason="no process can be sent Ctrl-C there")
def test_ctrl_c_leaves_no_half_of_an_output(bundle_path: Path, files: list[Path], tmp_path: Path) -> None:
    big, out = tmp_path / "big.txt", tmp_path / "out"
    big.write_bytes(files[0].read_bytes() * 400)
    process = start("batch", bundle_path, big, "-o", out)
    for _ in range(200):
        if out.exists() and list(out.iterdir()):
            break
        time.sleep(0.1)
    time.sleep(2)
    os.kill(process.pid, signal.SIGINT)

    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Traceback" not in errors
    assert list(out.iterdir()) == []
