"""Files of labelled texts, of any format in formats/."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from training.data.formats.any_file import table_of
from training.data.formats.columns import find
from training.data.formats.rows import Columns, Missing, Say, Table, place, silent, text_of
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
    table = table_of(path, columns, say)
    found = find(path, table, columns, say)
    examples: list[Example] = []
    without: list[Example] = []
    seen: dict[str, str] = {}
    for number, row in found.rows:
        where = place(path, table, number)
        text = squeeze(text_of(where, row, found.text))
        label = _label(where, row, found.labels, columns.several)
        lacks = label is None or (is_nothing(label) and missing is not Missing.KEEP)
        kept = seen.setdefault(label or "", label or "")  # one string for all texts of a label
        (without if lacks else examples).append(Example(text, kept, number))
    if without and missing in (Missing.STOP, Missing.KEEP):
        raise InputError(_stopped(path, table, without, len(examples) + len(without)))
    if without:
        say(f"{path.name}: {len(without):,} rows have no label ({_spellings(without)}): {missing.said}")
    if not examples:
        raise InputError(f"{path} holds no labelled texts; give a file with the columns text and label.")
    return Content(examples, without if missing is Missing.UNLABELLED else [], found.text if found.names else "text")


def _label(where: str, row: Mapping[str, object], columns: Sequence[str], several: bool) -> str | None:
    if not columns:
        return ""
    return flagged(where, row, columns, several) if len(columns) > 1 else label_of(where, row.get(columns[0]), several)


def _stopped(path: Path, table: Table, without: Sequence[Example], rows: int) -> str:
    return (
        f"{place(path, table, without[0].line)} has no label, as {len(without):,} of {rows:,} rows "
        f"({_spellings(without)}): leave them out with --missing drop, learn from their texts with --missing "
        "unlabelled, or take a word that stands there as a label with --missing keep."
    )


def _spellings(without: Sequence[Example]) -> str:
    counts = Counter(example.label for example in without)
    return ", ".join(f"{spelling or 'empty'} {count:,} times" for spelling, count in counts.most_common(5))
