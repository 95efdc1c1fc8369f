"""What stands in a label column: labels that are likely one, and columns that are likely the wrong ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.labels import alike, check_looks, label_of, merged, merged_onto, say_unsplit
from training.data.read import Example, Kind
from training.errors import InputError


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        (["1", "1.0", "1", "0"], [["1", "1.0"]]),
        (["yes", "Yes", "Yes", "no"], [["Yes", "yes"]]),
        (["ＡＢ", "AB"], [["ＡＢ", "AB"]]),
        (["a  b", "a b"], [["a  b", "a b"]]),
        (["01", "1", "1e0"], [["01", "1", "1e0"]]),
        (["好评", "差评"], []),
        (["nan", "NaN", "inf", "1"], [["nan", "NaN"]]),
        (["c", "c++", "c#"], []),
    ],
)
def test_labels_that_are_likely_one_are_found(labels: list[str], groups: list[list[str]]) -> None:
    assert alike(labels) == groups


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["a, b", "a, c", "d"], "2 labels have ',' in them, such as 'a, b'"),
        (["a#b", "b#c"], "2 labels have '#' in them, such as 'a#b'"),
        (["food, drink", "arts; books", "other"], ""),
        (["food, drink", "arts, books"], ""),
        (["a", "b"], ""),
    ],
)
def test_labels_that_are_likely_several_are_told_of(labels: list[str], told: str) -> None:
    assert told in say_unsplit(labels)
    assert bool(told) == bool(say_unsplit(labels))


def test_merged_labels_are_the_most_frequent_ones() -> None:
    rows = [Example("a", "Yes"), Example("b", "yes|No"), Example("c", "no"), Example("d", "other")]

    found = merged(rows, [["yes", "Yes"], ["no", "No"]])

    assert [example.label for example in found] == ["yes", "yes|no", "no", "other"]


def test_labels_are_merged_onto_those_that_a_bundle_knows() -> None:
    rows = [Example("a", "1.0"), Example("b", "1"), Example("c", "2"), Example("d", "1.0|0.0")]

    assert [example.label for example in merged_onto(rows, ["0", "1"])] == ["1", "1", "2", "1|0"]


@given(st.lists(st.text("aAbＢ 1.0", min_size=1, max_size=4), max_size=20))
def test_merging_is_done_after_once(labels: list[str]) -> None:
    rows = [Example("t", label) for label in labels]

    once = merged(rows, alike(labels))

    assert alike(example.label for example in once) == []
    assert merged(once, alike(labels)) == once


def rows(count: int, labels: int, texts: int) -> list[Example]:
    return [Example(f"text {i % texts}", f"label {i % labels}") for i in range(count)]


@pytest.mark.parametrize(
    ("examples", "kind", "sentence"),
    [
        (rows(40, 30, 40), Kind.LABEL, "40 rows have 30 different labels"),
        (rows(60_003, 20_001, 60_003), Kind.LABEL, "20,001 different labels"),
        (rows(40, 2, 2), Kind.LABEL, "the 40 texts are all alike"),
        (rows(40, 40, 1), Kind.NUMBER, "the 40 texts are all alike"),
    ],
)
def test_a_column_that_is_likely_the_wrong_one_is_refused(examples: list[Example], kind: Kind, sentence: str) -> None:
    with pytest.raises(InputError, match=rf"^x\.csv: {sentence}"):
        check_looks(examples, kind, "x.csv")


@pytest.mark.parametrize(
    ("examples", "kind"),
    [
        (rows(40, 20, 40), Kind.LABEL),
        (rows(40, 40, 40), Kind.NUMBER),
        (rows(40, 40, 40), Kind.LABELS),
        (rows(19, 19, 1), Kind.LABEL),
    ],
)
def test_other_columns_are_not(examples: list[Example], kind: Kind) -> None:
    check_looks(examples, kind, "x.csv")


@pytest.mark.parametrize(
    ("value", "label"),
    [(" a ", "a"), (1, "1"), (1.5, "1.5"), (True, "true"), (None, None), (float("nan"), None), ("", None), ([], None)],
)
def test_what_a_cell_says(value: object, label: str | None) -> None:
    assert label_of("here", value, several=False) == label
