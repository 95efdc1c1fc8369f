"""The lines of a text file, packed or not."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from training.errors import InputError


def lines(path: Path) -> Iterator[str]:
    """Decodes line by line, so that an error can name the line. Raises InputError."""
    number = 0
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            for number, line in enumerate(file, 1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path.") from None
    except UnicodeDecodeError:
        raise InputError(
            f"{path} line {number} is not UTF-8; convert the file, for example: iconv -f GB18030 -t UTF-8."
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read after line {number}: {error}; fetch it again.") from None
