"""The lines of a text file, decoded."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

from training.data.formats.encoding import UTF8, check_encoding, encoding_of, spoken
from training.data.formats.packed import opened
from training.errors import InputError


def chosen_encoding(path: Path, named: str, say: Callable[[str], None]) -> str:
    """The encoding that is named, or else found, which is said unless it is UTF-8. Raises InputError."""
    if named:
        return check_encoding(named)
    encoding = encoding_of(path)
    if encoding != UTF8:
        say(f"{path.name} is read as {spoken(encoding)}; --encoding names another one")
    return encoding


def lines(path: Path, encoding: str) -> Iterator[str]:
    """Decodes line by line, with their ends: LF, CR LF or CR. Raises InputError that names the line."""
    number = 0
    with opened(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="") as text:
        try:
            for number, line in enumerate(text, 1):
                yield line.removeprefix("\ufeff") if number == 1 else line
        except UnicodeDecodeError:
            raise InputError(
                f"{path} is not {spoken(encoding)} in line {_broken(path, encoding, number)}; repair that line, or "
                "name the encoding of the file with --encoding."
            ) from None


def _broken(path: Path, encoding: str, before: int) -> int:
    """The line that cannot be decoded: a decoder is ahead of the lines that it gave."""
    if encoding.startswith(("utf-16", "utf-32", "utf_16", "utf_32")):
        return before + 1
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                return number
    return before + 1
