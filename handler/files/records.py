"""Bytes of a file -> its records, one by one: `.txt`, `.csv`, `.tsv` and `.jsonl`, each plain or `.gz`.

Whatever comes in, each line of it is answered: it becomes a Record, or a Rejected that says why it did not. Memory
stays flat, because nothing longer than MAX_LINE_BYTES is ever held, and the work is linear in the bytes, unpacked.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import msgspec

from handler.errors import Damaged, Refused
from handler.files.csv_rows import CsvRows
from handler.files.lines import BOM, LINE_TOO_LONG, Line, TooLong, lines, unpacked

FORMATS = ("txt", "csv", "tsv", "jsonl")
SUFFIXES = tuple(f".{name}{packing}" for name in FORMATS for packing in ("", ".gz"))


class Layout(NamedTuple):
    """How a file is written: its format, whether it is compressed, and which columns count; "" is no id."""

    format: str
    gzip: bool = False
    text_column: str = "text"
    id_column: str = "id"


class Record(NamedTuple):
    """A text to classify; `line` counts from 1, `id` is the JSON of what the id column held, or empty."""

    line: int
    text: str
    id: bytes = b""


class Rejected(NamedTuple):
    """A line that holds no text to classify, and why; with `damage` nothing after it could be read."""

    line: int
    error: str
    id: bytes = b""
    damage: bool = False


Row: TypeAlias = Record | Rejected

NOT_UTF8 = "the line is not UTF-8"
BLANK = "the text is blank"
NOT_TEXT = "the text holds a NUL byte, as UTF-16 does; convert it to UTF-8"
_SURROGATE = re.compile("[\ud800-\udfff]")


def layout_of(name: str, text_column: str = "text", id_column: str = "id") -> Layout:
    """Reads the layout off a file's name, whatever its case. Raises Refused for another suffix."""
    lower = name.lower()
    packed = lower.endswith(".gz")
    form = lower.removesuffix(".gz").rpartition(".")[2]
    if not lower.endswith(SUFFIXES):
        raise Refused(f"The name ends in none of {', '.join(SUFFIXES)}; rename or convert the file.")
    return Layout(form, packed, text_column, id_column if id_column != text_column else "")


def records(pieces: Iterable[bytes], layout: Layout, look: Callable[[], None] = lambda: None) -> Iterator[Row]:
    """Gives every row of a file, in order. One that breaks off ends in a Rejected that says so (`damage`).

    `look` is called for each piece that is read, and each that is unpacked, of PIECE_BYTES at most; what it raises is
    raised. Raises Refused if the file as a whole makes no sense: a table without the text column.
    """
    last = 0
    watched = _watched(pieces, look)
    try:
        for row in _READERS[layout.format](
            lines(_watched(unpacked(watched), look) if layout.gzip else watched), layout
        ):
            last = row.line
            yield row
    except Damaged as error:
        yield Rejected(last + 1, str(error), damage=True)


def _watched(pieces: Iterable[bytes], look: Callable[[], None]) -> Iterator[bytes]:
    for piece in pieces:
        look()
        yield piece


# --- formats ----------------------------------------------------------------------------------------


def _txt(source: Iterator[Line], _: Layout) -> Iterator[Row]:
    for number, line in enumerate(source, 1):
        if isinstance(line, TooLong):
            yield Rejected(number, LINE_TOO_LONG)
            continue
        try:
            text = (line.removeprefix(BOM) if number == 1 else line).decode().rstrip("\r")
        except UnicodeDecodeError:
            yield Rejected(number, NOT_UTF8)
            continue
        yield row_of(number, text)


def _jsonl(source: Iterator[Line], layout: Layout) -> Iterator[Row]:
    decode = _decoder(layout)
    for number, line in enumerate(source, 1):
        if isinstance(line, TooLong):
            yield Rejected(number, LINE_TOO_LONG)
            continue
        try:
            text, identity = decode(line.removeprefix(BOM) if number == 1 else line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield Rejected(number, _why_no_json(line, error, layout.text_column))
            continue
        if identity.isascii() or _is_utf8(identity):
            # Between the parts of an id, where alone JSON may have it raw, a carriage return is a space.
            yield row_of(number, text, identity.replace(b"\r", b" "))
        else:
            yield Rejected(number, NOT_UTF8)


def _decoder(layout: Layout) -> Callable[[bytes], tuple[str, bytes]]:
    """What reads the text and the JSON of the id off a line; it raises what msgspec raises."""
    fields = [("text", str)] + ([("id", msgspec.Raw, msgspec.Raw())] if layout.id_column else [])
    try:
        kind = msgspec.defstruct("Line", fields, rename={"text": layout.text_column, "id": layout.id_column}.get)
    except ValueError:  # a name that msgspec takes for no field's, such as one with a quote in it
        return _decoder_by_name(layout)
    decode = msgspec.json.Decoder(kind).decode

    def read(line: bytes) -> tuple[str, bytes]:
        found: Any = decode(line)
        return found.text, bytes(found.id) if layout.id_column else b""

    return read


def _decoder_by_name(layout: Layout) -> Callable[[bytes], tuple[str, bytes]]:
    decode, decode_text = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode, msgspec.json.Decoder(str).decode

    def read(line: bytes) -> tuple[str, bytes]:
        found = decode(line)
        if layout.text_column not in found:
            raise msgspec.ValidationError
        return decode_text(found[layout.text_column]), bytes(found.get(layout.id_column, b""))

    return read


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _why_no_json(line: bytes, error: Exception, column: str) -> str:
    if isinstance(error, UnicodeDecodeError):
        return NOT_UTF8
    if not line.strip():
        return "the line is blank"
    if isinstance(error, msgspec.ValidationError):
        return f"the line is not a JSON object with a string {column!r}"
    return "the line is not JSON"


def _csv(source: Iterator[Line], layout: Layout) -> Iterator[Row]:
    yield from _table(CsvRows(source).read, layout)


def _tsv(source: Iterator[Line], layout: Layout) -> Iterator[Row]:
    numbered = enumerate(source, 1)

    def read() -> tuple[int, list[str] | str] | None:
        for number, line in numbered:
            if isinstance(line, TooLong):
                return number, LINE_TOO_LONG
            text = (line.removeprefix(BOM) if number == 1 else line).decode(errors="surrogateescape").rstrip("\r")
            return number, text.split("\t") if text else []
        return None

    yield from _table(read, layout)


def _table(read: Callable[[], tuple[int, list[str] | str] | None], layout: Layout) -> Iterator[Row]:
    """Rows of cells below a header; `read` gives a line number with its cells, or with what is wrong with it."""
    found = read()
    if found is None:
        return
    names = found[1] if isinstance(found[1], list) else []
    names = [name.strip() for name in names]
    if layout.text_column not in names:
        raise Refused(
            f"The first line names no column {layout.text_column!r} in UTF-8; name the text column, or add a header."
        )
    for name in (layout.text_column, layout.id_column):
        if names.count(name) > 1:
            raise Refused(f"In the first line the column {name!r} stands twice; give one of them another name.")
    where = names.index(layout.text_column)
    identity = names.index(layout.id_column) if layout.id_column in names else -1
    while (found := read()) is not None:
        number, cells = found
        if isinstance(cells, str):
            yield Rejected(number, cells)
        elif not cells:
            yield Rejected(number, "the line is blank")
        elif any(map(_SURROGATE.search, cells)):
            yield Rejected(number, NOT_UTF8)
        elif len(cells) != len(names):
            yield Rejected(number, f"the line has {len(cells)} fields, and the header {len(names)}")
        else:
            yield row_of(number, cells[where], msgspec.json.encode(cells[identity]) if identity >= 0 else b"")


def row_of(number: int, text: str, identity: bytes = b"") -> Row:
    """A Record, if there is a text in it."""
    if not text or text.isspace():
        return Rejected(number, BLANK, identity)
    if "\0" in text:
        return Rejected(number, NOT_TEXT, identity)
    return Record(number, text, identity)


_READERS = {"txt": _txt, "csv": _csv, "tsv": _tsv, "jsonl": _jsonl}
