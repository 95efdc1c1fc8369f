"""A student that learns from a teacher's answers."""

from pathlib import Path

import numpy as np
import pytest
from checkpoints import write_checkpoint
from command import fenlei
from hypothesis import given
from hypothesis import strategies as st
from support import FOUR_LINES, write_bundle

import training.distil
from handler.model.bundle import Bundle
from handler.model.classifier import Classifier
from training.data.read import Example
from training.data.split import Splits
from training.distil import PIECES, cut, distil, open_teacher
from training.errors import InputError
from training.learning.soft_labels import Distil

LABELS = ["negative", "positive"]


# --- pieces ---------------------------------------------------------------------------------------


@given(text=st.lists(st.text("ab好坏", min_size=1, max_size=5), min_size=1, max_size=20).map(" ".join))
def test_a_piece_is_a_stretch_of_its_text(text: str) -> None:
    (pieces,) = cut([text], seed=0)

    assert len(pieces) in (0, PIECES)
    assert all(piece in text and piece != text for piece in pieces)


def test_words_stay_whole_and_chinese_is_cut_between_characters() -> None:
    english, chinese, short = cut(["a stirring and funny film", "东西质量很好物流也快", "好"], seed=0)

    assert all(set(piece.split()) <= {"a", "stirring", "and", "funny", "film"} for piece in english)
    assert len(set(chinese)) > 1
    assert short == []


# --- targets --------------------------------------------------------------------------------------


def test_answers_are_targets_and_texts_without_one_keep_their_label() -> None:
    task = Distil(LABELS, {"so so": np.array([0.4, 0.6], np.float32)})

    targets = task.targets([Example("so so", "negative"), Example("good", "positive"), Example("bad", "negative")])

    assert targets[1:].tolist() == [1, 0]
    assert task.feed(targets)[:, 0] == pytest.approx([0.6, 1, 0])
    assert task.signs(targets)[:, 0] == pytest.approx([np.log(1.5) / 2, 2, -2], abs=1e-3)
    assert task.importance(targets).tolist() == [1, 1, 1]


def test_three_labels_keep_all_their_probabilities() -> None:
    task = Distil(["a", "b", "c"], {"x": np.array([0.2, 0.3, 0.5], np.float32)})

    fed = task.feed(task.targets([Example("x", "a"), Example("y", "b")]))

    assert fed.tolist() == [pytest.approx([0.2, 0.3, 0.5]), [0, 1, 0]]


# --- the teacher ----------------------------------------------------------------------------------


def test_the_teacher_answers_all_texts_but_those_held_out(classifier: Classifier) -> None:
    train = [Example("东西质量很好，物流也快", "positive"), Example("太差了，第二天就坏了", "negative")]
    dev, test = [Example("客服也不理人，差评", "negative")], [Example("非常满意", "positive")]
    unlabelled = [Example("包装很结实", ""), Example("非常满意", ""), Example(" ", "")]

    splits, answers = distil(classifier, Splits(train, dev, test, LABELS), unlabelled, seed=0)

    assert {"东西质量很好，物流也快", "太差了，第二天就坏了", "包装很结实"} <= set(answers)
    assert not {"非常满意", "客服也不理人，差评", ""} & set(answers)
    assert (splits.dev, splits.test, splits.train[:2]) == (dev, test, train)
    assert {example.text for example in splits.train} == set(answers)
    for text in ("包装很结实", "东西质量很好，物流也快"):
        (prediction,) = classifier.classify([text])
        assert answers[text].max() == pytest.approx(prediction.confidence, abs=1e-5)


def test_a_text_that_is_held_out_too_keeps_its_label(classifier: Classifier) -> None:
    both = [Example("非常满意", "positive")]

    splits, answers = distil(classifier, Splits([*both, Example("差评", "negative")], [], both, LABELS), [], seed=0)

    assert set(answers) == {"差评"}
    assert Distil(LABELS, answers).targets(splits.train).tolist() == [1, 2]


def test_it_says_how_many_texts_the_teacher_has_answered(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [Example(text, "positive") for text in ("非常满意，下次还来", "包装很结实", "物流也快")]
    told: list[str] = []
    monkeypatch.setattr(training.distil, "AT_ONCE", 10)

    _, answers = distil(classifier, Splits(texts, [], [], LABELS), [], seed=0, step=told.append)
    _, none = distil(classifier, Splits(texts, texts, [], LABELS), [], seed=0)

    assert told == [f"asking the teacher: {start} of {len(answers)} texts" for start in range(0, len(answers), 10)]
    assert len(told) > 1
    assert none == {}
    for text, answer in answers.items():
        (prediction,) = classifier.classify([text])
        assert answer.max() == pytest.approx(prediction.confidence, abs=1e-5)


def test_what_a_teacher_said_is_kept_and_not_asked_again(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = Splits([Example("非常满意，下次还来", "positive"), Example("差评", "negative")], [], [], LABELS)
    _, first = distil(classifier, texts, [], seed=0, kept=tmp_path / "kept")

    with monkeypatch.context() as patch:
        patch.delattr(classifier.__class__, "predict")
        _, again = distil(classifier, texts, [], seed=0, kept=tmp_path / "kept")
        with pytest.raises(AttributeError):
            distil(classifier, texts, [Example("一般", "")], seed=0, kept=tmp_path / "kept")

    assert first.keys() == again.keys()
    assert all((first[text] == again[text]).all() for text in first)


def test_a_teacher_of_other_labels_is_refused(bundle_path: Path) -> None:
    with pytest.raises(InputError, match="the training texts carry sport, world; a teacher must know the same"):
        open_teacher(bundle_path, ["sport", "world"])


def test_a_teacher_of_another_task_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    numbers = write_bundle(tmp_path / "numbers", bundle, activation="identity")

    with pytest.raises(InputError, match="so it cannot teach"):
        open_teacher(numbers, LABELS)


def test_the_command_teaches_a_student_and_says_what_it_keeps(
    some_reviews: Path, bundle_path: Path, tmp_path: Path
) -> None:
    options = ("--columns", "label,text", "--family", "logistic", "--no-refit", "--teacher", bundle_path, "--json")
    ran = fenlei("train", some_reviews, *options, "-o", tmp_path / "student")

    assert ran.status == 0, ran.errors
    settings = ran.json()["settings"]
    assert settings["texts_answered_by_the_teacher"] > 400
    assert 0.5 < settings["share_of_the_teacher_s_accuracy_kept"] < 1.2
    assert "share of the teacher s accuracy kept" in (tmp_path / "student/report.html").read_text(encoding="utf-8")


def test_a_teacher_of_several_labels_is_refused_by_the_command(
    four_lines: Path, bundle_path: Path, tmp_path: Path
) -> None:
    ran = fenlei("train", four_lines, "--multi-label", "--teacher", bundle_path, "-o", tmp_path / "student")

    assert ran.status == 2
    assert "--teacher is for one label a text" in ran.errors


def test_an_encoder_with_a_teacher_is_trained_once(bundle_path: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text(FOUR_LINES.replace(",0", ",positive").replace(",1", ",negative"), encoding="utf-8")
    options = ("--checkpoint", write_checkpoint(tmp_path / "tiny", longest=8), "--epochs", 1, "--quantize", "none")

    alone = fenlei("train", few, *options, "-o", tmp_path / "alone")
    taught = fenlei("train", few, *options, "--teacher", bundle_path, "-o", tmp_path / "taught")

    assert (alone.errors.count("epoch "), taught.errors.count("epoch ")) == (2, 1), alone.errors + taught.errors
