"""Files of labelled texts, of any format in formats/."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from training.data.formats.any_file import suffix_of, table_of
from training.data.formats.columns import find
from training.data.formats.parts import parts_of
from training.data.formats.rows import Columns, Missing, Say, place, silent, text_of
from training.data.labels import flagged, is_nothing, label_of
from training.data.read import Example, squeeze
from training.errors import InputError

ANY = Columns()


class Content(NamedTuple):
    """What a file holds: examples, texts whose label is missing, and the name of the column with the texts."""

    examples: list[Example]
    unlabelled: list[Example]
    text_column: str


def read(path: Path, columns: Columns = ANY, missing: Missing = Missing.STOP, say: Say = silent) -> list[Example]:
    """The examples of a file. Raises InputError that names the file and the line."""
    return read_content(path, columns, missing, say).examples


def read_content(path: Path, columns: Columns = ANY, missing: Missing = Missing.STOP, say: Say = silent) -> Content:
    """The examples of a file, and what else it holds. Raises InputError that names the file and the line."""
    opened = Opened(path, columns, missing, say)
    examples: list[Example] = []
    without: list[Example] = []
    for example, lacks in opened.rows():
        if not lacks:
            examples.append(example)
        elif missing is Missing.UNLABELLED:
            without.append(example)
    return Content(examples, without, opened.text_column)


class Opened:
    """A file whose columns are found: its rows can be read in a stream, and again."""

    def __init__(self, path: Path, columns: Columns, missing: Missing, say: Say) -> None:
        self._path, self._columns, self._missing, self._say = path, columns, missing, say
        if path.is_dir():
            _check_folder(path, columns)
        self._table = table_of(path, columns, say)
        self._found = find(path, self._table, columns, say)
        self.text_column = self._found.text if self._found.names else "text"

    def rows(self) -> Iterator[tuple[Example, bool]]:
        """Each example, and whether it has no label. Raises InputError that names the line, in the end for labels."""
        seen: dict[str, str] = {}
        count, first, spellings, headers = 0, 0, Counter[str](), list[int]()
        for number, row in self._found.rows():
            if self._found.repeated_in(row):
                headers.append(number)
                continue
            where = place(self._path, self._table, number)
            text = squeeze(text_of(where, row, self._found.text))
            label = _label(where, row, self._found.labels, self._columns.several)
            lacks = label is None or (is_nothing(label) and self._missing is not Missing.KEEP)
            kept = seen.setdefault(label or "", label or "")  # one string for all texts of a label
            count += 1
            if lacks:
                first = first or number
                spellings[kept] += 1
            yield Example(text, kept, number), lacks
        if headers:
            lines = ", ".join(f"{number:,}" for number in headers[:10])
            self._say(f"{self._path.name}: the header stands again in {self._table.unit} {lines}: left out")
        self._tell(count, first, spellings)

    def _tell(self, count: int, first: int, spellings: Counter[str]) -> None:
        lacking = spellings.total()
        told = ", ".join(f"{spelling or 'empty'} {times:,} times" for spelling, times in spellings.most_common(5))
        if lacking and self._missing in (Missing.STOP, Missing.KEEP):
            raise InputError(
                f"{place(self._path, self._table, first)} has no label, as {lacking:,} of {count:,} rows ({told}): "
                "leave them out with --missing drop, learn from their texts with --missing unlabelled, or take a word "
                "that stands there as a label with --missing keep."
            )
        if lacking:
            self._say(f"{self._path.name}: {lacking:,} rows have no label ({told}): {self._missing.said}")
        if lacking == count:
            raise InputError(f"{self._path} holds no labelled texts; give a file with the columns text and label.")


def _check_folder(path: Path, columns: Columns) -> None:
    """Raises InputError for a folder of tables, each of which would be taken for one text."""
    parts = [file for files in parts_of(path).values() for file in files]
    if parts:
        raise InputError(f"{path} holds texts in parts; name one of them, for example {parts[-1]}.")
    loose = (file for file in sorted(path.iterdir()) if file.is_file() and suffix_of(file) not in ("", ".txt"))
    if columns.label == "" and (table := next(loose, None)):
        raise InputError(f"{path} is a folder with {table.name} in it, a table and not a text; name that file.")


def _label(where: str, row: Mapping[str, object], columns: Sequence[str], several: bool) -> str | None:
    if not columns:
        return ""
    return flagged(where, row, columns, several) if len(columns) > 1 else label_of(where, row.get(columns[0]), several)
