"""What is odd about the data is said before training."""

from pathlib import Path

import pytest
from command import fenlei

from training.data.audit import audit, unseen
from training.data.read import Example, Kind
from training.data.split import Splits, core, make_splits


def splits_of(train: list[Example], dev: list[Example] | None = None, test: list[Example] | None = None) -> Splits:
    return Splits(train, dev or [], test or [], sorted({example.label for example in train}))


def test_copies_are_found_across_splits_whatever_their_case_width_and_punctuation() -> None:
    train = [Example("Ｇｏｏｄ, phone!", "1"), Example("坏了", "0")]
    test = [Example("good phone", "0"), Example("别的", "1")]

    found = {finding.text: finding for finding in audit(splits_of(train, test=test)).findings}

    assert found["test texts that also stand in training"].count == 1
    assert found["test texts that also stand in training"].leak
    assert found["of those test texts, with another label"].count == 1
    assert unseen(test, train) == [test[1]]


def test_the_core_of_a_text_is_its_letters_and_digits() -> None:
    assert core(" Ｈｉ，世界 ４２! ") == "hi世界42"


def test_skew_scripts_and_broken_encodings_are_told() -> None:
    train = [Example(f"text {i}", "common") for i in range(40)] + [Example("\ufffd\x07好", "rare")]

    told = audit(splits_of(train))

    counts = {finding.text: finding.count for finding in told.findings}
    assert counts["texts with U+FFFD, the mark of an encoding gone wrong"] == 1
    assert counts["texts with control characters"] == 1
    assert counts["labels with fewer than 10 training texts: expect little of them"] == 1
    assert told.labels == {"common": 40, "rare": 1}
    assert set(told.scripts) == {"Latin", "digits", "Han", "Replacement"} - {"Replacement"}


FEW = "labels with fewer than 10 training texts: expect little of them"
UNCHECKED = "labels that no development text has, so that nothing is chosen for them"
SKEWED = "times the rarest label fits into the most frequent, over 10"
LONG = "texts over 100,000 characters, of which only the beginning is read"
PLENTY = [Example(f"{label} text {i}", label) for label in "ab" for i in range(40)]


@pytest.mark.parametrize(
    ("examples", "dev", "told"),
    [
        ([*PLENTY, Example("alone", "c")], None, {FEW: 1, UNCHECKED: 1, SKEWED: 32}),
        (PLENTY, PLENTY[:5], {UNCHECKED: 1}),
        ([Example(f"{i} of two", f"label {i // 2}") for i in range(400)], None, {FEW: 200}),
        ([*PLENTY, Example("长" * 350_000, "a")], [], {LONG: 1}),
    ],
    ids=["one example of a label", "a label missing in development", "200 labels of two texts", "a text of 1 MB"],
)
def test_data_that_will_disappoint_are_told_of(
    examples: list[Example], dev: list[Example] | None, told: dict[str, int]
) -> None:
    findings = audit(make_splits(examples, dev, None, seed=0)).findings

    assert {f.text: f.count for f in findings if f.text in (FEW, UNCHECKED, SKEWED, LONG)} == told


def test_strict_stops_on_leakage(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("text,label\n好,1\n坏,0\n很好,1\n很坏,0\n", encoding="utf-8")
    test.write_text("text,label\n好！,1\n", encoding="utf-8")

    stopped = fenlei("train", train, "--test", test, "--strict", "-o", tmp_path / "model")

    assert stopped.status == 2
    assert "Leakage: 1 test texts that also stand in training" in stopped.errors
    assert not (tmp_path / "model").exists()


def test_labels_are_counted_by_themselves_where_a_text_has_several() -> None:
    rows = [Example(f"text {i}", "a|b" if i % 2 else "b", i) for i in range(40)]

    told = audit(make_splits(rows, None, None, 0, Kind.LABELS))

    assert told.labels == {"b": 32, "a": 16}
