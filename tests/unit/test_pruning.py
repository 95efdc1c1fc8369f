"""A smaller vocabulary reads the texts that it was made for as the whole one does, whichever way it splits words."""

import string
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from training.encoders.checkpoint import Checkpoint
from training.encoders.configuration import Shape
from training.encoders.pruning import compare, least, prune, unseen

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
CORPUS = [
    "the cat sat on the mat, and the other cats sat there too",
    "another matter: thermal batteries are smattering the catalogue",
    "质量很好 物流很快 质量很差 物流很慢",
    "кошка сидела на коврике, а другие кошки сидели там",
] * 5
WIDTH = 64


@cache
def tokenizer_of(kind: str) -> Tokenizer:
    """Trained on the corpus; its special tokens are no part of any text."""
    model: models.Model = {
        "unigram": models.Unigram(),
        "wordpiece": models.WordPiece(unk_token="[UNK]"),
        "bpe": models.BPE(unk_token="[UNK]"),
        "bytes": models.BPE(),
    }[kind]
    options = {"vocab_size": 400, "special_tokens": SPECIAL, "show_progress": False}
    trainer: trainers.Trainer = {
        "unigram": lambda: trainers.UnigramTrainer(unk_token="[UNK]", **options),
        "wordpiece": lambda: trainers.WordPieceTrainer(**options),
        "bpe": lambda: trainers.BpeTrainer(**options),
        "bytes": lambda: trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **options),
    }[kind]()
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = {
        "unigram": pre_tokenizers.Metaspace(),
        "wordpiece": pre_tokenizers.BertPreTokenizer(),
        "bpe": pre_tokenizers.Whitespace(),
        "bytes": pre_tokenizers.ByteLevel(add_prefix_space=False),
    }[kind]
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def whole(kind: str) -> Checkpoint:
    tokenizer = tokenizer_of(kind)
    size = tokenizer.get_vocab_size()
    shape = Shape("bert", WIDTH, 96, 4, 2, size, 128, 0, "gelu", 1e-12, 0.1, 0, WIDTH, 1, tasks=False)
    return Checkpoint(Path(), shape, tokenizer, list(range(size)), (2,), 3, size * WIDTH)


words = st.sampled_from(" ".join(CORPUS).split()) | st.text(string.ascii_lowercase + "质量很好кошка\u2603", max_size=6)
texts = st.lists(words, max_size=8).map(" ".join)
kinds = pytest.mark.parametrize("kind", ["unigram", "wordpiece", "bpe", "bytes"])


@kinds
@settings(max_examples=50, deadline=None)
@given(seen=st.lists(texts, min_size=1, max_size=3), most=st.integers(1, 400))
def test_the_texts_themselves_are_read_as_before(kind: str, seen: list[str], most: int) -> None:
    checkpoint = whole(kind)

    pruned = prune(checkpoint, seen, most)

    for text in seen:
        before, after = (c.tokenizer.encode(text, add_special_tokens=False) for c in (checkpoint, pruned))
        assert after.tokens == before.tokens
        assert [pruned.order[i] for i in after.ids] == before.ids


@kinds
@settings(max_examples=50, deadline=None)
@given(fresh=texts)
def test_nothing_becomes_unknown_in_the_scripts_of_the_texts(kind: str, fresh: str) -> None:
    checkpoint = whole(kind)
    pruned = prune(checkpoint, ["cat 质 кошка"], 1)

    before, after = (c.tokenizer.encode(fresh, add_special_tokens=False).ids for c in (checkpoint, pruned))

    assert after.count(1) <= before.count(1)


@kinds
def test_rows_and_special_tokens_go_with_their_pieces(kind: str) -> None:
    checkpoint = whole(kind)

    pruned = prune(checkpoint, ["the cat"], 60)

    kept = [checkpoint.tokenizer.id_to_token(i) for i in pruned.order]
    assert [pruned.tokenizer.id_to_token(i) for i in range(len(kept))] == kept
    assert kept[:2] == SPECIAL[:2]
    assert [kept[i] for i in (*pruned.before, pruned.end)] == SPECIAL[2:]
    assert pruned.parameters == len(kept) * WIDTH < checkpoint.parameters


def test_other_scripts_go_first_and_of_the_own_one_what_is_rare() -> None:
    checkpoint = whole("unigram")
    everything = set(checkpoint.tokenizer.get_vocab())

    roomy, narrow = (prune(checkpoint, ["the cat"], most) for most in (60, 33))

    kept = {checkpoint.tokenizer.id_to_token(i) for i in roomy.order}
    assert len(kept & set("质量кошка")) <= 1  # the least likely piece may be one of these
    assert everything & set(string.ascii_lowercase) <= kept
    assert len(narrow.order) == 33
    assert set(narrow.order) < set(roomy.order)


def test_of_few_texts_all_of_their_main_script_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a vocabulary that is larger than what is usual
    monkeypatch.setattr("training.encoders.pruning.USUAL_PIECES", 33)
    checkpoint = whole("unigram")
    latin = {i for i in checkpoint.order if (t := checkpoint.tokenizer.id_to_token(i).strip("\u2581")) and t.isascii()}

    of_few, of_many = (prune(checkpoint, texts) for texts in (["the cat"], ["the cat sat on the mat"] * 50))

    assert latin - {2, 3} <= set(of_few.order)
    assert len(of_many.order) == 33


@pytest.mark.parametrize(("text", "kept"), [("质量 a", "NBA"), ("good a 质", "▁the")])
def test_names_come_first_among_words_within_writing_without_spaces(text: str, kept: str) -> None:
    # GIVEN a vocabulary with what is most frequent first, and room for one piece that no text has
    pieces = [*SPECIAL, "▁", *"质量good▁a", "▁the", "ing", "▁NBA", "NBA", "CEO"]
    tokenizer = Tokenizer(models.Unigram([(piece, -float(i)) for i, piece in enumerate(dict.fromkeys(pieces))], 1))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    size = tokenizer.get_vocab_size()
    checkpoint = whole("unigram")._replace(tokenizer=tokenizer, order=list(range(size)))

    fewest, one_more = (prune(checkpoint, [text], most) for most in (1, len(prune(checkpoint, [text], 1).order) + 1))

    fresh = set(one_more.order) - set(fewest.order)
    assert [tokenizer.id_to_token(i) for i in fresh] == [kept]


@pytest.mark.parametrize(("used", "share"), [({}, 0), ({5: 1, 6: 3}, 0.25), ({5: 2, 6: 3}, 0)])
def test_what_texts_have_once_tells_how_much_they_leave_out(used: dict[int, int], share: float) -> None:
    assert unseen(used) == share


def test_how_many_weights_are_left_at_least_is_known_before_the_texts_are() -> None:
    checkpoint = whole("unigram")

    assert least(checkpoint, None).parameters == checkpoint.parameters
    assert least(checkpoint, 33).parameters == 33 * WIDTH <= prune(checkpoint, ["the cat"], 33).parameters


def test_a_vocabulary_that_is_small_enough_stays_and_what_changes_is_said() -> None:
    checkpoint = whole("wordpiece")

    assert prune(checkpoint, ["the cat"], 400) is checkpoint
    pruned = prune(checkpoint, ["the cat"], 1)
    told = compare(checkpoint, pruned, ["the cat", "batteries", "\u2603"])
    assert told["pieces"] < told["pieces_of_the_checkpoint"]
    assert (told["held_out_texts_read_otherwise"], told["unknown_tokens"] > 0) == (round(1 / 3, 6), True)
