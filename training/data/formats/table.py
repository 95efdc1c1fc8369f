"""Tables of separated values: .csv and .tsv."""

import csv
from collections.abc import Iterator
from pathlib import Path

from training.data.formats.lines import lines
from training.data.formats.rows import Columns, Row
from training.errors import InputError


class _Csv(csv.excel):
    strict = True


class _Tsv(csv.excel_tab):
    quoting = csv.QUOTE_NONE


def read_csv(path: Path, columns: Columns) -> Iterator[Row]:
    """The rows of a table with commas, its quotes as RFC 4180 has them. Raises InputError."""
    return _rows(path, _Csv, columns, "CSV")


def read_tsv(path: Path, columns: Columns) -> Iterator[Row]:
    """The rows of a table with tabs, in which a quote is a quote. Raises InputError."""
    return _rows(path, _Tsv, columns, "TSV")


def _rows(path: Path, dialect: type[csv.Dialect], columns: Columns, kind: str) -> Iterator[Row]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(lines(path), dialect)
    try:
        names = list(columns.names) or [name.strip() for name in next(reader, [])]
        for wanted in (columns.text, columns.label):
            if names and wanted and wanted not in names:
                raise InputError(
                    f"{path} has no column {wanted!r}, only: {', '.join(names)[:200]}; name the columns with "
                    "--text-column and --label-column, or with --columns label,text if there is no header."
                )
        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                raise InputError(
                    f"{path} line {reader.line_num} has {len(row)} fields instead of {len(names)}; "
                    "check its separators and quotes."
                )
            yield reader.line_num, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise InputError(f"{path} line {reader.line_num} is not valid {kind}: {error}.") from None
