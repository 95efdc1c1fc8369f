"""The tokenizer: what training saw is what serving sees, for any text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, pre_tokenizers

from handler.model.bundle import Bundle
from handler.model.classifier import Classifier
from handler.model.pieces import isolates_han
from training.data.read import Example, squeeze
from training.data.tokenizer import (
    ALONE,
    KINDS,
    LETTERS,
    MERGES,
    PADDING,
    PADDING_ID,
    UNKNOWN,
    UNKNOWN_ID,
    train_tokenizer,
)
from training.errors import InputError
from training.families import families

MAX_TOKENS = 16
VOCABULARY = 2000
ENGLISH = ["a good book, well worth reading", "a bad book; not worth the paper", "good! good, good."]

# Any Unicode text at all, and texts that look like those in the training part.
any_text = st.text(max_size=80) | st.text("我你他好差不很喜欢编程，。！ goodbad\u3000\n", max_size=80)


@pytest.fixture(scope="module")
def corpus(default_examples: list[Example]) -> list[str]:
    return [squeeze(example.text) for example in default_examples[::100]] + ENGLISH


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest, corpus: list[str]) -> Tokenizer:
    return train_tokenizer(corpus, request.param, VOCABULARY, MAX_TOKENS)


@pytest.fixture(scope="module")
def served(trained: Tokenizer, bundle: Bundle) -> Classifier:
    """The trained tokenizer after its way through the bundle: the serving code around what was saved."""
    classifier = Classifier(bundle)
    classifier.tokenizer = Tokenizer.from_str(trained.to_str())
    return classifier


@pytest.fixture(scope="module")
def uncut(trained: Tokenizer) -> Tokenizer:
    tokenizer = Tokenizer.from_str(trained.to_str())
    tokenizer.no_truncation()
    return tokenizer


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids that training learns from: the trained tokenizer itself, before it was saved."""
    return tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids


@pytest.mark.parametrize("text", ["我不喜欢", "プログラム", "안녕하세요", "สวัสดี"])
def test_writing_without_spaces_is_read_character_by_character(text: str) -> None:
    tokenizer = train_tokenizer([text] * 20, "mixed", VOCABULARY, MAX_TOKENS)

    assert tokenizer.encode(text).tokens == ["\u2581", *text]


def test_letters_are_read_one_by_one_and_the_beginnings_of_words_are_marked() -> None:
    tokenizer = train_tokenizer(["Новый файл"] * 20, "letters", VOCABULARY, MAX_TOKENS)

    assert tokenizer.encode("Новый файл").tokens == ["\u2581", *"новый", "\u2581", *"файл"]


def test_words_are_read_in_pieces() -> None:
    tokenizer = train_tokenizer(["programs"] * 20, "mixed", VOCABULARY, MAX_TOKENS)

    assert tokenizer.encode("programs").tokens == ["\u2581programs"]


def test_a_character_that_stands_once_is_known() -> None:
    tokenizer = train_tokenizer(["东西好", "东西坏"], "mixed", VOCABULARY, MAX_TOKENS)

    assert UNKNOWN not in tokenizer.encode("坏好东西").tokens
    assert UNKNOWN in tokenizer.encode("新").tokens


@given(text=any_text)
def test_serving_reads_any_text_as_training_did(trained: Tokenizer, served: Classifier, text: str) -> None:
    assert served.encode([text]).ids == [ids_of(trained, text)]


@given(texts=st.lists(any_text, max_size=8))
def test_a_text_gives_the_same_ids_alone_and_among_others(served: Classifier, texts: list[str]) -> None:
    assert served.encode(texts).ids == [served.encode([text]).ids[0] for text in texts]


@given(text=any_text)
def test_ids_are_those_of_the_vocabulary_and_never_padding(trained: Tokenizer, text: str) -> None:
    size = trained.get_vocab_size()

    assert all(PADDING_ID < i < size for i in ids_of(trained, text))


@given(text=any_text)
def test_a_text_is_truncated_if_and_only_if_it_has_too_many_tokens(
    uncut: Tokenizer, served: Classifier, text: str
) -> None:
    everything = ids_of(uncut, text)

    encoded = served.encode([text])

    assert encoded.ids == [everything[:MAX_TOKENS]]
    assert encoded.truncated == [len(everything) > MAX_TOKENS]


@given(text=any_text)
def test_how_much_white_space_stands_between_words_makes_no_difference(trained: Tokenizer, text: str) -> None:
    assert ids_of(trained, text) == ids_of(trained, squeeze(text))


@given(text=st.text("ABCxyz好 ", max_size=30))
def test_capitals_and_full_width_letters_make_no_difference(trained: Tokenizer, text: str) -> None:
    full_width = "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalpha() else c for c in text)

    assert ids_of(trained, text) == ids_of(trained, text.lower()) == ids_of(trained, full_width)


def test_padding_and_unknown_have_the_first_two_places(trained: Tokenizer) -> None:
    assert (trained.token_to_id(PADDING), trained.token_to_id(UNKNOWN)) == (PADDING_ID, UNKNOWN_ID) == (0, 1)


def test_the_vocabulary_stays_within_what_was_asked_for(trained: Tokenizer) -> None:
    # BPE keeps every character of its texts, whatever was asked for.
    alphabet = 2 + len({c for token in trained.get_vocab() for c in token})

    assert trained.get_vocab_size() <= max(VOCABULARY, alphabet)


def test_a_character_that_training_never_saw_is_unknown(trained: Tokenizer) -> None:
    assert UNKNOWN_ID in ids_of(trained, "\u2603")


def test_a_text_that_names_the_padding_token_does_not_become_padding(trained: Tokenizer) -> None:
    assert PADDING_ID not in ids_of(trained, f"{PADDING} 好 {PADDING}")


@pytest.mark.parametrize("family", sorted(set(families()) - {"encoder"}))
def test_training_a_family_s_tokenizer_twice_gives_the_same_file(corpus: list[str], family: str) -> None:
    chosen = families()[family]

    first, second = (train_tokenizer(corpus, chosen.tokenizer, VOCABULARY, MAX_TOKENS).to_str() for _ in range(2))

    assert first == second


def test_characters_are_the_units_of_chinese() -> None:
    tokenizer = train_tokenizer(["我喜欢编程", "我不喜欢编程"], "char", 100, MAX_TOKENS)

    assert tokenizer.encode("我不喜欢 编程", add_special_tokens=False).tokens == list("我不喜欢编程")


def test_another_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"no tokenizer kind 'word'; there is: char, bpe, unigram"):
        train_tokenizer(["a"], "word", 100, MAX_TOKENS)


@pytest.fixture(scope="module", params=MERGES)
def splitting(request: pytest.FixtureRequest, corpus: list[str]) -> tuple[Tokenizer, Tokenizer]:
    """As it is, and as it was while it was trained."""
    tokenizer = train_tokenizer([*corpus, "カー한국"], request.param, VOCABULARY, MAX_TOKENS)
    before = Tokenizer.from_str(tokenizer.to_str())
    apart = pre_tokenizers.Split(Regex(ALONE), "isolated")
    before.pre_tokenizer = pre_tokenizers.Sequence([tokenizer.pre_tokenizer, apart])
    return tokenizer, before


@given(text=any_text | st.text("我ไทย한국カー好，gooda\u0301\u3099", max_size=40))
def test_what_is_read_alone_is_split_off_in_training_only(splitting: tuple[Tokenizer, Tokenizer], text: str) -> None:
    """Nothing that was apart is merged without, and splitting took as long as all else."""
    found, expected = (tokenizer.encode(text, add_special_tokens=False) for tokenizer in splitting)

    assert (found.ids, found.offsets) == (expected.ids, expected.offsets)


@pytest.mark.parametrize(("kind", "alone"), [("mixed", True), (LETTERS, True), ("bpe", False), ("char", False)])
def test_whether_han_characters_are_read_one_by_one_is_seen(corpus: list[str], kind: str, alone: bool) -> None:
    tokenizer = train_tokenizer(corpus, kind, VOCABULARY, MAX_TOKENS)

    assert isolates_han(tokenizer.to_str()) is alone
    assert isolates_han(json.dumps({"pre_tokenizer": {"Regex": ALONE}}))  # as bundles had it before
