"""Parquet, and Arrow, in which Hugging Face's datasets are saved: .parquet, .arrow, .feather."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from training.data.formats.packed import first_line, opened
from training.data.formats.rows import Columns, Row, Say, Table, simple
from training.errors import InputError

AT_ONCE = 1000  # rows
ARROW_FILE = b"ARROW1"


def read_parquet(path: Path, columns: Columns, say: Say) -> Table:
    """The rows of a file. Raises InputError."""
    del columns, say
    if find_spec("pyarrow") is None:
        raise InputError(
            f"{path} is read with pyarrow, which is not installed; install it with: pip install 'fenlei[parquet]'"
        )
    with _batches(path) as (schema, _):
        return Table(tuple(schema.names), partial(_rows, path), "row")


@contextmanager
def _batches(path: Path) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The schema of a file and its rows, some at once."""
    import pyarrow
    from pyarrow import ipc, parquet

    with opened(path) as file:
        try:
            if ".parquet" in path.suffixes:
                whole = parquet.ParquetFile(file)
                yield whole.schema_arrow, whole.iter_batches(AT_ONCE)
                return
            begin = file.read(len(ARROW_FILE))
            file.seek(0)
            if begin == ARROW_FILE:
                several = ipc.open_file(file)
                yield several.schema, map(several.get_batch, range(several.num_record_batches))
            else:
                stream = ipc.open_stream(file)
                yield stream.schema, iter(stream)
        except (pyarrow.ArrowException, UnicodeDecodeError) as error:
            raise InputError(f"{path} is damaged, or of another format: {first_line(error)}.") from None


def _rows(path: Path) -> Iterator[Row]:
    number = 0
    with _batches(path) as (schema, batches):
        classes = _classes(schema.metadata or {})
        for batch in batches:
            for record in batch.to_pylist():
                number += 1
                yield number, {name: _named(simple(value), classes.get(name)) for name, value in record.items()}


def _classes(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """The names of the classes of columns that Hugging Face's datasets have as numbers."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        found = {name: feature.get("feature", feature) for name, feature in features.items()}
        return {name: feature["names"] for name, feature in found.items() if feature.get("_type") == "ClassLabel"}
    except (KeyError, ValueError, AttributeError, TypeError):
        return {}


def _named(value: Any, names: list[str] | None) -> Any:
    """A class by its name; -1 is none."""
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [names[one] for one in value]
    return names[value] if 0 <= value < len(names) else None
