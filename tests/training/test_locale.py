"""Texts and names of files are Chinese, and the machine's locale or code page knows no Chinese."""

import json
import shutil
import sys
from io import TextIOWrapper
from pathlib import Path

import pytest
from command import fenlei
from support import FOUR_LINES

from training.commands.utf8 import write_utf8

# The C locale as Python 3.6 took it, with what helps since turned off; and streams as Windows opens them for a pipe.
SETTINGS = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII": {"PYTHONIOENCODING": "ascii:strict"},
    "cp1252": {"PYTHONIOENCODING": "cp1252:strict"},
    "gbk": {"PYTHONIOENCODING": "gbk:strict"},
}
TEXT = "😀 我不喜欢编程"  # GBK has no face


@pytest.fixture(params=SETTINGS)
def _set(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS[request.param].items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def named_in_chinese(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("有 空格") / "模型 一"
    return Path(shutil.copytree(bundle_path, path))


@pytest.mark.usefixtures("_set")
def test_an_answer_is_utf8(named_in_chinese: Path) -> None:
    ran = fenlei("classify", named_in_chinese, TEXT)

    assert (ran.status, ran.errors) == (0, "")
    assert ran.output.rstrip().split("\t")[2].removesuffix("  (uncertain)") == TEXT


@pytest.mark.usefixtures("_set")
def test_texts_on_standard_input_are_utf8(named_in_chinese: Path) -> None:
    ran = fenlei("classify", named_in_chinese, "--json", given=f"{TEXT}\n")

    assert (ran.status, ran.errors) == (0, "")
    assert ran.json()["text"] == TEXT


@pytest.mark.usefixtures("_set")
def test_an_error_names_a_file_as_it_is_called(named_in_chinese: Path, tmp_path: Path) -> None:
    missing = tmp_path / "没有 这个.csv"

    ran = fenlei("evaluate", named_in_chinese, missing)

    assert (ran.status, ran.output) == (2, "")
    assert ran.errors == f"error: {missing} does not exist; check the path.\n"


@pytest.mark.usefixtures("_set")
def test_help_shows_chinese_examples() -> None:
    ran = fenlei("classify", "--help")

    assert (ran.status, ran.errors) == (0, "")
    assert "东西质量很好" in ran.output


@pytest.mark.usefixtures("_set")
@pytest.mark.parametrize("_set", ["C"], indirect=True)
def test_files_are_classified_where_they_are_called_in_chinese(named_in_chinese: Path, tmp_path: Path) -> None:
    texts = tmp_path / "评论 二月.txt"
    texts.write_text(f"{TEXT}\n", encoding="utf-8")

    ran = fenlei("batch", named_in_chinese, texts, "-o", tmp_path / "结果", "--json")

    assert ran.status == 0, ran.errors
    (summary,) = ran.json()
    assert summary["source"]["path"] == str(texts)
    line = json.loads((tmp_path / "结果/评论 二月.txt.predictions.jsonl").read_text(encoding="utf-8"))
    assert line["label"] in ("positive", "negative")


@pytest.mark.usefixtures("_set")
@pytest.mark.parametrize("_set", ["C"], indirect=True)
def test_a_model_is_trained_whose_name_and_columns_are_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "临时 目录"
    work.mkdir()
    monkeypatch.setenv("TMPDIR", str(work))
    (tmp_path / "四行.csv").write_text(FOUR_LINES.replace("text,label", "文本,标签"), encoding="utf-8")
    model = tmp_path / "模型 二"

    ran = fenlei(
        *("train", tmp_path / "四行.csv", "-o", model, "--family", "logistic", "--json"),
        *("--text-column", "文本", "--label-column", "标签"),
    )

    assert ran.status == 0, ran.errors
    assert ran.json()["bundle"] == str(model)
    manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["name"], manifest["data"]["source"]) == ("模型 二", "四行")
    assert fenlei("classify", model, TEXT).status == 0


def test_results_end_in_a_line_feed_alone_where_the_system_has_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a standard output as Windows opens it
    out = tmp_path / "out"
    with TextIOWrapper(out.open("wb"), encoding="cp1252", newline="\r\n") as stream:
        monkeypatch.setattr(sys, "stdout", stream)

        write_utf8()
        print("好 \udcff")

    assert out.read_bytes() == "好 \\udcff\n".encode()
