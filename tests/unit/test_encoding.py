"""An encoding is told right or asked for: never wrong in silence."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentences import SENTENCES

from training.data.formats import encoding
from training.data.formats.encoding import encoding_of
from training.errors import InputError


def told(path: Path, content: bytes) -> str:
    """The encoding that is told of a file, or that it is asked for."""
    path.write_bytes(content)
    try:
        return encoding_of(path)
    except InputError as error:
        return "asked" if "--encoding" in str(error) else str(error)


@pytest.mark.parametrize("written", SENTENCES)
def test_one_sentence_is_told_right_or_asked_about(tmp_path: Path, written: str) -> None:
    files = [f"text,label\n{sentence},a\n".encode(written) for sentence in SENTENCES[written]]

    found = [told(tmp_path / "a.csv", content) for content in files if not content.isascii()]

    assert set(found) <= {written, "asked"}
    assert found.count(written) >= len(found) / 4


@pytest.mark.parametrize("written", SENTENCES)
def test_all_sentences_together_are_told(tmp_path: Path, written: str) -> None:
    content = "".join(f"{sentence},a\n" for sentence in SENTENCES[written]).encode(written)

    assert told(tmp_path / "a.csv", content) == written


@pytest.mark.parametrize("written", SENTENCES)
def test_what_is_counted_ends_and_what_is_decoded_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setattr(encoding, "ENOUGH", 40)
    content = "".join(f"{sentence},a\n" for sentence in SENTENCES[written] * 3).encode(written)

    assert told(tmp_path / "a.csv", content) == written
    if written not in ("cp932", "cp1252"):  # in which every byte is something
        assert told(tmp_path / "a.csv", content + b"\xff\xff\xff\n") == "asked"


def pieces(written: str) -> list[str]:
    """Two to five characters of a sentence, from wherever."""
    sentences = SENTENCES[written]
    return [s[i : i + size] for s in sentences for size in (2, 3, 5) for i in range(len(s) - size + 1)]


TEXTS = st.sampled_from(list(SENTENCES)).flatmap(
    lambda written: st.tuples(st.just(written), st.lists(st.sampled_from(pieces(written)), min_size=1, max_size=8))
)


@given(TEXTS)
def test_no_pieces_of_sentences_are_told_wrong(
    tmp_path_factory: pytest.TempPathFactory, text: tuple[str, list[str]]
) -> None:
    written, parts = text
    content = f"text,label\n{''.join(parts)},a\n".encode(written)
    right = {"utf-8-sig" if is_utf8(content) else written, "asked"}

    assert told(tmp_path_factory.getbasetemp() / "pieces.csv", content) in right


def is_utf8(content: bytes) -> bool:
    """Also of what was written in another encoding, by chance."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_a_file_that_is_utf_8_by_chance_is_asked_about(tmp_path: Path) -> None:
    assert is_utf8("一".encode("gbk"))

    assert told(tmp_path / "a.csv", "text,label\n一,a\n".encode("gbk")) == "asked"


@given(st.text(max_size=40))
def test_utf_8_is_always_utf_8(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    content = text.encode("utf-8", "ignore")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or content.count(0) * 100 > len(content):
        return
    by_chance = {"asked"} if content.decode() and max(content.decode()) < "\u0800" else set()

    assert told(tmp_path_factory.getbasetemp() / "any.csv", content) in {"utf-8-sig"} | by_chance


def test_accents_greek_and_cyrillic_in_utf_8_are_not_asked_about(tmp_path: Path) -> None:
    for text in ("café", "größer", "année", "niño", "£5", "хорошо", "не очень", "καλό", "مرحبا", "שלום"):
        assert told(tmp_path / "a.csv", f"text,label\n{text},a\n".encode()) == "utf-8-sig", text
