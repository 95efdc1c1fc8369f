"""The bytes of a file, unpacked if its name ends in .gz."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from training.errors import InputError

# What is held at once where a file is looked at as a whole.
PIECE = 1 << 20


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, open. Raises InputError, also for what fails while it is read."""
    try:
        with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb") as file:
            yield cast(IO[bytes], file)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read to its end: {first_line(error)}; fetch it again.") from None


def first_line(error: Exception) -> str:
    """What an error of a library says, for a place within a sentence."""
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(" .:")
