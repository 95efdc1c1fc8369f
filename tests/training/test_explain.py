"""Explanations: what each token did to the answer, at its place in the text as it was sent."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from command import fenlei
from hypothesis import given
from hypothesis import strategies as st
from support import Call

from handler.https.schema import MAX_EXPLAINED
from handler.model.bundle import load
from handler.model.classifier import Classifier
from handler.model.prediction import Contribution, Prediction


@pytest.fixture(scope="module")
def characters(some_reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A model whose tokens are single characters, so that one can tell by hand what they are."""
    path = tmp_path_factory.mktemp("characters") / "model"
    options = ("--columns", "label,text", "--family", "linear", "--tokenizer", "char", "--no-refit")
    ran = fenlei("train", some_reviews, *options, "-o", path)
    assert ran.status == 0, ran.errors
    return Classifier(load(path))


def explained(classifier: Classifier, text: str) -> tuple[Prediction, list[Contribution]]:
    (prediction,) = classifier.explain([text])
    assert isinstance(prediction.explanation, list)
    return prediction, prediction.explanation


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("很好", ["很", "好"]),
        ("ＡＢ１好", ["Ａ", "Ｂ", "１", "好"]),  # full width: the normaliser makes them narrow
        ("好😀👍🏽吧", ["好", "😀", "👍", "🏽", "吧"]),  # beyond the 16-bit plane: one code point each
        ("  很  好 ", ["很", "好"]),
        ("ﬁ㍿", ["ﬁ", "㍿"]),  # one character, several tokens: they count together
        ("I don't", ["I", "d", "o", "n", "'", "t"]),
    ],
)
def test_offsets_count_code_points_of_the_text_as_it_was_sent(
    characters: Classifier, text: str, spans: list[str]
) -> None:
    _, contributions = explained(characters, text)

    assert [text[c.start : c.end] for c in contributions] == spans


def test_an_effect_is_what_the_answer_loses_without_the_token(characters: Classifier) -> None:
    text = "我不喜欢编程"
    prediction, contributions = explained(characters, text)

    for contribution in contributions:
        rest = text[: contribution.start] + text[contribution.end :]
        (without,) = characters.classify([rest])
        left = next(score.score for score in without.scores if score.label == prediction.label)
        assert contribution.effect == pytest.approx(prediction.confidence - left, abs=2e-6)


def test_one_word_turns_the_meaning_round(classifier: Classifier) -> None:
    text = "我不喜欢编程"
    prediction, contributions = explained(classifier, text)

    assert prediction.label == "negative"
    most = max(contributions, key=lambda contribution: contribution.effect)
    assert text[most.start : most.end] == "不"


def test_an_explained_answer_is_the_same_answer(classifier: Classifier, reviews: list[str]) -> None:
    texts = reviews[:MAX_EXPLAINED]

    for plain, explained_ in zip(classifier.classify(texts, 1), classifier.explain(texts, 1), strict=True):
        assert (plain.label, plain.tokens, plain.truncated) == (
            explained_.label,
            explained_.tokens,
            explained_.truncated,
        )
        assert plain.confidence == pytest.approx(explained_.confidence, abs=1e-5)
        assert 0 < len(explained_.explanation) <= explained_.tokens


@given(text=st.text(min_size=1, max_size=60))
def test_any_text_is_explained_by_spans_within_it_that_do_not_overlap(classifier: Classifier, text: str) -> None:
    prediction, contributions = explained(classifier, text)

    assert len(contributions) <= prediction.tokens
    assert all(0 <= c.start <= c.end <= len(text) and -1 <= c.effect <= 1 for c in contributions)
    assert all(before.end <= after.start for before, after in pairwise(contributions))


def test_a_token_that_was_not_read_is_not_explained(characters: Classifier) -> None:
    prediction, contributions = explained(characters, "好" * 400)

    assert prediction.truncated
    assert contributions[-1].end == characters.manifest.max_tokens


def test_the_api_explains_when_asked_and_only_then(post: Call) -> None:
    assert "explanation" not in post({"text": "很好"}).body["predictions"][0]
    (prediction,) = post({"text": "很好", "explain": True}).body["predictions"]
    assert [set(entry) for entry in prediction["explanation"]] == [{"start", "end", "effect"}] * 2


def test_at_most_eight_texts_are_explained_and_that_is_said_before_any_work(
    post: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Classifier, "encode")
    monkeypatch.delattr(Classifier, "explain")

    answer = post({"texts": ["a"] * (MAX_EXPLAINED + 1), "explain": True})

    assert answer.status == 422
    assert answer.body["errors"] == [
        {"pointer": "/texts", "detail": "expected 'array' of length <= 8 with 'explain'"}
    ], json.dumps(answer.body)
