"""In what encoding a file is written: told by all of it, in a stream.

A byte order mark tells; so does strict decoding as UTF-8, which hardly any other text survives. The others are told by
strict decoding, and by how many of the characters beyond ASCII are frequent in the writing that the encoding is for:
half of them in the right one, few in a wrong one. Where two readings come close, nothing is guessed.
"""

import codecs
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias

from training.data.formats.characters import JAPANESE, KOREAN, LATIN, PUNCTUATION, SIMPLIFIED, TRADITIONAL
from training.data.formats.packed import PIECE, opened
from training.errors import InputError

Source: TypeAlias = Callable[[Path], AbstractContextManager[IO[bytes]]]
UTF8 = "utf-8-sig"
MARKS = {
    codecs.BOM_UTF8: UTF8,
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# By Python's names, which --encoding takes; cp932, cp949 and cp1252 are what Windows means by the names below.
CANDIDATES = {
    "gb18030": SIMPLIFIED,
    "big5hkscs": TRADITIONAL,
    "cp932": JAPANESE,
    "euc_jp": JAPANESE,
    "cp949": KOREAN,
    "cp1252": LATIN,
}
EVERY = PUNCTUATION.union(*CANDIDATES.values(), map(chr, range(128)))
WIDE = {"utf-16-le": EVERY, "utf-16-be": EVERY}
SPOKEN = {
    UTF8: "UTF-8",
    "big5hkscs": "Big5",
    "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP",
    "cp949": "EUC-KR",
    "cp1252": "Latin-1",
}
# What a reading needs to be taken: so many different frequent characters, such a share of them, and so many times that
# of the next one.
FEWEST, SHARE, AHEAD = 3, 0.25, 2
# Text in GBK can begin with some characters of two bytes that are UTF-8 as well, and not go on so for long.
FEW_PAIRS, MANY_PAIRS = 4, 100
CHANCE = 0.5  # the share of frequent characters from which on that is likely
ENOUGH = 1 << 20  # characters beyond ASCII, of which no more are counted
SAMPLE = 16  # characters, to show how a reading looks
_ALONE = re.compile(r"(?<![^\x00-\x7f])[^\x00-\x7f](?![^\x00-\x7f])")


def spoken(encoding: str) -> str:
    """The name of an encoding as people write it."""
    return SPOKEN.get(encoding, encoding.upper())


def check_encoding(name: str) -> str:
    """The name of an encoding of texts. Raises InputError if Python knows none of that name."""
    try:
        b"x".decode(name, "replace")
        known = codecs.lookup(name).name
    except LookupError:
        raise InputError(
            f"There is no encoding {name!r}; --encoding is one of utf-8, utf-16, gb18030, big5, shift_jis, euc-kr, "
            "latin-1 and the others of Python."
        ) from None
    return UTF8 if known == "utf-8" else known


def encoding_of(path: Path, source: Source = opened) -> str:
    """The encoding of a file. Raises InputError if several fit, none does, or a part has another one."""
    with source(path) as file:
        beginning = file.read(4)
    for mark, encoding in MARKS.items():
        if beginning.startswith(mark):
            return encoding
    found = _as_utf8(path, source)
    wide = _plain(_read_as(path, source, WIDE)) if found.wide else None
    if wide or not found.broken:
        return wide or _not_by_chance(path, source, found)
    if found.longer or found.pairs > FEW_PAIRS:
        raise InputError(
            f"{path} line {found.broken} is not UTF-8, though what stands before it is: the file is damaged or changes "
            "its encoding half way; repair that line, or name the encoding of all of it with --encoding."
        )
    return _choose(path, _read_as(path, source, CANDIDATES), found.broken)


class _Utf8(NamedTuple):
    """A file read as UTF-8: the first line that is not, or 0; how many characters have two bytes, and whether any has
    more; and whether NUL bytes make it look like UTF-16.
    """

    broken: int
    pairs: int
    longer: bool
    wide: bool


class _Reading:
    """A file as one encoding reads it, as far as it can: `lines` are those that fit."""

    def __init__(self, encoding: str, known: frozenset[str]) -> None:
        self.encoding, self.known = encoding, known
        self.decoder = codecs.getincrementaldecoder(encoding)()
        self.frequent = self.beyond = self.lines = 0
        self.different: set[str] = set()
        self.fits, self.sample = True, ""

    @property
    def share(self) -> float:
        return self.frequent / max(1, self.beyond)

    def read(self, lines: Iterable[bytes]) -> None:
        """Goes on reading; no more after the first line that does not fit."""
        for line in lines if self.fits else ():
            try:
                self._count(self.decoder.decode(line))
            except UnicodeDecodeError:
                self.fits = False
                return
            self.lines += 1

    def _count(self, text: str) -> None:
        if self.beyond > ENOUGH:
            return
        beyond = [c for c in text if c > "\x7f" and c not in PUNCTUATION] if self.encoding in CANDIDATES else text
        # A letter with an accent stands among others; two and more of them in a row are another writing misread.
        told = _ALONE.findall(text) if self.encoding == "cp1252" else beyond
        self.beyond += len(beyond)
        found = [c for c in told if c in self.known]
        self.frequent += len(found)
        self.different.update(found)
        if not text.isascii() and len(self.sample) < SAMPLE:
            self.sample += "".join(c for c in text if c.isprintable())[:SAMPLE]


def _as_utf8(path: Path, source: Source) -> _Utf8:
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, pairs, longer, nul, size = 1, 0, False, 0, 0
    with source(path) as file:
        while True:
            piece = file.read(PIECE)
            nul, size = nul + piece.count(0), size + len(piece)
            try:
                text, broken = decoder.decode(piece, final=not piece), False
            except UnicodeDecodeError as error:
                text, broken = error.object[: error.start].decode(), True
            line += text.count("\n")
            if not longer and pairs <= MANY_PAIRS and not text.isascii():
                pairs += sum("\x7f" < c < "\u0800" for c in text)
                longer = max(text) >= "\u0800"
            if broken or not piece:
                return _Utf8(line if broken else 0, pairs, longer, nul * 100 > size)


def _not_by_chance(path: Path, source: Source, found: _Utf8) -> str:
    """UTF-8, unless it is so by chance: a few characters in GBK can be other ones of two bytes in UTF-8."""
    if 0 < found.pairs <= MANY_PAIRS and not found.longer:
        other = _read_as(path, source, CANDIDATES)[0]
        if other.fits and other.share >= CHANCE:
            raise InputError(
                f'{path} could be read as UTF-8, or as {spoken(other.encoding)} ("{other.sample}…"); say which it is, '
                f"for example: --encoding {other.encoding}."
            )
    return UTF8


def _read_as(path: Path, source: Source, candidates: Mapping[str, frozenset[str]]) -> list[_Reading]:
    """The file in each encoding, the likeliest first. Raises InputError for a line of UTF-8 in between."""
    readings = [_Reading(encoding, known) for encoding, known in candidates.items()]
    before = 0
    with source(path) as file:
        while lines := file.readlines(PIECE):
            for number, line in enumerate(lines, before + 1):
                if candidates is CANDIDATES and not line.isascii() and _surely_utf8(line):
                    raise InputError(
                        f"{path} line {number} is UTF-8, and others are not: the file changes its encoding half way; "
                        "convert its parts, or name the encoding of all of it with --encoding."
                    )
            before += len(lines)
            best = max(reading.share for reading in readings)
            for reading in readings:
                if reading.share * AHEAD >= best:
                    reading.read(lines)
    return sorted(readings, key=lambda reading: (reading.fits, reading.share), reverse=True)


def _surely_utf8(line: bytes) -> bool:
    try:
        return sum(c >= "\u0800" for c in line.decode()) > 1
    except UnicodeDecodeError:
        return False


def _plain(readings: Sequence[_Reading]) -> str | None:
    """The encoding of the first reading if it is plainly the right one."""
    best, second = readings[:2]
    ahead = not second.fits or (len(best.different) >= FEWEST and best.share >= AHEAD * second.share)
    return best.encoding if best.fits and best.share >= SHARE and ahead else None


def _choose(path: Path, readings: Sequence[_Reading], broken: int) -> str:
    if plain := _plain(readings):
        return plain
    close = [reading for reading in readings if reading.fits and reading.share >= SHARE][:2]
    if not close:
        longest = max(readings, key=lambda reading: reading.lines * (reading.share >= SHARE))
        as_far = f", though as {spoken(longest.encoding)} it can be read up to line {longest.lines}"
        raise InputError(
            f"{path} line {broken} is not UTF-8, and no other encoding plainly fits the whole file"
            f"{as_far if longest.lines and longest.share >= SHARE else ''}: it is damaged, changes its encoding half "
            "way, or is no text; repair it, or name its encoding, for example: --encoding cp1251."
        )
    looks = " or as ".join(f'{spoken(reading.encoding)} ("{reading.sample}…")' for reading in readings[:2])
    raise InputError(
        f"{path} is not UTF-8, and could be read as {looks}; say which it is, for example: --encoding "
        f"{close[0].encoding}."
    )
