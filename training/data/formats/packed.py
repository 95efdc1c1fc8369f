"""The bytes of a file, unpacked if its name ends in .gz."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from handler.files.lines import BOMB_BYTES, BOMB_RATIO
from training.errors import InputError

# What is held at once where a file is looked at as a whole.
PIECE = 1 << 20
# What Git leaves in place of a large file that was not fetched.
POINTER = b"version https://git-lfs."


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, open. Raises InputError, also for what fails while it is read."""
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as packed, io.BufferedReader(_Unpacked(path, packed), PIECE) as unpacked:
                yield cast(IO[bytes], unpacked)
        else:
            with path.open("rb") as file:
                if file.read(len(POINTER)) == POINTER:
                    raise InputError(f"{path} is a pointer of Git LFS and not the file; fetch that with: git lfs pull.")
                file.seek(0)
                yield file
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read to its end: {first_line(error)}; fetch it again.") from None


def first_line(error: Exception) -> str:
    """What an error of a library says, for a place within a sentence."""
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(" .:")


class _Unpacked(io.RawIOBase):
    """What gzip unpacks, as far as it could be a file of texts. Raises InputError for what unpacks almost to no end."""

    def __init__(self, path: Path, packed: gzip.GzipFile) -> None:
        self.path, self.packed, self.most = path, packed, max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.packed.seek(offset, whence)

    def tell(self) -> int:
        return self.packed.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = self.packed.readinto(buffer)
        if self.packed.tell() > self.most:
            raise InputError(
                f"{self.path} unpacks to over {BOMB_RATIO} times its size, as no file of texts does; unpack it first "
                "if it is one."
            )
        return size
