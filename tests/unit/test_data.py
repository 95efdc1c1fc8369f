"""Labelled texts: what is read, what is refused, what cleaning drops, and how the rest is split."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.datasets import read_dataset
from training.data.formats.rows import Columns
from training.data.read import DEFAULT_COLUMNS, Example, read
from training.errors import InputError

NO_HEADER = Columns(names=("label", "text"))


def write(directory: Path, name: str, content: str | bytes) -> Path:
    path = directory / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: Path, columns: Columns = DEFAULT_COLUMNS) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(InputError) as caught:
        read(path, columns)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence.removeprefix(str(path)).strip()


# --- formats --------------------------------------------------------------------------------------

ROWS = [("好，很好", "positive"), ('他说"不"', "negative"), ("ok", "positive")]
FORMATS = {
    "reviews.csv": 'text,label\n"好，很好",positive\n"他说""不""",negative\nok,positive\n',
    "reviews.tsv": 'text\tlabel\n好，很好\tpositive\n他说"不"\tnegative\nok\tpositive\n',
    "reviews.jsonl": "".join(json.dumps({"label": label, "text": text}) + "\n" for text, label in ROWS),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no-bom", "bom"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["unix", "windows"])
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, packed: bool, mark: str, newline: str) -> None:
    content = (mark + FORMATS[name].replace("\n", newline)).encode()
    path = write(tmp_path, name + ".gz", gzip.compress(content)) if packed else write(tmp_path, name, content)

    assert [(example.text, example.label) for example in read(path)] == ROWS


def test_a_file_without_a_header_needs_the_names_of_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "reviews.tsv", "1\t好\n0\t差\n")

    assert read(path, NO_HEADER) == [Example("好", "1", 1), Example("差", "0", 2)]


def test_columns_can_have_any_name_and_others_are_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "reviews.csv", "id,stars,review\n7,5,好\n8,1,差\n")

    assert [e[:2] for e in read(path, Columns(text="review", label="stars"))] == [("好", "5"), ("差", "1")]


def test_each_example_knows_its_line_also_after_a_text_of_two_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "reviews.csv", 'text,label\n"one\ntwo",a\n\nthree,b\n')

    assert read(path) == [Example("one two", "a", 3), Example("three", "b", 5)]


def test_white_space_is_squeezed_so_that_texts_that_differ_in_nothing_else_are_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, "reviews.tsv", "text\tlabel\n  很　好 \u2003 吗 \t a \n")

    assert read(path) == [Example("很 好 吗", "a", 2)]


def test_numbers_are_labels_in_json_too(tmp_path: Path) -> None:
    path = write(tmp_path, "reviews.jsonl", '{"text": "好", "label": 1}\n\n{"text": 42, "label": 0}\n')

    assert read(path) == [Example("好", "1", 1), Example("42", "0", 3)]


# --- bad input ------------------------------------------------------------------------------------

BAD_FILES = {
    "empty.csv": (b"", "holds no labelled texts"),
    "empty.jsonl": (b"\n\n", "holds no labelled texts"),
    "header-only.tsv": (b"text\tlabel\n", "holds no labelled texts"),
    "unknown-column.csv": (b"words,label\na,b\n", "has no column 'text', only: words, label"),
    "no-header.csv": ("好,1\n差,0\n".encode(), "has no column 'text'"),
    "field-too-few.csv": (b"text,label\na,b\nc\n", "line 3 has 1 fields instead of 2"),
    "field-too-many.tsv": (b"text\tlabel\na\tb\tc\n", "line 2 has 3 fields instead of 2"),
    "open-quote.csv": (b'text,label\n"a,b\nc,d\n', "is not valid CSV"),
    "no-label.csv": (b"text,label\na,b\nc, \n", "line 3: the 'label' column is empty"),
    "gb18030.csv": ("text,label\n好,1\n".encode("gb18030"), "line 2 is not UTF-8"),
    "mixed.tsv": ("text\tlabel\n好\t1\n".encode() + "差\t0\n".encode("gb18030"), "line 3 is not UTF-8"),
    "mixed.jsonl": ('{"text":"好","label":"1"}\n'.encode() + b'{"text":"\xff","label":"1"}\n', "line 2 is not UTF-8"),
    "utf-16.csv": ("text,label\na,b\n".encode("utf-16"), "line 1 is not UTF-8"),
    "nul.csv": (b"text,label\na,b\nc\0,d\n", "line 3 holds a NUL byte"),
    "nul-label.jsonl": (b'{"text": "a", "label": "\\u0000"}\n', "line 1 holds a NUL byte"),
    "half-pair.jsonl": (b'{"text": "a\\ud83d", "label": "b"}\n', "line 1 holds half of a surrogate pair"),
    "not-json.jsonl": (b'{"text": "a", "label": "b"}\n{"text": "a"\n', "line 2 is not JSON"),
    "bottomless.jsonl": (b'{"text": ' + b"[" * 100_000 + b"\n", "line 1 is not JSON"),
    "not-an-object.jsonl": (b'["a", "b"]\n', "line 1 is not a JSON object"),
    "no-such-key.jsonl": (b'{"words": "a", "label": "b"}\n', "line 1 has no 'text', only: words, label"),
    "not-a-text.jsonl": (b'{"text": ["a"], "label": "b"}\n', "line 1: 'text' is not a text but [\"a\"]"),
    "true.jsonl": (b'{"text": "a", "label": true}\n', "line 1: 'label' is not a text but true"),
    "not-gzip.csv.gz": (b"text,label\na,b\n", "cannot be read after line 0"),
    "cut-off.csv.gz": (gzip.compress(b"text,label\n" + b"a,b\n" * 50)[:-12], "cannot be read after line"),
    "reviews.xlsx": (b"PK\3\4", "is none of .csv, .tsv, .jsonl"),
    "reviews": (b"text,label\na,b\n", "is none of .csv, .tsv, .jsonl"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_in_one_sentence_that_names_it_and_the_line(tmp_path: Path, name: str) -> None:
    content, reason = BAD_FILES[name]

    assert reason in refusal(write(tmp_path, name, content))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere.csv") == "does not exist; check the path."


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").mkdir()

    assert "cannot be read" in refusal(tmp_path / "reviews.csv")


@given(st.binary(max_size=200), st.sampled_from(["x.csv", "x.tsv", "x.jsonl", "x.csv.gz"]))
def test_any_bytes_are_read_or_refused_but_never_crash(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = write(tmp_path_factory.getbasetemp(), name, content)
    said = str(path)
    try:
        read(path, NO_HEADER)
    except InputError as error:
        said = str(error)
    assert str(path) in said


def test_an_unknown_data_set_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"There is no data set 'imdb'; there is: reviews-zh\."):
        read_dataset("imdb")
