"""Lines -> rows of CSV. A quoted cell may hold line feeds; what quotes leave open takes no line with it.

After a broken row reading goes on at the line below the one where the row began. Were all lines below read again for
each broken row, the work would be quadratic: so what a line does when it is reached within quotes is found once.
"""

import csv
from collections import deque
from collections.abc import Iterator
from enum import Enum

from handler.files.lines import BOM, LINE_TOO_LONG, MAX_LINE_BYTES, Line, TooLong

BROKEN = "the line is not valid CSV: look at its quotes"
QUOTE = b'"'


class _Ends(Enum):
    """How a line leaves the row that it is part of."""

    WHOLE = "the row ends with it"
    OPEN = "the row goes on, within quotes"
    BROKEN = "its quotes make no sense"


class CsvRows:
    """Rows of a CSV file; no row takes more than MAX_LINE_BYTES."""

    def __init__(self, source: Iterator[Line]) -> None:
        csv.field_size_limit(2 * MAX_LINE_BYTES)
        self._source, self._parser = source, _Parser()
        self._number = 0  # of the line where the row began
        # Lines that were read for a row that turned out to be broken: all but the last one are known to leave a row
        # open that reaches them within quotes, and that one too, as long as `_after` is OPEN.
        self._ahead: deque[Line] = deque()
        self._ahead_bytes = 0
        self._after = _Ends.OPEN

    def read(self) -> tuple[int, list[str] | str] | None:
        """The number of the line where the next row begins, with its cells or with what is wrong; None at the end."""
        line = self._take()
        if line is None:
            return None
        number = self._number
        if isinstance(line, TooLong):
            return number, LINE_TOO_LONG
        if number == 1:
            line = line.removeprefix(BOM)
        ends, cells = self._parser.parse(line)
        if ends is _Ends.OPEN and self._close(_size(line)):
            lines = [line, *self._ahead]
            self._number += len(self._ahead)
            self._forget()
            ends, cells = self._parser.parse(*lines)
        return number, cells if ends is _Ends.WHOLE else BROKEN

    def _take(self) -> Line | None:
        """The next line, at which a row begins."""
        line = self._ahead.popleft() if self._ahead else next(self._source, None)
        if line is not None:
            self._number += 1
            self._ahead_bytes = max(0, self._ahead_bytes - _size(line))
        if not self._ahead:
            self._forget()
        return line

    def _close(self, size: int) -> bool:
        """Reads ahead to the line that ends a row of so many bytes, open in quotes; says whether it is near enough."""
        while self._after is _Ends.OPEN and size + self._ahead_bytes <= MAX_LINE_BYTES:
            line = next(self._source, None)
            if line is None:
                return False
            self._ahead.append(line)
            self._ahead_bytes += _size(line)
            self._after = _Ends.BROKEN if isinstance(line, TooLong) else self._parser.parse(QUOTE + line)[0]
        return self._after is _Ends.WHOLE and size + self._ahead_bytes <= MAX_LINE_BYTES

    def _forget(self) -> None:
        self._ahead.clear()
        self._ahead_bytes, self._after = 0, _Ends.OPEN


def _size(line: Line) -> int:
    return 0 if isinstance(line, TooLong) else len(line) + 1


class _Parser:
    """The csv module's reader, for the first row of some lines at a time."""

    def __init__(self) -> None:
        self._lines: Iterator[Line] = iter(())
        self._exhausted = False
        self._reader = csv.reader(self._feed(), strict=True)

    def parse(self, *lines: Line) -> tuple[_Ends, list[str]]:
        """What the row holds, and how the last of the lines leaves it."""
        self._lines, self._exhausted = iter(lines), False
        try:
            return _Ends.WHOLE, next(self._reader)
        except csv.Error:
            self._reader = csv.reader(self._feed(), strict=True)
            return _Ends.OPEN if self._exhausted else _Ends.BROKEN, []

    def _feed(self) -> Iterator[str]:
        while (line := next(self._lines, None)) is not None:
            assert isinstance(line, bytes)
            yield line.decode(errors="surrogateescape") + "\n"
        self._exhausted = True
