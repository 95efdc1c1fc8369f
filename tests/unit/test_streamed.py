"""`fenlei split`: what training would hold out, of a file that is too large to hold."""

import json
from pathlib import Path

import pytest
from command import Ran
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from training.commands.cli import app
from training.data import streamed
from training.data.files import ANY, Opened, read
from training.data.formats.rows import Columns, Missing, silent
from training.data.read import Kind
from training.data.split import make_splits
from training.errors import CommandError

TEXTS = st.sampled_from(["a", "A", "a!", "b", "c", "d e", "dE", "f", "g", "好", "好！", " "])


def split(file: Path, *options: object) -> Ran:
    ran = CliRunner().invoke(app, ["split", str(file), *map(str, options)])
    if ran.exception and not isinstance(ran.exception, (SystemExit, CommandError)):
        raise ran.exception
    return Ran(0 if not ran.exception else 2, ran.stdout, str(ran.exception or ran.stderr))


@pytest.mark.parametrize(
    ("several", "labels"), [(False, st.sampled_from("xyz")), (True, st.sampled_from(["x", "y|x", "x|y", "z", "y"]))]
)
@settings(max_examples=20)
@given(data=st.data())
def test_parts_are_those_that_training_makes(
    several: bool, labels: st.SearchStrategy[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alike = data.draw(st.lists(st.tuples(TEXTS, labels), max_size=12))
    many = data.draw(st.lists(labels, min_size=30, max_size=60))
    rows = [*alike, *((f"text {number}", label) for number, label in enumerate(many))]
    directory = tmp_path_factory.mktemp("split")
    kind, columns = (Kind.LABELS, Columns(several=True)) if several else (Kind.LABEL, ANY)
    assume(len({one for label in many for one in kind.split(label)}) > 1)
    file = directory / "all.jsonl"
    file.write_text("\n".join(json.dumps({"text": text, "label": label}) for text, label in rows), encoding="utf-8")

    opened = Opened(file, columns, Missing.STOP, silent)
    told = streamed.look(opened, kind, "all")
    where, found = streamed.places(told, kind, 3, Missing.STOP)
    streamed.write(opened, where, kind.canonical, directory)
    splits = make_splits(read(file, columns), None, None, 3, kind)

    for part, expected in (("train", splits.train), ("dev", splits.dev), ("test", splits.test)):
        written = read(directory / f"{part}.csv", columns) if expected else []
        assert [(one.text, one.label) for one in written] == [(one.text, one.label) for one in expected]
        assert found.parts[part] == len(expected)
    assert found.labels == splits.labels
    cleaning = splits.cleaning
    assert (found.read, found.blank, found.duplicates, found.conflicting) == (
        *(cleaning.read, cleaning.blank),
        *(cleaning.duplicates, cleaning.conflicting),
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Forty rows of two labels, of which one is spelled in two ways, and two without a label."""
    rows = [f"text {number},{('yes', 'no', 'Yes', 'no')[number % 4]}" for number in range(40)]
    path = tmp_path / "all.csv"
    path.write_text("\n".join(["text,label", *rows, "one more,", "and another,nan", ""]), encoding="utf-8")
    return path


def test_labels_are_merged_and_texts_without_one_kept_apart(table: Path) -> None:
    ran = split(table, "-o", table.parent / "parts", "--merge-labels", "--missing", "unlabelled", "--json")

    assert ran.status == 0
    found = json.loads(ran.output)
    assert found["labels"] == ["no", "yes"]
    assert found["parts"] == {"train": 32, "dev": 4, "test": 4, "unlabelled": 2}
    unlabelled = read(table.parent / "parts/unlabelled.csv", Columns(label=""))
    assert [example.text for example in unlabelled] == ["one more", "and another"]


def test_what_is_left_out_is_said(table: Path) -> None:
    with table.open("a", encoding="utf-8") as file:
        file.write("Text 1.,no\ntext 2!,yes\n,no\n")

    ran = split(table, "-o", table.parent / "parts", "--missing", "drop", "--merge-labels")

    assert ran.output.splitlines()[0].split() == ["45", "rows,", "2", "labels"]
    assert not (table.parent / "parts/unlabelled.csv").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "line 42 has no label, as 2 of 42 rows (empty 1 times, nan 1 times)"),
        (("--missing", "drop", "--label-column", "text"), "which looks like an id"),
        (("-o", "taken"), "taken/train.csv exists already; choose another --output"),
        (("-o", "all.csv"), "all.csv cannot be made"),
    ],
)
def test_a_split_that_cannot_be_is_refused_and_nothing_is_written(
    table: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(table.parent)
    (table.parent / "taken").mkdir()
    (table.parent / "taken/train.csv").write_text("mine", encoding="utf-8")

    ran = split(table, *(options if "-o" in options else ("-o", "parts", *options)))

    assert ran.status == 2
    assert sentence in ran.errors
    assert not list(table.parent.glob("parts/*"))
