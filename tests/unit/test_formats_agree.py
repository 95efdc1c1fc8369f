"""The same texts and labels, as different programs write them, are the same data: down to the fingerprint."""

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.files import ANY, read
from training.data.read import Example, fingerprint, squeeze

Rows = Sequence[tuple[str, str]]
ANSWERS = ["很好，喜欢", "太差，不要", "“不错”", "物流很快", "性价比高", "用了一天就坏了", "味道难吃", "推荐给大家"]
ROWS = [(text, "差评" if text in ANSWERS[1::3] else "好评") for text in ANSWERS] + [('says "no",\nin two lines', "1")]
NAMED = ("text", "label")


def records(rows: Rows) -> list[dict[str, str]]:
    return [dict(zip(NAMED, row, strict=True)) for row in rows]


def write_csv(path: Path, rows: Rows, encoding: str = "utf-8", **how: Any) -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, **how).writerows([NAMED, *rows])


def write_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in records(rows)), encoding="utf-8")


def write_json(path: Path, rows: Rows) -> None:
    path.write_text(json.dumps(records(rows), ensure_ascii=False, indent=1), encoding="utf-8")


def write_label_studio(path: Path, rows: Rows) -> None:
    tasks = [
        {"data": {"text": text}, "annotations": [{"result": [{"from_name": "q", "value": {"choices": [label]}}]}]}
        for text, label in rows
    ]
    path.write_text(json.dumps(tasks), encoding="utf-8")


def write_doccano(path: Path, rows: Rows) -> None:
    lines = (json.dumps({"id": 1, "text": text, "label": [label]}) + "\n" for text, label in rows)
    path.write_text("".join(lines), encoding="utf-8")


def write_fasttext(path: Path, rows: Rows) -> None:
    path.write_text("".join(f"__label__{label} {squeeze(text)}\n" for text, label in rows), encoding="utf-8")


def write_folder(path: Path, rows: Rows) -> None:
    for number, (text, label) in enumerate(rows):
        (path / label).mkdir(parents=True, exist_ok=True)
        (path / label / f"{number}.txt").write_text(text, encoding="utf-8")


def write_xlsx(path: Path, rows: Rows) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("texts")
    for row in (NAMED, *rows):
        cells = [openpyxl.cell.WriteOnlyCell(sheet, value=value) for value in row]
        for cell in cells:
            cell.data_type = "s"  # also what begins as a formula does
        sheet.append(cells)
    book.save(path)


def write_parquet(path: Path, rows: Rows) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(records(rows)), path)


def write_packed(path: Path, rows: Rows) -> None:
    write_csv(path, rows)
    path.write_bytes(gzip.compress(path.read_bytes()))


WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    "a.csv": write_csv,
    "all-quoted.csv": lambda path, rows: write_csv(path, rows, quoting=csv.QUOTE_ALL),
    "semicolons.csv": lambda path, rows: write_csv(path, rows, delimiter=";"),
    "unix.csv": lambda path, rows: write_csv(path, rows, lineterminator="\n"),
    "marked.csv": lambda path, rows: write_csv(path, rows, "utf-8-sig"),
    "gb18030.csv": lambda path, rows: write_csv(path, rows, "gb18030"),
    "utf-16.csv": lambda path, rows: write_csv(path, rows, "utf-16"),
    "a.csv.gz": write_packed,
    "a.tsv": lambda path, rows: write_csv(path, rows, dialect="excel-tab"),
    "a.jsonl": write_jsonl,
    "a.json": write_json,
    "label-studio.json": write_label_studio,
    "doccano.jsonl": write_doccano,
    "fasttext.txt": write_fasttext,
    "folder": write_folder,
    "a.xlsx": write_xlsx,
    "a.parquet": write_parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_content_has_the_same_fingerprint(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, ROWS)

    assert fingerprint(read(tmp_path / name)) == fingerprint(Example(squeeze(text), label) for text, label in ROWS)


# A workbook cannot hold control characters, and csv no NUL; a label that says that there is none is another matter.
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"])
TEXTS = st.text(CHARACTERS | st.sampled_from('",;\t\n"'), max_size=12).filter(lambda text: text.strip())
TABLES = st.lists(st.tuples(TEXTS, st.sampled_from(["a", "b", "好", "x y", "1", "="])), min_size=1, max_size=6)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.xlsx", "a.parquet"])
@settings(max_examples=40)
@given(rows=TABLES)
def test_any_text_comes_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, name: str, rows: Rows) -> None:
    path = tmp_path_factory.getbasetemp() / name
    WRITERS[name](path, rows)

    # Two short words of UTF-8 may be words of GBK as well, and are asked about.
    found = read(path, ANY._replace(encoding="utf-8"))

    assert [tuple(row[:2]) for row in found] == [(squeeze(text), squeeze(label)) for text, label in rows]
