"""What goes in and out is UTF-8, whatever the locale or the code page says; fenlei/__main__.py sees to the rest."""

import sys
from collections.abc import Sequence
from io import TextIOWrapper

from training.errors import InputError


def check_arguments(arguments: Sequence[str]) -> None:
    """Raises InputError for one that is not UTF-8, such as the name of a file out of a zip that was made in GBK.

    Python has lone surrogates for its bytes, and a summary or a manifest, which are JSON, could not hold them.
    """
    for number, argument in enumerate(arguments, 1):
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise InputError(
                f"Argument {number} is not UTF-8; convert it, for example with iconv, or rename the file, with convmv."
            ) from None


def write_utf8() -> None:
    """Makes standard output and standard error UTF-8: Windows has a code page for them, unless they are a console.

    Results are the same bytes on every system, line feeds included. What is not UTF-8 in them is escaped.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
