"""Bytes of a file -> its lines, decompressed, in bounded memory and in time that grows with the bytes."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from handler.errors import Damaged

MAX_LINE_BYTES = 1_048_576
PIECE_BYTES = 262_144
SLICE_BYTES = 16_384  # of packed bytes at a time: what follows the end of a member is copied
# Text that is much repeated packs to a hundredth. What unfolds to more than this, and more than this many times its
# size, is no file of texts; deflate's own limit is 1,032 times.
BOMB_BYTES, BOMB_RATIO = 1 << 30, 200
NEWLINE, BOM = b"\n", b"\xef\xbb\xbf"


LINE_TOO_LONG = f"the line is over {MAX_LINE_BYTES:,} bytes"


class TooLong:
    """Stands for a line that was let go by."""


TOO_LONG: Final = TooLong()
Line: TypeAlias = bytes | TooLong


def unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decompresses gzip, of one member or many, in pieces of bounded size. Raises Damaged."""
    inflate, empty, taken, given = zlib.decompressobj(31), True, 0, 0
    for piece in pieces:
        place = 0
        while place < len(piece):
            data = piece[place : place + SLICE_BYTES]
            if inflate.eof:
                rest = data.lstrip(b"\0")  # a tape's padding
                place += len(data) - len(rest)
                if not rest:
                    continue
                inflate, empty, data = zlib.decompressobj(31), True, rest
            try:
                out = inflate.decompress(data, PIECE_BYTES)
            except zlib.error:
                raise Damaged("from here on the file is not valid gzip") from None
            used = len(data) - len(inflate.unconsumed_tail) - len(inflate.unused_data)
            place, taken, given, empty = place + used, taken + used, given + len(out), False
            if given > BOMB_BYTES and given > BOMB_RATIO * taken:
                raise Damaged(f"the gzip unfolds to over {BOMB_RATIO} times its size, as no file of texts does")
            if out:
                yield out
    while not inflate.eof and (out := inflate.decompress(b"", PIECE_BYTES)):
        yield out
    if not inflate.eof and not empty:
        raise Damaged("the gzip breaks off here")


def lines(pieces: Iterable[bytes]) -> Iterator[Line]:
    """Splits at line feeds, which it removes; a last line needs none. What is too long is never held."""
    rest, over = bytearray(), False
    for piece in pieces:
        first, *others = piece.split(NEWLINE)
        if not over:
            rest += first
            if len(rest) > MAX_LINE_BYTES:
                rest, over = bytearray(), True
        if not others:
            continue
        yield TOO_LONG if over else bytes(rest)
        *whole, last = others
        for line in whole:
            yield line if len(line) <= MAX_LINE_BYTES else TOO_LONG
        over = len(last) > MAX_LINE_BYTES
        rest = bytearray() if over else bytearray(last)
    if rest or over:
        yield TOO_LONG if over else bytes(rest)
