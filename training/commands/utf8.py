"""What goes in and out is UTF-8, whatever the locale or the code page says."""

import os
import sys
from io import TextIOWrapper


def start_again_in_utf8() -> None:
    """Starts Python again, in its UTF-8 mode, if the locale has another encoding.

    Linux takes the encoding of arguments and of names of files from the locale as Python starts, and keeps to it. In
    the C locale TensorFlow is not even imported from a directory whose name is Chinese. On macOS and Windows that
    encoding is UTF-8.
    """
    if os.name == "posix" and sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def write_utf8() -> None:
    """Makes standard output and standard error UTF-8: Windows has a code page for them, unless they are a console.

    Results are the same bytes on every system, line feeds included. The name of a file that is not UTF-8 is escaped.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
