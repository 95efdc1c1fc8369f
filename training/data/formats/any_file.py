"""Any file of texts: its name tells the format."""

from collections.abc import Callable
from pathlib import Path

from training.data.formats.fasttext import read_txt
from training.data.formats.json_records import read_json
from training.data.formats.rows import Columns, Say, Table
from training.data.formats.table import read_csv, read_tsv
from training.errors import InputError

READERS: dict[str, Callable[[Path, Columns, Say], Table]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".txt": read_txt,
    ".json": read_json,
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".manifest": read_json,
}


def table_of(path: Path, columns: Columns, say: Say) -> Table:
    """The rows of a file whose name ends in one of READERS, or in that and .gz. Raises InputError."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    if not suffixes or suffixes[-1] not in READERS:
        raise InputError(f"{path} is none of {', '.join(READERS)} (or these with .gz); rename or convert it.")
    return READERS[suffixes[-1]](path, columns, say)
