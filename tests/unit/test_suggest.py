"""What to label next: uncertain texts, unlike each other and what is labelled, in the formats of labelling tools."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import write_bundle

from handler.model.bundle import Bundle
from handler.model.classifier import Classifier
from training.commands.suggest import suggest as command
from training.data.files import read
from training.data.formats.rows import Columns
from training.errors import InputError
from training.judging.suggest import LOOKED_AT, Vectors, spread, suggest


def on_a_circle(*degrees: float) -> Vectors:
    angles = np.radians(np.array(degrees, np.float32))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def far_from_all(points: Vectors) -> Vectors:
    return np.full(len(points), np.inf, np.float32)


@given(st.lists(st.floats(0, 359), min_size=1, max_size=30), st.data())
def test_each_is_taken_once_and_who_asks_for_more_gets_the_same_ones_first(
    degrees: list[float], data: st.DataObject
) -> None:
    points, count = on_a_circle(*degrees), data.draw(st.integers(1, len(degrees)))

    taken = spread(points, far_from_all(points), count)

    assert len(set(taken)) == count
    assert set(taken) <= set(range(len(points)))
    assert spread(points, far_from_all(points), len(points))[:count] == taken


@given(st.permutations([0, 0, 0, 0, 120, 120, 240]))
def test_a_copy_is_taken_only_when_nothing_else_is_left(degrees: list[float]) -> None:
    points = on_a_circle(*degrees)

    taken = spread(points, far_from_all(points), 4)

    assert taken[0] == 0
    assert {degrees[place] for place in taken[:3]} == {0, 120, 240}


def test_what_is_like_a_labelled_text_is_not_taken() -> None:
    points = on_a_circle(0, 180)

    assert spread(points, np.array([0, 4], np.float32), 1) == [1]


def test_they_are_the_least_sure_and_the_same_each_time(classifier: Classifier, reviews: list[str]) -> None:
    texts = list(dict.fromkeys(reviews))
    found = suggest(classifier, texts, [], 8)

    confidences = [prediction.confidence for prediction in classifier.classify(texts, 1)]
    least_sure = sorted(confidences)[: LOOKED_AT * 8]
    assert found == suggest(classifier, texts, [], 8)
    assert [texts[one.place] for one in found] == [one.text for one in found]
    assert all(one.confidence == confidences[one.place] <= least_sure[-1] for one in found)
    assert len({one.place for one in found}) == 8


def test_they_keep_away_from_labelled_ones(classifier: Classifier, reviews: list[str]) -> None:
    texts = list(dict.fromkeys(reviews))
    alone = suggest(classifier, texts, [], 8)
    # Alike to the token, and yet another text.
    beside = suggest(classifier, texts, [f" {one.text}" for one in alone], 8)

    assert {one.text for one in alone}.isdisjoint(one.text for one in beside)


@pytest.fixture
def unlabelled(tmp_path: Path, reviews: list[str]) -> Path:
    """Twenty texts, two blank ones, and a copy in other punctuation."""
    texts = [*list(dict.fromkeys(reviews))[:20], "", " ", f"{reviews[0]}!"]
    path = tmp_path / "unlabelled.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json"])
def test_what_is_written_is_read_again_as_texts_to_label(
    bundle_path: Path, unlabelled: Path, tmp_path: Path, suffix: str
) -> None:
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    command(bundle_path, unlabelled, first, 12)
    command(bundle_path, unlabelled, second, 8, labelled=[first])

    written = [{example.text for example in read(path, Columns(label=""))} for path in (first, second)]
    assert list(map(len, written)) == [12, 8]
    assert written[0] | written[1] == {example.text for example in read(unlabelled, Columns(label=""))[:20]}


def test_a_table_has_a_column_for_the_label_and_excel_knows_its_encoding(
    bundle_path: Path, unlabelled: Path, tmp_path: Path
) -> None:
    command(bundle_path, unlabelled, tmp_path / "next.csv", 3)

    content = (tmp_path / "next.csv").read_bytes()
    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    assert content.startswith(b"\xef\xbb\xbf")
    assert [row["label"] for row in rows] == ["", "", ""]
    assert {row["guess"] for row in rows} <= {"positive", "negative"}
    assert all(0.5 <= float(row["confidence"]) <= 1 for row in rows)


def test_label_studio_gets_predictions_of_the_question(bundle_path: Path, unlabelled: Path, tmp_path: Path) -> None:
    command(bundle_path, unlabelled, tmp_path / "next.json", 2)

    for task in json.loads((tmp_path / "next.json").read_text(encoding="utf-8")):
        (prediction,) = task["predictions"]
        (choice,) = prediction["result"]
        assert task["data"].keys() == {"text"}
        assert prediction["model_version"].startswith("reviews-zh ")
        assert 0.5 <= prediction["score"] <= 1
        assert (choice["from_name"], choice["to_name"], choice["type"]) == ("label", "text", "choices")
        assert choice["value"]["choices"][0] in ("positive", "negative")


@pytest.mark.parametrize(
    ("output", "count", "sentence"),
    [
        ("next.csv", 21, "holds 20 texts, without copies and those that are labelled, fewer than -n 21"),
        ("next.xlsx", 5, "is none of .csv, .jsonl, .json"),
        ("unlabelled.jsonl", 5, "exists already; choose another --output, or give --force"),
        ("nowhere/next.csv", 5, "cannot be written: No such file or directory; choose another --output"),
    ],
)
def test_bad_calls_are_one_sentence(
    bundle_path: Path, unlabelled: Path, tmp_path: Path, output: str, count: int, sentence: str
) -> None:
    before = unlabelled.read_bytes()

    with pytest.raises(InputError, match=sentence):
        command(bundle_path, unlabelled, tmp_path / output, count)

    assert unlabelled.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"task": "regress", "activation": "identity", "labels": []}, "gives no labels (its task is regress)"),
        ({"task": "cluster", "activation": "distance"}, "gives no labels (its task is cluster)"),
        ({"embedding_width": 0}, "has no embeddings"),
    ],
)
def test_a_bundle_that_cannot_say_it_is_one_sentence(
    bundle: Bundle, unlabelled: Path, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    other = write_bundle(tmp_path / "other", bundle, **changes)

    with pytest.raises(InputError) as raised:
        command(other, unlabelled, tmp_path / "next.csv", 5)

    assert sentence in str(raised.value)
