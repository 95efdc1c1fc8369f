"""A long text is tokenized as far as the model reads, and no further: with the very tokens of the whole text."""

import json
from collections.abc import Callable

import pytest
from checkpoints import unigram
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from handler.model.bundle import Bundle
from handler.model.classifier import Classifier
from training.data.datasets import read_dataset
from training.data.read import squeeze
from training.data.tokenizer import KINDS, train_tokenizer

MAX_TOKENS = 16
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
# What could be torn apart: scripts, marks that join, what normalising folds, joins or drops.
FRAGMENTS = [
    "我喜欢编程", "不好", "很", "豈", "㍿", "。", "，", "ありがとう", "ｱﾞ", "한국어", "ᄒ", "good ", "book", "x" * 40,
    " ", "  ", "\n", "\r\n", "\t", "\u3000", "\xa0", "\x1c", "\0", "\u200d", "\ufeff", "e\u0301", "\u0301", "¨", "ﬁ",
    "İ", "Σ", "ǅ", "🏽", "👩\u200d💻", "[UNK]", "[PAD]", "<s>", "▁", "##", "'s", "3.14", "_", "ไทย", "עברית", "مرحبا",
]  # fmt: skip
LONG = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=8), min_size=10, max_size=150).map("".join)


def corpus() -> list[str]:
    english = ["a good book, well worth reading", "a bad book; not worth the paper", "good! good, good. it's 3.14"]
    return [squeeze(example.text) for example in read_dataset("reviews-zh")[::100]] + english * 5


def word_piece(texts: list[str]) -> Tokenizer:
    """BERT's kind."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=800, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def byte_pairs(texts: list[str]) -> Tokenizer:
    """RoBERTa's kind."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=800, show_progress=False))
    return tokenizer


def pieces(texts: list[str]) -> Tokenizer:
    """XLM-RoBERTa's kind: pieces that may hold several Han characters."""
    vocabulary = sorted({text[i : i + n] for text in texts for n in (1, 2, 3) for i in range(len(text) - n)})
    return Tokenizer.from_str(json.dumps(unigram([*SPECIAL, *(f"▁{piece}" for piece in vocabulary), *vocabulary])))


OWN: dict[str, Callable[[list[str]], Tokenizer]] = {
    kind: lambda texts, kind=kind: train_tokenizer(texts, kind, 2000, MAX_TOKENS)  # type: ignore[misc]
    for kind in KINDS
}
TOKENIZERS = OWN | {"WordPiece": word_piece, "byte pairs": byte_pairs, "pieces": pieces}


def serving(kind: str, bundle: Bundle) -> Classifier:
    """The serving code around a tokenizer of a kind."""
    tokenizer = TOKENIZERS[kind](corpus())
    tokenizer.enable_truncation(MAX_TOKENS)
    manifest = replace(bundle.manifest, max_tokens=MAX_TOKENS)
    return Classifier(replace(bundle, manifest=manifest, tokenizer=tokenizer.to_str()))


@pytest.fixture(scope="module", params=TOKENIZERS)
def classifier(request: pytest.FixtureRequest, bundle: Bundle) -> Classifier:
    return serving(request.param, bundle)


@settings(max_examples=150)
@given(texts=st.lists(LONG, min_size=1, max_size=3))
def test_what_is_read_of_a_long_text_is_what_the_tokenizer_gives_for_all_of_it(
    classifier: Classifier, texts: list[str]
) -> None:
    expected = [classifier.tokenizer.encode(text, add_special_tokens=False) for text in texts]

    found = list(classifier._encodings(texts, classifier.tokenizer.encode_batch))

    assert [encoding.ids for encoding in found] == [encoding.ids for encoding in expected]
    assert [encoding.offsets for encoding in found] == [encoding.offsets for encoding in expected]
    assert classifier.encode(texts).truncated == [bool(encoding.overflowing) for encoding in expected]


def test_of_a_text_of_many_words_little_is_tokenized(classifier: Classifier) -> None:
    text = "good book 很好 。" * 1000
    tokenized = 0

    def counted(texts: list[str], **options: bool) -> list[object]:
        nonlocal tokenized
        tokenized += sum(map(len, texts))
        return list(classifier.tokenizer.encode_batch(texts, **options))

    (encoding,) = classifier._encodings([text], counted)  # type: ignore[arg-type]

    assert encoding.overflowing
    assert tokenized < len(text) / 20


def test_the_default_model_cuts_between_han_characters(bundle: Bundle) -> None:
    """Chinese has no spaces; where the tokenizer takes characters one by one, a run of them is no word."""
    classifier = Classifier(bundle)
    text = "质量很好" * 5000

    assert len(classifier._cut(text, 1000)) == 1000
    assert classifier.encode([text]).truncated == [True]
