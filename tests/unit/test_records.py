"""Bytes of a file -> records: whatever comes in, each line is answered, and nothing long is held."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.errors import Damaged, Refused
from handler.files import lines as handler_lines
from handler.files.csv_rows import BROKEN, CsvRows
from handler.files.lines import LINE_TOO_LONG, MAX_LINE_BYTES, unpacked
from handler.files.records import NOT_TEXT, Record, Rejected, Row, layout_of, records

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda text: not text.isspace()
)
# One line of it: no line feed, and no carriage return, which would be part of a line's end.
LINE = TEXT.map(lambda text: text.replace("\n", "").replace("\r", "")).filter(lambda text: text.strip() != "")
LINES = st.lists(LINE, max_size=20)


def read(name: str, *pieces: bytes, text_column: str = "text", id_column: str = "id") -> list[Row]:
    return list(records(pieces, layout_of(name, text_column, id_column)))


def texts(rows: Iterable[Row]) -> list[str]:
    return [row.text for row in rows if isinstance(row, Record)]


def errors(rows: Iterable[Row]) -> list[tuple[int, str]]:
    return [(row.line, row.error) for row in rows if isinstance(row, Rejected)]


def as_csv(header: list[str], rows: Iterable[Iterable[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([header, *rows])
    return out.getvalue().encode()


def as_jsonl(rows: Iterable[str]) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in rows).encode()


# --- what was written is what is read ---------------------------------------------------------------


@given(LINES)
def test_txt_gives_back_its_lines(lines: list[str]) -> None:
    assert (
        texts(read("a.txt", "\n".join(lines).encode()))
        == [line.removeprefix("\ufeff") for line in lines[:1]] + (lines[1:])
    )


@given(st.lists(TEXT, max_size=20))
def test_jsonl_gives_back_any_text(lines: list[str]) -> None:
    assert texts(read("a.jsonl", as_jsonl(lines))) == lines


@given(st.lists(TEXT.filter(lambda text: "\r" not in text), max_size=20))
def test_csv_gives_back_any_text_line_feeds_too(lines: list[str]) -> None:
    assert texts(read("a.csv", as_csv(["no", "text"], (["1", line] for line in lines)))) == lines


@given(st.lists(LINE.filter(lambda text: "\t" not in text), max_size=20))
def test_tsv_takes_quotes_as_they_are(lines: list[str]) -> None:
    content = "text\tlabel\n" + "".join(f"{line}\tx\n" for line in lines)
    assert texts(read("a.tsv", content.encode())) == lines


@given(
    st.binary(max_size=400), st.lists(st.integers(1, 50), max_size=20), st.sampled_from(["txt", "csv", "tsv", "jsonl"])
)
def test_any_bytes_give_the_same_rows_however_they_are_cut(content: bytes, cuts: list[int], form: str) -> None:
    content = b"text\n" * (form in ("csv", "tsv")) + content
    rows = read(f"a.{form}", content)

    assert read(f"a.{form}", *cut(content, cuts)) == rows
    assert read(f"a.{form}.gz", *cut(gzip.compress(content), cuts)) == rows


@given(st.binary(max_size=400))
def test_every_line_of_a_txt_is_answered_in_order(content: bytes) -> None:
    rows = read("a.txt", content)

    assert [row.line for row in rows] == list(
        range(1, len(content.removesuffix(b"\n").split(b"\n")) + 1 if content else 1)
    )


@given(st.lists(st.sampled_from([b'{"text": "a"}', b"{", b"", b'{"text": 1}', b"\xff", b'"', b"[]", b'{"text": " "}'])))
def test_n_lines_of_jsonl_give_n_rows(lines: list[bytes]) -> None:
    rows = read("a.jsonl", b"".join(line + b"\n" for line in lines))

    assert [row.line for row in rows] == list(range(1, len(lines) + 1))
    assert [isinstance(row, Record) for row in rows] == [line == b'{"text": "a"}' for line in lines]


@given(st.binary(max_size=300), st.integers(0, 400))
def test_a_gzip_cut_anywhere_ends_in_one_rejected_line(content: bytes, keep: int) -> None:
    packed = gzip.compress(content)
    rows = read("a.txt.gz", packed[: min(keep, len(packed) - 1)])

    assert [row for row in rows if isinstance(row, Rejected) and row.damage] == rows[-1:] or keep == 0


@given(st.lists(st.text('x,"a\r', max_size=6), max_size=8))
def test_a_broken_row_takes_one_line_and_the_next_row_begins_below_it(lines: list[str]) -> None:
    source = [line.encode() for line in lines]
    rows = CsvRows(iter(source))

    assert list(iter(rows.read, None)) == list(naive(lines))


def naive(lines: list[str]) -> Iterator[tuple[int, list[str] | str]]:
    """What is meant, in time that nobody has: from each row on, all that is left is read anew."""
    rest, number = [line + "\n" for line in lines], 1
    while rest:
        reader = csv.reader(rest, strict=True)
        try:
            cells: list[str] | str = next(reader)
            taken = reader.line_num
        except csv.Error:
            cells, taken = BROKEN, 1
        yield number, cells
        number, rest = number + taken, rest[taken:]


def cut(content: bytes, lengths: list[int]) -> Iterator[bytes]:
    for length in lengths:
        yield content[:length]
        content = content[length:]
    yield content


# --- what cannot be classified says why -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"{", "the line is not JSON"),
        (b"", "the line is blank"),
        (b'{"text": 5}', "the line is not a JSON object with a string 'text'"),
        (b'{"label": "a"}', "the line is not a JSON object with a string 'text'"),
        (b'["text"]', "the line is not a JSON object with a string 'text'"),
        (b'{"text": "\xff"}', "the line is not UTF-8"),
        (b'{"text": "a", "id": "\xff"}', "the line is not UTF-8"),
        (b'{"text": "\\ud83d"}', "the line is not JSON"),
        (b'{"text": "\\u3000"}', "the text is blank"),
        (b"[" * 100_000, "the line is not a JSON object with a string 'text'"),
        (b'{"text": "' + b"a" * MAX_LINE_BYTES + b'"}', LINE_TOO_LONG),
    ],
)
def test_a_bad_line_of_jsonl_says_why_and_the_others_go_on(line: bytes, error: str) -> None:
    rows = read("a.jsonl", b'{"text": "first"}\n' + line + b'\n{"text": "last"}')

    assert texts(rows) == ["first", "last"]
    assert errors(rows) == [(2, error)]


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (b'"open,1', "the line is not valid CSV: look at its quotes"),
        (b'"closed"x,1', "the line is not valid CSV: look at its quotes"),
        (b"\xff,1", "the line is not UTF-8"),
        (b"a,1,2", "the line has 3 fields, and the header 2"),
        (b"", "the line is blank"),
        (b" ,1", "the text is blank"),
        (b"a" * (MAX_LINE_BYTES + 1), LINE_TOO_LONG),
        (b'"' + b"a" * (MAX_LINE_BYTES + 1), LINE_TOO_LONG),
    ],
)
def test_a_bad_line_of_csv_says_why_and_the_others_go_on(lines: bytes, error: str) -> None:
    rows = read("a.csv", b"text,n\nfirst,1\n" + lines + b"\nlast,2\n")

    assert texts(rows) == ["first", "last"]
    assert errors(rows) == [(3, error)]


def test_a_row_of_csv_may_take_several_lines_and_counts_from_its_first() -> None:
    rows = read("a.csv", b'text,n\n"one\ntwo",1\nthree,2\n')

    assert rows == [Record(2, "one\ntwo"), Record(4, "three")]


def test_utf_16_is_not_taken_for_text() -> None:
    assert errors(read("a.txt", "good\nbad\n".encode("utf-16-le"))) == [(1, NOT_TEXT), (2, NOT_TEXT), (3, NOT_TEXT)]


def test_an_id_goes_through_as_it_is() -> None:
    assert read("a.jsonl", b'{"id": {"a": [1, null]}, "text": "x"}') == [Record(1, "x", b'{"a": [1, null]}')]
    assert read("a.csv", b'id,text\n"7""",x\n') == [Record(2, "x", b'"7\\""')]
    assert read("a.jsonl", b'{"id": 1, "key": 2, "text": "x"}', id_column="key") == [Record(1, "x", b"2")]
    assert read("a.jsonl", b'{"id": "x"}', text_column="id") == [Record(1, "x")]


@pytest.mark.parametrize("form", ["txt", "csv", "tsv", "jsonl"])
def test_a_byte_order_mark_and_carriage_returns_are_no_text(form: str) -> None:
    content = {"txt": "x\r\n", "csv": "text\r\nx\r\n", "tsv": "text\r\nx\r\n", "jsonl": '{"text":"x"}\r\n'}[form]
    assert texts(read(f"a.{form}", b"\xef\xbb\xbf" + content.encode())) == ["x"]


@pytest.mark.parametrize("form", ["txt", "csv", "tsv", "jsonl", "jsonl.gz"])
def test_an_empty_file_has_no_rows(form: str) -> None:
    assert read(f"a.{form}", b"") == []


@pytest.mark.parametrize("content", [b"label\nx\n", "文本\nx\n".encode("gb18030"), "text\nx\n".encode("utf-16")])
def test_a_table_without_the_text_column_is_refused(content: bytes) -> None:
    with pytest.raises(Refused, match="names no column 'text'"):
        read("a.csv", content)


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.gz", "a.jsonl.zip", "jsonl"])
def test_another_suffix_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="rename or convert"):
        layout_of(name)


def test_what_is_no_gzip_says_so() -> None:
    assert read("a.txt.gz", b"plain") == [Rejected(1, "from here on the file is not valid gzip", damage=True)]


def test_a_gzip_of_several_members_is_one_file() -> None:
    assert texts(read("A.TXT.GZ", gzip.compress(b"a\nb"), gzip.compress(b"c\n") + b"\0" * 10)) == ["a", "bc"]


# --- memory stays flat --------------------------------------------------------------------------------


def test_a_line_of_50_mb_is_one_rejected_line_that_is_never_held() -> None:
    longest = 0

    def pieces() -> Iterator[bytes]:
        yield b"first\n"
        for _ in range(50):
            yield b"a" * 1_000_000
        yield b"\nlast\n"

    rows = []
    for row in records(pieces(), layout_of("a.txt")):
        longest = max(longest, len(row[1]))
        rows.append(row)

    assert texts(rows) == ["first", "last"]
    assert errors(rows) == [(2, LINE_TOO_LONG)]


def test_a_small_gzip_that_unfolds_to_much_comes_in_pieces() -> None:
    packed = gzip.compress(b"\n" * 50_000_000)

    sizes = [len(piece) for piece in unpacked([packed])]

    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 262_144


# --- columns and ids of any name ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ['"', "\\", "a\nb", "\0", "文本", "🏽", "id", "label", " "])
def test_a_column_may_have_any_name(name: str) -> None:
    line = json.dumps({name: "很好", "no": 7, "other": {"a": [1]}}).encode()

    assert read("a.jsonl", line, text_column=name, id_column="no") == [Record(1, "很好", b"7")]
    assert read("a.jsonl", line, text_column=name, id_column=name) == [Record(1, "很好")]
    assert errors(read("a.jsonl", b'{"x": 1}\n{}', text_column=name)) == [
        (n, f"the line is not a JSON object with a string {name!r}") for n in (1, 2)
    ]


def test_an_id_stays_on_its_line() -> None:
    # GIVEN an id with carriage returns between its parts, which JSON allows and many readers take for a line's end
    (row,) = read("a.jsonl", b'{"text": "a", "id": [1,\r"a\\rb"\r]}')

    assert row == Record(1, "a", b'[1, "a\\rb" ]')


# --- clocks and bombs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv", "a.jsonl"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_clock_is_looked_at_for_each_piece_and_its_word_counts(name: str, packed: bool) -> None:
    content = b"text\n" + b"x" * 10_000_000
    pieces = [gzip.compress(content)] if packed else [content[i : i + 262_144] for i in range(0, len(content), 262_144)]
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 30:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        list(records(pieces, layout_of(name + ".gz" * packed), look))


def test_what_unfolds_beyond_all_reason_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN less patience than the product has
    monkeypatch.setattr(handler_lines, "BOMB_BYTES", 1_000_000)
    bomb = gzip.compress(b"first\n" + b"x" * 2_000_000)
    text = gzip.compress("".join(f"a review of sorts, number {i}\n" for i in range(100_000)).encode())

    rows = read("a.txt.gz", bomb)

    assert texts(rows) == ["first"]
    assert [row.error for row in rows if isinstance(row, Rejected) and row.damage] == [
        "the gzip unfolds to over 200 times its size, as no file of texts does"
    ]
    assert len(texts(read("a.txt.gz", text))) == 100_000


def test_members_of_a_byte_and_padding_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_lines, "SLICE_BYTES", 7)
    content = b"".join(gzip.compress(bytes([byte])) + bytes(byte % 5) for byte in b"one\ntwo\n" * 50)

    assert b"".join(unpacked([content])) == b"one\ntwo\n" * 50
    with pytest.raises(Damaged):
        list(unpacked([content + b"x"]))
