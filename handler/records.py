"""Bytes of a file -> its records, one by one: `.txt`, `.csv`, `.tsv` and `.jsonl`, each plain or `.gz`.

Whatever comes in, each line of it is answered: it becomes a Record, or a Rejected that says why it did not. Memory
stays flat, because nothing longer than MAX_LINE_BYTES is ever held.
"""

import csv
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from handler.errors import Damaged, Refused

FORMATS = ("txt", "csv", "tsv", "jsonl")
SUFFIXES = tuple(f".{name}{packing}" for name in FORMATS for packing in ("", ".gz"))
MAX_LINE_BYTES = 1_048_576
PIECE_BYTES = 262_144
NEWLINE, BOM = b"\n", b"\xef\xbb\xbf"


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


class _TooLong:
    """Stands for a line that was let go by."""


TOO_LONG: Final = _TooLong()
Line: TypeAlias = bytes | _TooLong
Row: TypeAlias = Record | Rejected

LINE_TOO_LONG = f"the line is over {MAX_LINE_BYTES:,} bytes"
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

    Raises Refused if the file as a whole makes no sense: a table without the text column.
    """
    last = 0
    pieces = _watched(pieces, look)
    try:
        for row in _READERS[layout.format](lines(unpacked(pieces) if layout.gzip else pieces), layout):
            last = row.line
            yield row
    except Damaged as error:
        yield Rejected(last + 1, str(error), damage=True)


def _watched(pieces: Iterable[bytes], look: Callable[[], None]) -> Iterator[bytes]:
    for piece in pieces:
        look()
        yield piece


def unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decompresses gzip, of one member or many, in pieces of bounded size. Raises Damaged."""
    inflate, empty = zlib.decompressobj(31), True
    for piece in pieces:
        data = piece
        while data:
            if inflate.eof:
                data = data.lstrip(b"\0")  # a tape's padding
                if not data:
                    break
                inflate, empty = zlib.decompressobj(31), True
            try:
                out = inflate.decompress(data, PIECE_BYTES)
            except zlib.error:
                raise Damaged("from here on the file is not valid gzip") from None
            empty = False
            if out:
                yield out
            data = inflate.unconsumed_tail or inflate.unused_data
    while not inflate.eof and (out := inflate.decompress(b"", PIECE_BYTES)):
        yield out
    if not inflate.eof and not empty:
        raise Damaged("the gzip breaks off here")


def lines(pieces: Iterable[bytes]) -> Iterator[Line]:
    """Splits at line feeds, which it removes; a last line needs none. What is too long is never held."""
    rest, over = b"", False
    for piece in pieces:
        first, *others = piece.split(NEWLINE)
        rest = rest + first if not over else b""
        if len(rest) > MAX_LINE_BYTES:
            rest, over = b"", True
        if not others:
            continue
        yield TOO_LONG if over else rest
        *whole, rest = others
        for line in whole:
            yield line if len(line) <= MAX_LINE_BYTES else TOO_LONG
        over = len(rest) > MAX_LINE_BYTES
    if rest or over:
        yield TOO_LONG if over else rest


# --- formats ----------------------------------------------------------------------------------------


def _txt(source: Iterator[Line], _: Layout) -> Iterator[Row]:
    for number, line in enumerate(source, 1):
        if isinstance(line, _TooLong):
            yield Rejected(number, LINE_TOO_LONG)
            continue
        try:
            text = (line.removeprefix(BOM) if number == 1 else line).decode().rstrip("\r")
        except UnicodeDecodeError:
            yield Rejected(number, NOT_UTF8)
            continue
        yield row_of(number, text)


def _jsonl(source: Iterator[Line], layout: Layout) -> Iterator[Row]:
    fields = [("text", str)] + ([("id", msgspec.Raw, msgspec.Raw())] if layout.id_column else [])
    kind = msgspec.defstruct("Line", fields, rename={"text": layout.text_column, "id": layout.id_column}.get)
    decode = msgspec.json.Decoder(kind).decode
    for number, line in enumerate(source, 1):
        if isinstance(line, _TooLong):
            yield Rejected(number, LINE_TOO_LONG)
            continue
        try:
            found: Any = decode(line.removeprefix(BOM) if number == 1 else line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield Rejected(number, _why_no_json(line, error, layout.text_column))
            continue
        identity = bytes(found.id) if layout.id_column else b""
        if identity.isascii() or _is_utf8(identity):
            yield row_of(number, found.text, identity)
        else:
            yield Rejected(number, NOT_UTF8)


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
    rows = _CsvRows(source)
    yield from _table(rows.read, layout)


def _tsv(source: Iterator[Line], layout: Layout) -> Iterator[Row]:
    numbered = enumerate(source, 1)

    def read() -> tuple[int, list[str] | str] | None:
        for number, line in numbered:
            if isinstance(line, _TooLong):
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


class _CsvRows:
    """Rows of a CSV file. After a broken one it goes on at the line below the one where that began."""

    def __init__(self, source: Iterator[Line]) -> None:
        csv.field_size_limit(2 * MAX_LINE_BYTES)
        self._source = source
        self._again: list[Line] = []  # lines read for a row that turned out to be broken, last first
        self._row: list[Line] = []
        self._bytes = 0
        self._before = 0
        self._reader = csv.reader(self._feed(), strict=True)

    def read(self) -> tuple[int, list[str] | str] | None:
        self._row, self._bytes = [], 0
        number = self._before + 1
        try:
            cells: list[str] | str = next(self._reader)
        except StopIteration:
            if not self._row:
                return None
            cells = LINE_TOO_LONG
        except csv.Error:
            cells = "the line is not valid CSV: look at its quotes"
        if isinstance(cells, str):
            if self._row[0] is TOO_LONG:
                cells = LINE_TOO_LONG
            self._again += reversed(self._row[1:])
            self._row = self._row[:1]
            self._reader = csv.reader(self._feed(), strict=True)
        self._before += len(self._row)
        return number, cells

    def _feed(self) -> Iterator[str]:
        """Lines for the reader, until one row takes too many."""
        while True:
            try:
                line = self._again.pop() if self._again else next(self._source)
            except StopIteration:
                return
            first = not self._before and not self._row
            self._row.append(line)
            if isinstance(line, _TooLong):
                return
            self._bytes += len(line)
            if self._bytes > MAX_LINE_BYTES:
                return
            yield (line.removeprefix(BOM) if first else line).decode(errors="surrogateescape") + "\n"


def row_of(number: int, text: str, identity: bytes = b"") -> Row:
    """A Record, if there is a text in it."""
    if not text or text.isspace():
        return Rejected(number, BLANK, identity)
    if "\0" in text:
        return Rejected(number, NOT_TEXT, identity)
    return Record(number, text, identity)


_READERS = {"txt": _txt, "csv": _csv, "tsv": _tsv, "jsonl": _jsonl}
