"""How much of a text is read: what most texts need, and more where many are long."""

import pytest

from training.families import get_family
from training.learning.folds import FEW_TEXTS
from training.learning.job import Family
from training.learning.reading import fit_tokenizer, suited

FAMILY = get_family("linear")._replace(tokenizer="char")


def texts_of(*lengths: int) -> list[str]:
    """Texts of so many characters, each of which is a token."""
    return ["好坏" * (length // 2) for length in lengths]


@pytest.mark.parametrize(
    ("long_texts", "characters", "read", "cut"),
    [
        (0, 0, 32, 0.0),  # all are short
        (2, 900, 256, 0.02),  # few are long, and cut
        (10, 900, 928, 0.0),  # many are long, and read
        (10, 2000, 1024, 0.1),  # but not without end
    ],
)
def test_many_long_texts_are_read_to_their_end(long_texts: int, characters: int, read: int, cut: float) -> None:
    texts = texts_of(*[characters] * long_texts, *[20] * (100 - long_texts))

    tokenizer, max_tokens, share, ids = fit_tokenizer(FAMILY, texts)

    assert (max_tokens, share) == (read, cut)
    assert len(tokenizer.encode(texts[0]).ids) == min(len(texts[0]), read)
    assert ids == [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def test_a_limit_that_is_given_holds() -> None:
    tokenizer, max_tokens, share, _ = fit_tokenizer(FAMILY._replace(max_tokens=64, longest=0), texts_of(*[900] * 4))

    assert (max_tokens, share) == (64, 1.0)
    assert len(tokenizer.encode("好" * 900).ids) == 64


def test_a_family_without_a_longer_reach_keeps_its_own() -> None:
    assert fit_tokenizer(FAMILY._replace(longest=0), texts_of(*[900] * 4))[1:3] == (256, 1.0)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Файл не найден в report.txt", "letters"),
        ("الملف غير موجود", "letters"),
        ("the file was not found: отчёт", "mixed"),
        ("ファイルが見つかりません", "letters"),
        ("找不到文件", "mixed"),
        ("파일이 없습니다", "mixed"),
        ("404", "mixed"),
    ],
)
def test_few_texts_of_other_scripts_are_read_letter_by_letter(text: str, read: str) -> None:
    assert suited(get_family("linear"), [text] * 100).tokenizer == read
    assert suited(get_family("linear"), [text] * FEW_TEXTS).tokenizer == "mixed"


@pytest.mark.parametrize("family", [get_family("cnn"), FAMILY])
def test_who_is_not_cross_validated_or_has_another_tokenizer_reads_as_always(family: Family) -> None:
    assert suited(family, ["Файл не найден"] * 100) == family
