"""What a training makes of the files that it is given: parts, labels of one spelling, texts without labels."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from training.data.formats.rows import Columns, Missing
from training.errors import InputError
from training.families import get_family
from training.learning.job import Controls
from training.learning.plan import Progress
from training.options import Model, Options, Texts
from training.texts import Data, read_data

ROWS = "".join(f"a text of number {n},{'yes' if n % 2 else 'no'}\n" for n in range(40))


class Told(NamedTuple):
    """The data of a training, and what was said and warned of on the way."""

    data: Data
    said: list[str]
    warned: list[str]


def told(file: Path, **texts: Any) -> Told:
    """Reads as `fenlei train FILE` does."""
    chosen = Texts(file, "", None, None, None, Columns(), Missing.STOP, merge_labels=False, strict=False)
    options = Options(
        texts=chosen._replace(**texts),
        model=Model("", "", None, "all", None),
        task="classify",
        multi_label=False,
        clusters=10,
        teacher=None,
        refit=True,
        seed=0,
        precision=0.9,
        class_weight="auto",
        separator="",
        quantization="dynamic",
        all_quantizations=False,
        name="",
        output=file.parent / "model",
        force=False,
        time_budget=float("inf"),
        log_directory=None,
        resume=None,
    )
    said: list[str] = []
    warned: list[str] = []
    progress = Progress(lambda _: None, said.append, warned.append, Controls(lambda *_: None))
    return Told(read_data(options, get_family("hybrid"), progress), said, warned)


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def test_a_folder_of_parts_is_trained_on_as_it_is_split(tmp_path: Path) -> None:
    write(tmp_path / "data/train-0.csv", "text,label\n" + ROWS)
    write(tmp_path / "data/train-1.csv", "text,label\nmore,yes\n")
    write(tmp_path / "data/validation.csv", "text,label\nfor development,yes\n")
    write(tmp_path / "data/test.csv", "text,label\nfor the test,no\nand another,yes\n")

    splits = told(tmp_path).data.splits

    assert [len(part) for part in (splits.train, splits.dev, splits.test)] == [41, 1, 2]


def test_a_part_that_is_named_is_taken_instead(tmp_path: Path) -> None:
    write(tmp_path / "in/train.csv", "text,label\n" + ROWS)
    write(tmp_path / "in/test.csv", "text,label\nfor the test,no\nand another,yes\n")
    other = write(tmp_path / "other.csv", "text,label\nanother test,no\n")

    assert [e.text for e in told(tmp_path / "in", test=other).data.splits.test] == ["another test"]


def test_labels_that_are_likely_one_are_told_of(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\n" + ROWS + "one more,Yes\n")

    found = told(path)

    assert found.data.splits.labels == ["Yes", "no", "yes"]
    assert "the labels 'yes', 'Yes' are likely one; --merge-labels takes them as 'yes'" in found.warned


def test_labels_that_look_like_paths_are_told_of(tmp_path: Path) -> None:
    file = write(tmp_path / "paths.csv", "text,label\n" + ROWS.replace(",yes", ",news/a").replace(",no", ",news/b"))

    assert "labels look like paths; --separator / answers as deep as is certain" in told(file).said


def test_labels_that_are_likely_one_are_merged_in_all_parts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\n" + ROWS + "one more,Yes\n")
    test = write(tmp_path / "test.csv", "text,label\na test,YES\n")

    found = told(path, test=test, merge_labels=True)

    assert found.data.splits.labels == ["no", "yes"]
    assert [example.label for example in found.data.splits.test] == ["yes"]
    assert not any("likely one" in sentence for sentence in found.warned)


def test_texts_without_a_label_are_learned_from_with_those_of_another_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "content,label\n" + ROWS + "without one,\n")
    more = write(tmp_path / "more.txt", "a line\nanother line\n")

    found = told(path, missing=Missing.UNLABELLED, unlabelled=more)

    assert {example.text for example in found.data.unlabelled} == {"a line", "another line", "without one"}
    assert found.data.text_column == "content"
    assert "a.csv: 1 rows have no label (empty 1 times): learned from without it" in found.said


def test_the_wrong_column_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\n" + "".join(f"a text of number {n},id{n}\n" for n in range(40)))

    with pytest.raises(InputError, match="40 rows have 40 different labels"):
        told(path)


@pytest.mark.parametrize(("each", "advised"), [(20, True), (100, False)])
def test_where_texts_are_few_what_an_encoder_would_bring_is_said_in_a_line(
    tmp_path: Path, each: int, advised: bool
) -> None:
    rows = "".join(f"word {i},{'yes' if i % 2 else 'no'}\n" for i in range(2 * each))

    said = told(write(tmp_path / "texts.csv", "text,label\n" + rows)).said

    assert any("--checkpoint intfloat/multilingual-e5-small" in line for line in said) == advised
