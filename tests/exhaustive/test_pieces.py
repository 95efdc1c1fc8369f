"""Ids put together from those of pieces are the tokenizer's own, whatever the text."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_long_texts import FRAGMENTS, corpus, serving

from handler.model import pieces
from handler.model.bundle import Bundle
from handler.model.classifier import Classifier
from training.data.tokenizer import KINDS

PLAIN = "我喜欢很好不编程 good Book's a,.3ÉßŁЖщ한국ありがとうカー。，！（）“”…—・１Ａ"
TEXTS = st.text(PLAIN, max_size=40) | st.text(max_size=20)
TEXTS |= st.lists(st.sampled_from([*FRAGMENTS, "good", "很好", "，"]), max_size=12).map("".join)


@pytest.fixture(scope="module", params=KINDS)
def classifier(request: pytest.FixtureRequest, bundle: Bundle) -> Classifier:
    return serving(request.param, bundle)


@settings(max_examples=200)
@given(texts=st.lists(TEXTS, min_size=1, max_size=8))
@example(texts=["", " ", "好", "好 ", " 好", "好  好", "a" * 40, "a" * 41, "a" * 39 + "好", "ab" * 600, "很" * 1001])
@example(
    texts=["很好good", "很好 good", "goodgood", "good good", "。好", "Ⅷ好", "e\u0301好", "ᄒ ᅡ", "가\u11a8", "か\u3099"]
)
def test_they_are_the_tokenizer_s_own(classifier: Classifier, texts: list[str]) -> None:
    expected = [classifier.tokenizer.encode(text, add_special_tokens=False) for text in texts]

    many = classifier.encode(texts * pieces.ASKED_TOGETHER)

    assert many.ids[-len(texts) :] == [encoding.ids for encoding in expected]
    assert many.truncated[-len(texts) :] == [bool(encoding.overflowing) for encoding in expected]


def test_most_texts_are_put_together(bundle: Bundle) -> None:
    """Where the tokenizer takes Han characters one by one; else a Chinese sentence is one piece, and few come twice."""
    memory, texts = Classifier(bundle)._pieces, corpus()
    assert memory

    found = memory.ids(texts)

    assert sum(ids is None for ids in found) < 0.2 * len(texts)


def test_no_plain_character_changes_what_its_neighbours_become() -> None:
    """What normalising joins are marks and halves of syllables, and those are no plain characters."""
    plain = [chr(c) for c in range(0x10000) if pieces.re.fullmatch(f"[{pieces.HAN}{pieces.OTHER}]", chr(c))]
    folded = [unicodedata.normalize("NFKC", c) for c in plain]

    for text, one_by_one in ((plain, folded), (plain[::-1], folded[::-1])):
        assert unicodedata.normalize("NFKC", "".join(text)) == "".join(one_by_one)
    assert not any(unicodedata.combining(c) for text in folded for c in text)
    assert not any(text.isspace() or " " in text for text in folded)


def test_the_memory_is_bounded(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MOST_PIECES", 200)
    memory = pieces.Pieces(classifier.tokenizer, isolates_han=True)

    sizes = []
    for number in range(500):
        memory.ids([f"good {number} book {number + 1}"])
        sizes.append(len(memory._known) + len(memory._new))

    assert 100 < max(sizes) <= 200 + pieces.ASKED_TOGETHER
