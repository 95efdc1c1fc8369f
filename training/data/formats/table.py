"""Tables of separated values: .csv, .tsv and .txt, with commas, semicolons or tabs between."""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from training.data.formats.lines import chosen_encoding, lines
from training.data.formats.names import check_no_header
from training.data.formats.rows import Columns, Row, Say, Table
from training.errors import InputError

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
# So many rows tell what separates.
SAMPLE_ROWS = 50
# With which Excel says in the first line what separates.
_HINT = re.compile(r'"?sep=(.)"?')
_FIELD = r'(?:"(?:[^"]|"")*+"|[^"\t\r\n]*+)'
_RECORD = re.compile(rf"{_FIELD}(?:\t{_FIELD})*+")


def read_csv(path: Path, columns: Columns, say: Say) -> Table:
    """A table whose name says that commas separate. Raises InputError."""
    return read_table(path, chosen_encoding(path, columns.encoding, say), columns, ",", say)


def read_tsv(path: Path, columns: Columns, say: Say) -> Table:
    """A table whose name says that tabs separate. Raises InputError."""
    return read_table(path, chosen_encoding(path, columns.encoding, say), columns, "\t", say)


def read_table(path: Path, encoding: str, columns: Columns, usual: str, say: Say) -> Table:
    """A table, with the usual separator unless only another one cuts each row in as many pieces. Raises InputError."""
    csv.field_size_limit(2**31 - 1)
    if next(iter(lines(path, encoding)), "").startswith(('{"', '[{"')):
        raise InputError(f"{path} holds JSON, whatever its name says; name it .jsonl.")
    separator = _separator(path, encoding, usual)
    if separator != usual:
        say(f"{path.name} has {SEPARATORS[separator]} between its columns")
    dialect = _dialect(separator, separator != "\t" or _quoted(_lines(path, encoding)))
    dialect = _as_it_quotes(path, encoding, dialect)

    def rows() -> Iterator[Row]:
        return _rows(path, encoding, dialect, columns.names)

    first = _names(path, encoding, dialect)
    check_no_header(path, first, columns)
    return Table(columns.names or first, rows, may_be_data=not columns.names)


def _dialect(separator: str, quotes: bool) -> type[csv.Dialect]:
    class Dialect(csv.excel):
        delimiter = separator
        quoting = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
        strict = True

    return Dialect


def _as_it_quotes(path: Path, encoding: str, dialect: type[csv.Dialect]) -> type[csv.Dialect]:
    """The dialect, with single quotes if all names are in such, and with spaces before quotes if all of these close."""
    try:
        sample = list(islice(filter(None, csv.reader(_lines(path, encoding), dialect)), SAMPLE_ROWS))
    except csv.Error:
        return dialect
    quoted = [field for row in sample for field in row if field.startswith(' "')]

    class Quoting(dialect):  # type: ignore[misc, valid-type]
        quotechar = "'" if sample and all(re.fullmatch("'[^']+'", name.strip()) for name in sample[0]) else '"'
        skipinitialspace = bool(quoted) and all(re.fullmatch(' +"[^"]*"', field) for field in quoted)

    return Quoting


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """The lines, with an empty one in place of a hint of Excel's."""
    for number, line in enumerate(lines(path, encoding), 1):
        yield "\n" if number == 1 and _HINT.fullmatch(line.rstrip("\r\n")) else line


def _separator(path: Path, encoding: str, usual: str) -> str:
    for separator in (usual, *(other for other in SEPARATORS if other != usual)):
        try:
            sample = islice(csv.reader(_lines(path, encoding), _dialect(separator, separator != "\t")), SAMPLE_ROWS)
            widths = {len(row) for row in sample if row}
        except csv.Error:
            continue
        if len(widths) == 1 and widths.pop() > 1:
            return separator
    return usual


def _quoted(source: Iterable[str]) -> bool:
    """Whether quotes in a table with tabs are those of its writer, as of the csv module and pandas, and not the text's.

    Such a writer puts quotes around each field that holds one, so that no other field has any.
    """
    found, record = False, ""
    for line in source:
        if not record and '"' not in line:
            continue
        record += line
        if record.count('"') % 2:
            continue  # within a text of several lines, or else no line to come will do
        if not _RECORD.fullmatch(record.rstrip("\r\n")):
            return False
        found, record = True, ""
    return found and not record


def _names(path: Path, encoding: str, dialect: type[csv.Dialect]) -> tuple[str, ...]:
    try:
        return tuple(name.strip() for name in next(filter(None, csv.reader(_lines(path, encoding), dialect)), []))
    except csv.Error as error:
        raise InputError(f"{path} line 1 is no header: {error}.") from None


def _rows(path: Path, encoding: str, dialect: type[csv.Dialect], names: tuple[str, ...]) -> Iterator[Row]:
    reader = csv.reader(_lines(path, encoding), dialect)
    try:
        names = names or tuple(name.strip() for name in next(filter(None, reader), []))
        for row in reader:
            if not any(row):
                continue
            if len(row) < len(names) or any(row[len(names) :]):
                raise InputError(
                    f"{path} line {reader.line_num} has {len(row)} fields instead of {len(names)}; "
                    "check its separators and quotes."
                )
            yield reader.line_num, dict(zip(names, row, strict=False))
    except csv.Error as error:
        raise InputError(
            f"{path} line {reader.line_num} is not valid {'TSV' if dialect.delimiter == chr(9) else 'CSV'}: {error}."
        ) from None
