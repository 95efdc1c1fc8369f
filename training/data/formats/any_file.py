"""Any file of texts: its name tells the format."""

from collections.abc import Callable, Iterator
from pathlib import Path

from training.data.formats.json_lines import read_jsonl
from training.data.formats.rows import Columns, Row
from training.data.formats.table import read_csv, read_tsv
from training.errors import InputError

READERS: dict[str, Callable[[Path, Columns], Iterator[Row]]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
}


def rows_of(path: Path, columns: Columns) -> Iterator[Row]:
    """The rows of a file whose name ends in one of READERS, or in that and .gz. Raises InputError."""
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    if not suffixes or suffixes[-1] not in READERS:
        raise InputError(f"{path} is none of {', '.join(READERS)} (or these with .gz); rename or convert it.")
    return READERS[suffixes[-1]](path, columns)
