"""Files that people bring, a line a file: what is read from it and what is said, or the sentence that refuses it."""

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT

from training.data.datasets import read_dataset
from training.data.files import ANY, read, read_content
from training.data.formats.rows import Columns, Missing
from training.data.read import Example
from training.errors import InputError

# Eight short reviews: enough to tell a column of texts from one of labels.
GOOD = ["物流很快，非常满意", "性价比高，值得购买", "味道不错，下次再来", "质量很好，推荐给大家"]
BAD = ["味道难吃，非常失望", "价格太贵，包装破损", "客服态度差，不推荐", "用了一天就坏了"]
ROWS = [row for pair in zip(GOOD, BAD, strict=True) for row in ((pair[0], "好评"), (pair[1], "差评"))]
BOTH = {"好评": 4, "差评": 4}
ENGLISH = [(f"a {word} thing for {label}", label) for word in ("fine", "poor", "odd", "new") for label in ("yes", "no")]


def table(rows: list[tuple[str, ...]], separator: str = ",", end: str = "\n") -> str:
    return "".join(separator.join(row) + end for row in rows)


def csv(header: str = "text,label", rows: list[tuple[str, str]] = ROWS, end: str = "\n") -> str:
    return header + end + "".join(f'"{text}",{label}{end}' for text, label in rows)


def jsonl(make: Callable[[str, str], dict[str, Any]], rows: list[tuple[str, str]] = ROWS) -> str:
    return "".join(json.dumps(make(text, label), ensure_ascii=False) + "\n" for text, label in rows)


def array(make: Callable[[str, str], dict[str, Any]], rows: list[tuple[str, str]] = ROWS, indent: int = 0) -> str:
    return json.dumps([make(text, label) for text, label in rows], ensure_ascii=False, indent=indent or None)


class Case(NamedTuple):
    """A file: its name, what is in it, what is said of it on the command line, and what is read and said."""

    name: str
    content: str | bytes
    labels: dict[str, int] = BOTH
    said: str = ""
    columns: Columns = ANY
    missing: Missing = Missing.STOP


def choices(label: str, question: str = "sentiment") -> dict[str, Any]:
    return {"type": "choices", "from_name": question, "to_name": "text", "value": {"choices": [label]}}


def task(text: str, *annotations: Any, **more: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"text": text}, "annotations": list(annotations), **more}


def annotated(*labels: str, **more: Any) -> dict[str, Any]:
    return {"result": [choices(label) for label in labels], "was_cancelled": False, **more}


def minimal(number: int, text: str, label: str) -> dict[str, Any]:
    return {"id": number, "text": text, "sentiment": label, "annotation_id": 7, "lead_time": 1.5}


SEVERAL = Columns(several=True)
TRADITIONAL = [("物流很快，非常滿意", "好評"), ("味道難吃，非常失望", "差評"), ("價格太貴，包裝破損", "差評")]
JAPANESE = [("とても良かったです", "良い"), ("配送が遅くて残念でした", "悪い"), ("また購入したいです", "良い")]
KOREAN = [("배송이 정말 빨라요", "좋음"), ("품질이 너무 나빠요", "나쁨"), ("다시 구매하고 싶습니다", "좋음")]
FRENCH = [("la qualité est très bonne", "bon"), ("déçu, ça ne marche pas", "mauvais")]

READ = {
    # --- encodings
    "UTF-8": Case("a.csv", csv()),
    "UTF-8 with a mark": Case("a.csv", "\ufeff" + csv()),
    "GB18030": Case("a.csv", csv().encode("gb18030"), said="read as GB18030"),
    "GBK in TSV": Case("a.tsv", table([("text", "label"), *ROWS], "\t").encode("gbk"), said="read as GB18030"),
    "GBK in JSONL": Case("a.jsonl", jsonl(lambda t, x: {"text": t, "label": x}).encode("gbk"), said="as GB18030"),
    "GBK, packed": Case("a.csv.gz", gzip.compress(csv().encode("gbk")), said="read as GB18030"),
    "GBK whose beginning is UTF-8, too": Case(
        "a.csv", csv(rows=[("联通", "好评"), *ROWS]).encode("gbk"), {"好评": 5, "差评": 4}, "read as GB18030"
    ),
    "Big5": Case("a.csv", csv(rows=TRADITIONAL).encode("big5"), {"好評": 1, "差評": 2}, "read as Big5"),
    "Shift-JIS": Case("a.csv", csv(rows=JAPANESE).encode("cp932"), {"良い": 2, "悪い": 1}, "read as Shift-JIS"),
    "EUC-JP": Case("a.csv", csv(rows=JAPANESE).encode("euc_jp"), {"良い": 2, "悪い": 1}, "read as EUC-JP"),
    "EUC-KR": Case("a.csv", csv(rows=KOREAN).encode("euc_kr"), {"좋음": 2, "나쁨": 1}, "read as EUC-KR"),
    "Latin-1": Case("a.csv", csv(rows=FRENCH).encode("latin-1"), {"bon": 1, "mauvais": 1}, "read as Latin-1"),
    "UTF-16 with a mark": Case("a.csv", csv().encode("utf-16"), said="read as UTF-16"),
    "UTF-16, the other way round": Case("a.csv", ("\ufeff" + csv()).encode("utf-16-be"), said="read as UTF-16"),
    "UTF-16 without a mark": Case("a.csv", csv().encode("utf-16-le"), said="read as UTF-16-LE"),
    "UTF-16 of Excel's Unicode text": Case(
        "a.txt", table([("text", "label"), *ROWS], "\t", "\r\n").encode("utf-16"), said="read as UTF-16"
    ),
    "an encoding that is named": Case(
        "a.csv", csv(rows=[("好", "1")]).encode("gbk"), {"1": 1}, columns=Columns(encoding="gbk")
    ),
    # --- separators, line ends and quotes
    "semicolons": Case("a.csv", table([("text", "label"), *ENGLISH], ";"), {"yes": 4, "no": 4}, "has semicolons"),
    "semicolons, and commas in the texts": Case(
        "a.csv",
        table([("text", "label"), *((f"{t}, or so", x) for t, x in ENGLISH)], ";"),
        {"yes": 4, "no": 4},
        "semicolons",
    ),
    "Excel's hint of what separates": Case(
        "a.csv", "sep=;\r\n" + table([("text", "label"), *ENGLISH], ";", "\r\n"), {"yes": 4, "no": 4}, "has semicolons"
    ),
    "a separator too many in each row": Case("a.csv", csv().replace("评\n", "评,\n")),
    "tabs in a .csv": Case("a.csv", table([("text", "label"), *ROWS], "\t"), said="has tabs"),
    "commas in a .tsv": Case("a.tsv", csv(), said="has commas"),
    "tabs in a .txt": Case("a.txt", table([("text", "label"), *ROWS], "\t")),
    "CR LF": Case("a.csv", csv(end="\r\n")),
    "CR alone": Case("a.csv", csv(end="\r")),
    "CR alone in TSV": Case("a.tsv", table([("text", "label"), *ROWS], "\t", "\r")),
    "quotes in TSV, as its writer puts them": Case(
        "a.tsv", 'text\tlabel\n"says ""no"""\tno\n"of two\nlines"\tyes\nplain\tyes\n', {"yes": 2, "no": 1}
    ),
    "spaces before quotes": Case("a.csv", csv("text, label").replace('",', '", "').replace("评\n", '评"\n')),
    "quotes in a text after a space": Case(
        "a.csv", 'label,text\na, "good" said he\nb, he said "bad"\nb, "bad"\n', {"a": 1, "b": 2}
    ),
    "single quotes": Case("a.csv", csv("'text','label'").replace('"', "'")),
    "bars": Case("a.csv", table([("text", "label"), *ROWS], "|"), said="has bars between its columns"),
    "a header that stands again, of files put together": Case(
        "a.csv", csv() + csv(rows=ROWS[:2]), {"好评": 5, "差评": 5}, "the header stands again in line 10: left out"
    ),
    "lists as Python leaves them in a cell": Case(
        "a.csv", "text,label\n" + "".join(f"\"{t}\",['{x}']\n" for t, x in ROWS)
    ),
    "lists as Python, NumPy and JSON leave them": Case(
        "a.csv",
        """text,label\na,"['x', 'y']"\nb,"['x' 'y']"\nc,"[""x"", ""y""]"\nd,"[1, 2]"\ne,[z]\n""",
        {"x|y": 3, "1|2": 1, "[z]": 1},
        "",
        SEVERAL,
    ),
    "a list with nothing in it": Case("a.csv", csv() + "a,[]\n", said="1 rows have no label", missing=Missing.DROP),
    "empty rows at the end, as of Excel": Case("a.csv", csv() + ",\n,\n"),
    # --- columns
    "an index without a name": Case("a.csv", csv(",text,label").replace('\n"', '\n7,"')),
    "a header in capitals": Case("a.csv", csv("TEXT,Label"), said="texts from 'TEXT', labels from 'Label'"),
    "a header with spaces": Case("a.csv", csv(" text , label ")),
    "a header in Chinese": Case(
        "a.csv", csv("评论内容,情感标签"), said="texts from '评论内容', labels from '情感标签'"
    ),
    "a header that tells nothing, and columns without a name": Case(
        "spam.csv",
        "v1,v2,,,\n" + table([(x, t, "", "", "") for t, x in ENGLISH]),
        {"yes": 4, "no": 4},
        "texts from 'v2'",
    ),
    "numbers beside the labels": Case(
        "a.csv",
        "stars,n,text\n" + table([(str(n % 3), str(n), f"the review {n} of a thing") for n in range(9)]),
        {"0": 3, "1": 3, "2": 3},
        "labels from 'stars'",
    ),
    "a header in Japanese": Case("a.csv", csv("本文,ラベル"), said="texts from '本文', labels from 'ラベル'"),
    "a header that tells nothing": Case("a.csv", csv("spalte1,spalte2"), said="texts from 'spalte1'"),
    "a header of which one name tells": Case("a.csv", csv("words,label"), said="texts from 'words'"),
    "columns that are named": Case("a.csv", csv("a,b"), columns=Columns(text="a", label="b", encoding="utf-8")),
    "other columns, left alone": Case("a.csv", csv("text,label,id").replace("评\n", "评,7\n")),
    "another of that name, which is not the usual one": Case(
        "a.csv", csv("text,label,content").replace("评\n", "评,x\n")
    ),
    "no header": Case("a.csv", csv()[11:], said="has no header: --columns text,label"),
    "no header, the label first, as for Comprehend": Case(
        "a.csv", table([(label, text) for text, label in ENGLISH]), {"yes": 4, "no": 4}, "--columns label,text"
    ),
    "several labels, as for Comprehend": Case(
        "a.csv",
        "a|b,one text\nb,another text\na|b,a third\nb,the last\na,but one\n",
        {"a|b": 2, "b": 2, "a": 1},
        "--columns label,text",
        SEVERAL,
    ),
    "no header, and its names are given": Case("a.csv", csv()[11:], columns=Columns(names=("text", "label"))),
    "a column for each label": Case(
        "a.csv",
        "text,rude,odd\nfoo,1,1\nbar,0,0\nbaz,0,1\nqux,1,0\n",
        {"rude|odd": 1, "": 1, "odd": 1, "rude": 1},
        "labels from 'rude', 'odd'",
        SEVERAL,
    ),
    "a column for each label, which are named, and one holds": Case(
        "a.csv", "text,good,bad\nfoo,1,0\nbar,0,1\n", {"good": 1, "bad": 1}, "", Columns(label="good,bad")
    ),
    "no labels": Case("a.csv", csv(), {"": 8}, columns=Columns(label="")),
    "a text a line": Case("a.txt", "one, two\nthree\n", {"": 2}, columns=Columns(label="")),
    # --- fastText
    "fastText": Case("a.txt", "".join(f"__label__{label} {text}\n" for text, label in ROWS)),
    "fastText, packed": Case("a.txt.gz", gzip.compress(b"__label__a x\n__label__b y\n"), {"a": 1, "b": 1}),
    "fastText, several labels": Case(
        "a.txt", "__label__a __label__b x\n__label__b y\n", {"a|b": 1, "b": 1}, "", SEVERAL
    ),
    "fastText, the label last": Case("a.txt", "x y __label__a\nz __label__b\n", {"a": 1, "b": 1}),
    # --- JSON
    "JSON lines": Case("a.jsonl", jsonl(lambda t, x: {"text": t, "label": x})),
    "JSON lines that are called .json": Case("a.json", jsonl(lambda t, x: {"text": t, "label": x})),
    "an array": Case("a.json", array(lambda t, x: {"text": t, "label": x})),
    "an array over many lines": Case("a.json", array(lambda t, x: {"text": t, "label": x}, indent=2)),
    "an array, packed": Case("a.json.gz", gzip.compress(array(lambda t, x: {"text": t, "label": x}).encode())),
    "an array that is called .jsonl": Case("a.jsonl", array(lambda t, x: {"text": t, "label": x})),
    "an array in an object": Case("a.json", json.dumps({"data": [{"text": t, "label": x} for t, x in ROWS]})),
    "columns, as pandas writes them": Case(
        "a.json",
        json.dumps({n: {str(i): row[c] for i, row in enumerate(ROWS)} for c, n in enumerate(("text", "label"))}),
    ),
    "columns as lists": Case("a.json", json.dumps({"text": [t for t, _ in ROWS], "label": [x for _, x in ROWS]})),
    "split, as pandas writes it": Case("a.json", json.dumps({"columns": ["text", "label"], "index": [], "data": ROWS})),
    "a first record without a label": Case(
        "a.jsonl", '{"text": "a"}\n' + jsonl(lambda t, x: {"text": t, "label": x}), said="1 rows", missing=Missing.DROP
    ),
    "keys with more in them": Case(
        "a.jsonl",
        jsonl(lambda t, x: {"words": t, "about": {"what it is": f"about {t}"}, "label": x}),
        said="from 'words'",
    ),
    "keys in Chinese": Case("a.jsonl", jsonl(lambda t, x: {"内容": t, "类别": x}), said="texts from '内容'"),
    "labels that are numbers": Case(
        "a.jsonl", '{"text": "好", "label": 1}\n\n{"text": 42, "label": 0}\n', {"1": 1, "0": 1}
    ),
    "labels that are true and false": Case(
        "a.jsonl", jsonl(lambda t, x: {"text": t, "label": x == "好评"}), {"true": 4, "false": 4}
    ),
    "labels in a list": Case(
        "a.jsonl", jsonl(lambda t, x: {"text": t, "label": [x, "b"]}), {"好评|b": 4, "差评|b": 4}, "", SEVERAL
    ),
    # --- labelling tools
    "Label Studio": Case("a.json", array(lambda t, x: task(t, annotated(x)))),
    "Label Studio, long ago": Case("a.json", array(lambda t, x: {"data": {"text": t}, "completions": [annotated(x)]})),
    "Label Studio, a text of another name": Case(
        "a.json", array(lambda t, x: {**task("", annotated(x)), "data": {"review": t, "n": 1}})
    ),
    "Label Studio, several choices": Case(
        "a.json", array(lambda t, x: task(t, annotated(x, "b"))), {"b|好评": 4, "b|差评": 4}, "", SEVERAL
    ),
    "Label Studio, a task that was cancelled": Case(
        "a.json",
        json.dumps(
            [task("a", annotated("x")), task("b", annotated("y", was_cancelled=True)), task("c", annotated("y"))]
        ),
        {"x": 1, "y": 1},
        "1 tasks that were skipped or cancelled",
    ),
    "Label Studio, three annotators": Case(
        "a.json",
        json.dumps([task("a", annotated("x"), annotated("y"), annotated("x")), task("b", annotated("y"))]),
        {"x": 1, "y": 1},
    ),
    "Label Studio, annotators that tie": Case(
        "a.json",
        json.dumps([task("a", annotated("x"), annotated("y")), task("b", annotated("y")), task("c", annotated("x"))]),
        {"x": 1, "y": 1},
        "1 tasks on which as many annotators say one thing",
    ),
    "Label Studio, one of two questions": Case(
        "a.json",
        array(lambda t, x: task(t, {"result": [choices(x, "tone"), choices("z", "topic")]})),
        columns=Columns(label="tone"),
    ),
    "Label Studio, JSON-MIN": Case(
        "a.json",
        array(lambda t, x: {"id": t, "text": t, "sentiment": x, "annotator": 1, "annotation_id": 2, "lead_time": 1.5}),
    ),
    "Label Studio, JSON-MIN, three annotators": Case(
        "a.json",
        json.dumps([minimal(1, "a", "x"), minimal(2, "b", "y"), minimal(1, "a", "y"), minimal(1, "a", "x")]),
        {"x": 1, "y": 1},
    ),
    "Label Studio, JSON-MIN, annotators that tie": Case(
        "a.json",
        json.dumps([minimal(1, "a", "x"), minimal(2, "b", "y"), minimal(1, "a", "y")]),
        {"y": 1},
        "1 tasks on which",
    ),
    "Prodigy, a label at a time": Case(
        "a.jsonl",
        jsonl(lambda t, x: {"text": t, "label": x, "answer": "accept"}, [("a", "x"), ("b", "y"), ("a", "y")]),
        {"x|y": 1, "y": 1},
        "",
        SEVERAL,
    ),
    "Label Studio, JSON-MIN, several choices": Case(
        "a.json",
        array(lambda t, x: {"text": t, "s": {"choices": [x, "b"]}, "annotation_id": 2, "lead_time": 1.5}),
        {"b|好评": 4, "b|差评": 4},
        "",
        SEVERAL,
    ),
    "Label Studio, several choices in CSV": Case(
        "a.csv", 'text,label\na,"{""choices"":[""x"",""y""]}"\nb,x\n', {"x|y": 1, "x": 1}, "", SEVERAL
    ),
    "doccano": Case("a.jsonl", jsonl(lambda t, x: {"id": 1, "text": t, "label": [x]})),
    "doccano, of before": Case("a.jsonl", jsonl(lambda t, x: {"id": 1, "text": t, "labels": [x]})),
    "doccano, data for text": Case("a.jsonl", jsonl(lambda t, x: {"id": 1, "data": t, "label": [x]})),
    "doccano, long ago": Case("a.json", jsonl(lambda t, x: {"text": t, "annotations": [{"label": x, "user": 1}]})),
    "Argilla": Case(
        "a.json",
        array(lambda t, x: {"fields": {"text": t}, "responses": {"tone": [{"value": x, "status": "submitted"}]}}),
    ),
    "Argilla, flat": Case(
        "a.json", array(lambda t, x: {"text": t, "tone.responses": [x], "tone.responses.status": ["submitted"]})
    ),
    "Argilla, version 1": Case(
        "a.json", array(lambda t, x: {"text": t, "prediction": None, "annotation": x, "status": "Validated"})
    ),
    "Argilla, a draft and a record that was discarded": Case(
        "a.json",
        json.dumps(
            [
                {"fields": {"text": "a"}, "responses": {"l": [{"value": "x"}, {"value": "y", "status": "draft"}]}},
                {"fields": {"text": "b"}, "responses": {}, "status": "discarded"},
            ]
        ),
        {"x": 1},
        "1 records that were discarded",
    ),
    "Prodigy, a label": Case(
        "a.jsonl",
        jsonl(lambda t, x: {"text": t, "label": x, "answer": "accept"})
        + json.dumps({"text": "a", "label": "x", "answer": "reject"}),
        said="1 texts with the answer reject",
    ),
    "Prodigy, options": Case(
        "a.jsonl", jsonl(lambda t, x: {"text": t, "options": [{"id": x, "text": x}], "accept": [x], "answer": "accept"})
    ),
    "spaCy": Case(
        "a.jsonl", jsonl(lambda t, x: {"text": t, "cats": {"好评": float(x == "好评"), "差评": float(x == "差评")}})
    ),
    "spaCy, pairs": Case("a.json", json.dumps([[t, {"cats": {x: 1, "z": 0}}] for t, x in ROWS])),
    "Ground Truth": Case(
        "a.manifest",
        jsonl(lambda t, x: {"source": t, "job": 3, "job-metadata": {"class-name": x, "type": "groundtruth/text"}}),
    ),
    "Ground Truth, several labels": Case(
        "a.manifest",
        jsonl(lambda t, x: {"source": t, "job": [0, 1], "job-metadata": {"class-map": {"0": x, "1": "b"}}}),
        {"好评|b": 4, "差评|b": 4},
        "",
        SEVERAL,
    ),
    # --- labels that are missing
    "missing ones, left out": Case(
        "a.csv", csv() + "a,\nb,nan\nc,N/A\nd,None\n", said="4 rows have no label", missing=Missing.DROP
    ),
    "missing ones, learned from without": Case(
        "a.csv", csv() + "a,\n", said="learned from", missing=Missing.UNLABELLED
    ),
    "a word that is a label": Case("a.csv", csv() + "a,None\n", {**BOTH, "None": 1}, missing=Missing.KEEP),
    "a null and a NaN": Case(
        "a.jsonl",
        '{"text":"a","label":"x"}\n{"text":"b","label":null}\n{"text":"c","label":NaN}\n',
        {"x": 1},
        "2 rows",
        missing=Missing.DROP,
    ),
}


def write(directory: Path, name: str, content: str | bytes) -> Path:
    path = directory / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", READ)
def test_what_people_bring_is_read_and_what_was_found_out_is_said(tmp_path: Path, name: str) -> None:
    case, said = READ[name], []  # type: tuple[Case, list[str]]
    path = write(tmp_path, case.name, case.content)

    found = read(path, case.columns, case.missing, said.append)

    assert Counter(example.label for example in found) == case.labels
    if case.labels == BOTH:
        assert [(example.text, example.label) for example in found] == ROWS
    assert case.said in "\n".join(said)
    assert said == [] or case.said


# --- the small cases ---------------------------------------------------------------------------------

CASES = ROOT.parent / "shared/cases"
HALVES = {"好评": 60, "差评": 60}
# What is read of each, or the sentence; and what is said.
SMALL: dict[str, tuple[dict[str, int] | str, str]] = {
    "easy.csv": (HALVES, ""),
    "gb18030.csv": (HALVES, "read as GB18030"),
    "utf16.csv": (HALVES, "read as UTF-16"),
    "chinese-headers.csv": (HALVES, "texts from '评论内容', labels from '情感标签'"),
    "duplicate-header.csv": ("the column 'text' stands twice", ""),
    "nan-labels.csv": ("line 2 has no label, as 12 of 120 rows (nan 12 times)", ""),
    "mixed-numbers.csv": ({"0": 60, "1": 40, "1.0": 20}, ""),
    "quoted.tsv": (HALVES, ""),
    "fasttext.txt": ({"pos": 60, "neg": 60}, ""),
    "array.json": (HALVES, ""),
    "label-studio.json": (HALVES, ""),
    "doccano.jsonl": (HALVES, ""),
    "quote-storm.csv": ("is not valid CSV", ""),
}


@pytest.mark.parametrize("name", SMALL)
def test_what_went_wrong_once_is_right(name: str) -> None:
    if not CASES.is_dir():
        pytest.skip("the small cases are not on this machine")
    right, says = SMALL[name]
    said: list[str] = []

    try:
        found: dict[str, int] | str = dict(Counter(example.label for example in read(CASES / name, say=said.append)))
    except InputError as error:
        found = str(error)

    assert found == right if isinstance(right, dict) else right in found
    assert says in "\n".join(said)
    assert said == [] or says


# --- what is refused --------------------------------------------------------------------------------

REFUSED = {
    "nothing at all": Case("a.csv", "", said="holds no labelled texts"),
    "blank lines": Case("a.jsonl", "\n\n", said="holds no labelled texts"),
    "an empty array": Case("a.json", "[]", said="holds no labelled texts"),
    "a header alone": Case("a.tsv", "text\tlabel\n", said="holds no labelled texts"),
    "a zip": Case("a.csv.zip", b"PK\3\4", said="is packed in a way that is not read; unpack it first"),
    "a pointer of Git LFS": Case(
        "a.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", said="git lfs pull"
    ),
    "JSON by the name of a table": Case(
        "a.csv", jsonl(lambda t, x: {"text": t, "label": x}), said="holds JSON, whatever its name says; name it .jsonl"
    ),
    "one column, with commas of another script": Case(
        "a.csv",
        "文本，标签\n很好，好评\n太差，差评\n",
        said="there is one column only, '文本，标签'",
    ),
    "a title above the header": Case("a.csv", "Reviews of May\n" + csv(), said="line 2 has 2 fields instead of 1"),
    "several labels in a list where one is asked for": Case(
        "a.csv", "text,label\na,\"['x', 'y']\"\n", said="line 2 has 2 labels (x, y); --multi-label"
    ),
    "another suffix": Case("a.doc", csv(), said="is none of .csv, .tsv, .txt"),
    "no suffix": Case("a", csv(), said="is none of .csv, .tsv, .txt"),
    # --- encodings
    "too little to tell GBK from Big5": Case(
        "a.csv", "text,label\n好,1\n".encode("gbk"), said='as GB18030 ("好,1…") or as Big5 ("疑,1…"); say which it is'
    ),
    "Cyrillic, which is not told": Case(
        "a.csv", "text,label\nхорошо,1\nплохо,0\n".encode("cp1251"), said="no other encoding plainly fits"
    ),
    "UTF-8, then GBK": Case("a.csv", csv().encode() + csv()[11:].encode("gbk"), said="line 10 is not UTF-8, though"),
    "GBK, then UTF-8": Case("a.csv", csv().encode("gbk") + csv()[11:].encode(), said="line 10 is UTF-8, and others"),
    "GBK, then bytes": Case(
        "a.csv", csv().encode("gbk") + b"\xff\xff,1\n", said="as GB18030 it can be read up to line 9"
    ),
    "UTF-8 in JSON, with a byte that is not": Case(
        "a.jsonl", '{"text":"好","label":"1"}\n'.encode() + b'{"text":"\xff","label":"1"}\n', said="line 2 is not UTF-8"
    ),
    "another encoding than is named": Case(
        "a.csv", csv().encode("gbk"), said="is not UTF-8 in line 2", columns=Columns(encoding="utf8")
    ),
    "an encoding that there is not": Case("a.csv", csv(), said="no encoding 'gbx'", columns=Columns(encoding="gbx")),
    "an encoding of no texts": Case("a.csv", csv(), said="no encoding 'hex'", columns=Columns(encoding="hex")),
    "a picture": Case("a.csv", bytes(range(256)) * 4, said="is no text"),
    "a NUL byte": Case("a.csv", b"text,label\na,b\nc\0,d\n", said="line 3 holds a NUL byte"),
    # --- tables
    "a column that is not there": Case(
        "a.csv", csv(), said="has no column 'stars', only: text, label", columns=Columns(label="stars")
    ),
    "a column that stands twice": Case(
        "a.csv", csv("text,label,text").replace("评\n", "评,x\n"), said="'text' stands twice"
    ),
    "columns that tell nothing": Case(
        "a.csv",
        "a,b\n1,2\n3,4\n",
        said="there are: a (for example '1'), b (for example '2'); name them, for example: --text-column a "
        "--label-column b, or, if the first line is no header: --columns text,label.",
    ),
    "two columns of texts": Case(
        "a.csv", "title,more,label\nthis one,that one,x\nthe first,the last,y\n", said="--label-column label"
    ),
    "two columns of labels": Case(
        "a.csv",
        "text,tag,topic\n" + "one text,a,b\nand another,b,a\n" * 4,
        said="is not plain; there are: text (for example 'one text')",
    ),
    "a column for each label, and one label a text": Case(
        "a.csv",
        "text,rude,odd\nfoo,1,1\nbar,0,0\nbaz,0,1\nqux,1,0\n",
        said="the columns rude, odd hold 0 and 1; --multi-label",
    ),
    "a column of 0 and 1 that holds 2": Case(
        "a.csv", "text,a,b\nfoo,1,2\n", said="the column 'b' holds '2' and not 0 or 1", columns=Columns(label="a,b")
    ),
    "names for a file that has them": Case(
        "a.csv", csv(), said="has a header, which names the columns", columns=Columns(names=("Text", "label"))
    ),
    "a field too few": Case("a.csv", "text,label\na,b\nc\n", said="line 3 has 1 fields instead of 2"),
    "a field too many": Case("a.tsv", "text\tlabel\na\tb\tc\n", said="line 2 has 3 fields instead of 2"),
    "a quote that stays open": Case("a.csv", 'text,label\n"a,b\nc,d\n', said="is not valid CSV"),
    "lines without labels": Case("a.txt", "one\ntwo\n", said="or read it as texts without labels: --label-column"),
    # --- JSON
    "no JSON": Case("a.jsonl", '{"text": "a", "label": "b"}\n{"text": "a"\n', said="line 2 is not JSON"),
    "no JSON in an array": Case("a.json", '[{"text": "a", "label": "b"}, {"text"]', said="item 2 is not JSON"),
    "an array that breaks off": Case("a.json", '[{"text": "a", "label": "b"}, {"te', said="item 2 is not JSON"),
    "JSON of 10,000 levels": Case("a.json", "[" * 10_000 + "]" * 10_000, said="nested too deeply"),
    "JSON of 100,000 levels in a line": Case("a.jsonl", '{"text": ' + "[" * 100_000, said="nested too deeply"),
    "JSON of 10,000 levels in an object": Case("a.json", '{"text": ' + "[" * 10_000, said="nested too deeply"),
    "no objects": Case("a.jsonl", '["a", "b"]\n[]\n', said="line 1 is not a JSON object"),
    "no objects in an array": Case("a.json", '["a", "b"]\n', said="item 1 is not a JSON object"),
    "no such key in a line": Case(
        "a.jsonl", '{"text":"a","label":"b"}\n{"words":"a"}\n', said="line 2 has no 'text', only: words"
    ),
    "no text": Case("a.jsonl", '{"text": ["a"], "label": "b"}\n', said="'text' is not a text but [\"a\"]"),
    "no label": Case("a.jsonl", '{"text": "a", "label": {"a": 1}}\n', said='the label is not a text but {"a": 1}'),
    "a NUL in a label": Case("a.jsonl", '{"text": "a", "label": "\\u0000"}\n', said="line 1 holds a NUL byte"),
    "half a surrogate pair": Case("a.jsonl", '{"text": "a\\ud83d", "label": "b"}\n', said="half of a surrogate pair"),
    "several labels where one is asked for": Case(
        "a.jsonl", '{"text": "a", "label": ["b", "c"]}\n', said="line 1 has 2 labels (b, c); --multi-label"
    ),
    "a label with the separator in it": Case(
        "a.jsonl", '{"text": "a", "label": ["b|x", "c"]}\n', said="a label has | in it", columns=SEVERAL
    ),
    # --- labelling tools
    "Label Studio, two questions": Case(
        "a.json",
        array(lambda t, x: task(t, {"result": [choices(x, "tone"), choices("z", "topic")]})),
        said="--label-column tone",
    ),
    "Label Studio, two texts": Case(
        "a.json", array(lambda t, x: {**task("", annotated(x)), "data": {"a": t, "b": t}}), said="--text-column"
    ),
    "Label Studio, and then something else": Case(
        "a.json",
        json.dumps([task("a", annotated("x")), {"data": {"text": "b"}, "annotations": [1]}]),
        said="Label Studio does at first",
    ),
    "doccano, parts of texts": Case(
        "a.jsonl", '{"text": "a", "label": [[0, 1, "X"]]}\n', said="labels of parts of a text"
    ),
    "Ground Truth, texts elsewhere": Case(
        "a.manifest",
        '{"source-ref": "s3://x/y", "j": 1, "j-metadata": {"class-name": "x"}}\n',
        said="refers to s3://x/y",
    ),
    # --- labels that are missing
    "an empty label": Case(
        "a.csv",
        "text,label\na,b\nc, \n",
        said="line 3 has no label, as 1 of 2 rows (empty 1 times): leave them out with --missing drop",
    ),
    "labels that are nan": Case(
        "a.csv", csv() + "a,nan\nb,nan\n", said="line 10 has no label, as 2 of 10 rows (nan 2 times)"
    ),
    "an empty one, and words are kept": Case("a.csv", csv() + "a,\n", said="has no label", missing=Missing.KEEP),
    "all of them": Case("a.csv", "text,label\na,\n", said="holds no labelled texts", missing=Missing.DROP),
    # --- packed
    "no gzip": Case("a.csv.gz", csv(), said="cannot be read to its end"),
    "gzip that breaks off": Case("a.csv.gz", gzip.compress(csv().encode())[:-12], said="cannot be read to its end"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    case = REFUSED[name]

    with pytest.raises(InputError) as caught:
        read(write(tmp_path, case.name, case.content), case.columns, case.missing)

    sentence = str(caught.value)
    assert case.said in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 1000


def test_gzip_that_unpacks_almost_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.formats.packed.BOMB_BYTES", 1 << 20)
    path = write(tmp_path, "a.csv.gz", gzip.compress(bytes(2 << 20)))

    with pytest.raises(InputError, match=r"a\.csv\.gz unpacks to over 200 times its size"):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv does not exist; check the path\.$"):
        read(tmp_path / "nowhere.csv")


def test_texts_without_labels_are_kept_if_they_are_to_be_learned_from(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", csv("内容,label") + "没有标签,\n")

    found = read_content(path, missing=Missing.UNLABELLED)

    assert [example.text for example in found.unlabelled] == ["没有标签"]
    assert found.text_column == "内容"
    assert len(found.examples) == len(ROWS)


def test_a_first_line_that_is_no_header_names_no_column(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", csv()[11:])

    assert read_content(path).text_column == "text"


def test_each_example_knows_its_line_also_after_a_text_of_two_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "reviews.csv", 'text,label\n"one\ntwo",a\n\nthree,b\n')

    assert read(path) == [Example("one two", "a", 3), Example("three", "b", 5)]


def test_white_space_is_squeezed_so_that_texts_that_differ_in_nothing_else_are_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, "reviews.tsv", "text\tlabel\n  很　好 \u2003 吗 \t a \n")

    assert read(path) == [Example("很 好 吗", "a", 2)]


@given(st.binary(max_size=200), st.sampled_from(["x.csv", "x.tsv", "x.txt", "x.json", "x.jsonl", "x.csv.gz"]))
def test_any_bytes_are_read_or_refused_but_never_crash(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = write(tmp_path_factory.getbasetemp(), name, content)
    said = str(path)
    try:
        read(path)
    except InputError as error:
        said = str(error)
    assert str(path) in said


# The words of labelling tools, in any order and depth: some of it is an export, and most of it nearly one.
WORDS = """
text label labels data annotations completions result value choices from_name was_cancelled id lead_time annotation_id
responses fields inputs status annotation prediction tone.responses tone.responses.status answer accept cats source
source-ref job-metadata class-name class-map failure-reason columns index submitted discarded x
"""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.sampled_from(WORDS.split()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS.split()), inner, max_size=5),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=3), st.sampled_from([None, "text", "label", "tone"]), st.booleans())
def test_any_json_is_read_or_refused_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], name: str | None, several: bool
) -> None:
    path = write(tmp_path_factory.getbasetemp(), "any.json", json.dumps(values))
    columns = Columns(label=name, text=name, several=several)
    said = str(path)
    try:
        read(path, columns, Missing.DROP)
    except InputError as error:
        said = str(error)
    assert str(path) in said


def test_an_unknown_data_set_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"There is no data set 'imdb'; there is: reviews-zh\."):
        read_dataset("imdb")
