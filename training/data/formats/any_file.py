"""Any file of texts: its name tells the format."""

from collections.abc import Callable
from pathlib import Path

from training.data.formats.calamine import read_calamine
from training.data.formats.fasttext import read_txt
from training.data.formats.folder import read_folder
from training.data.formats.json_records import read_json
from training.data.formats.parquet import read_parquet
from training.data.formats.rows import Columns, Say, Table
from training.data.formats.table import read_csv, read_tsv
from training.data.formats.xlsx import read_xlsx
from training.errors import InputError

READERS: dict[str, Callable[[Path, Columns, Say], Table]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".txt": read_txt,
    ".json": read_json,
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".manifest": read_json,
    ".xlsx": read_xlsx,
    ".xlsm": read_xlsx,
    ".xls": read_calamine,
    ".ods": read_calamine,
    ".parquet": read_parquet,
    ".arrow": read_parquet,
    ".feather": read_parquet,
}


# What people pack files in, other than .gz.
PACKED = (".zip", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".tgz")


def suffix_of(path: Path) -> str:
    """The suffix that tells the format of a file; empty if none does."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return suffixes[-1] if suffixes and suffixes[-1] in READERS else ""


def name_of(path: Path) -> str:
    """The name of a file without what its format adds: the same content in another one makes the same model."""
    stem = path.name[: -len(".gz")] if path.suffix.lower() == ".gz" else path.name
    return stem[: -len(suffix_of(path))] if suffix_of(path) else path.name


def table_of(path: Path, columns: Columns, say: Say) -> Table:
    """The rows of a folder, or of a file whose name ends in one of READERS, or in that and .gz. Raises InputError."""
    if path.is_dir():
        return read_folder(path, columns, say)
    suffix = suffix_of(path)
    if not suffix and path.suffix.lower() in PACKED:
        raise InputError(f"{path} is packed in a way that is not read; unpack it first.")
    if not suffix:
        raise InputError(f"{path} is none of {', '.join(READERS)} (or these with .gz); rename or convert it.")
    return READERS[suffix](path, columns, say)
