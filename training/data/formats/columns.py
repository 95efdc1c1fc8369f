"""Which columns hold the texts and the labels: those that are named, or else those that plainly do."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from training.data.formats.look import Look, look_at
from training.data.formats.names import LABELS, TEXTS, called
from training.data.formats.rows import Columns, Row, Say, Table
from training.errors import InputError


class Found(NamedTuple):
    """The column with the texts, those with labels (several are of 0 and 1), and the rows they stand in, to call again.

    Where there is no header, the values of the first row are what tells the columns apart, and no `names`.
    """

    text: str
    labels: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]
    names: bool = True

    def repeated_in(self, row: Mapping[str, object]) -> bool:
        """Whether a row has the names of the columns, as where files with a header each were put together."""
        return bool(self.names and self.labels) and all(row.get(name) == name for name in (self.text, *self.labels))


def find(path: Path, table: Table, columns: Columns, say: Say) -> Found:
    """Finds what is not named, and says so unless it has its usual name. Raises InputError if nothing is plain."""
    if not table.names:
        return Found(columns.text or "text", (), lambda: iter(()))
    if table.nothing_to_find:
        return Found(table.names[0], () if columns.label == "" else table.names[1:2], table.rows)
    names = tuple(dict.fromkeys(table.names))
    text = _named(path, table, columns.text) if columns.text else called(names, "text", TEXTS)
    labels = _named_labels(path, table, columns)
    may_be_data = table.may_be_data and text is None and labels is None
    if text is None or labels is None:
        looks = look_at(table, columns.several)
        labels = _labels_by_look(path, looks, text, columns) if labels is None else labels
        text = text or _text_by_look(looks, labels)
        if text is None or labels is None:
            raise InputError(f"{path}: {_unplain(table, looks, text, labels)}")
        may_be_data = may_be_data and looks[labels[0]].has_its_name
    for name in (text, *labels):
        if table.names.count(name) > 1:
            raise InputError(f"{path}: the column {name!r} stands twice; give one of them another name.")
    if may_be_data:
        say(f"{path.name} has no header: {_option(table, text, labels[0])} names its columns")
        first: Row = (1, {name: name for name in names})
        return Found(text, labels, lambda: chain([first], table.rows()), names=False)
    if (columns.text is None and text != "text") or (columns.label is None and labels != ("label",)):
        say(f"{path.name}: {_told(text, labels)}")
    return Found(text, labels, table.rows)


def _named(path: Path, table: Table, name: str) -> str:
    if table.names and name not in table.names:
        raise InputError(
            f"{path} has no column {name!r}, only: {', '.join(table.names)[:200]}; name the columns with "
            "--text-column and --label-column, or with --columns label,text if there is no header."
        )
    return name


def _named_labels(path: Path, table: Table, columns: Columns) -> tuple[str, ...] | None:
    if columns.label is None:
        found = called(tuple(dict.fromkeys(table.names)), "label", LABELS)
        return (found,) if found else None
    parts = tuple(part.strip() for part in columns.label.split(","))
    if len(parts) > 1 and columns.label not in table.names:
        return tuple(_named(path, table, part) for part in parts)
    return (_named(path, table, columns.label),) if columns.label else ()


def _text_by_look(looks: Mapping[str, Look], labels: tuple[str, ...] | None) -> str | None:
    """The only column that looks like one of texts, or that there is beside the one with the labels."""
    others = [name for name in looks if name not in (labels or ())]
    texts = [name for name in others if looks[name].is_text]
    if labels and len(others) == 1:
        return others[0]
    return texts[0] if len(texts) == 1 else None


def _labels_by_look(
    path: Path, looks: Mapping[str, Look], text: str | None, columns: Columns
) -> tuple[str, ...] | None:
    """The only column that looks like one of labels, or all those of 0 and 1 if there are no others."""
    found = [name for name, look in looks.items() if name != text and look.is_label]
    if len(found) == 1:
        return (found[0],)
    if not found or not all(looks[name].is_flag for name in found):
        return None
    if not columns.several:
        raise InputError(
            f"{path}: the columns {', '.join(found)[:200]} hold 0 and 1; --multi-label takes each as a label, and "
            f"--label-column {shlex.quote(found[0])} only one."
        )
    return tuple(found)


def _unplain(table: Table, looks: Mapping[str, Look], text: str | None, labels: tuple[str, ...] | None) -> str:
    """Which columns there are, and what to type."""
    if len(looks) == 1 and table.may_be_data:
        name, look = next(iter(looks.items()))
        return (
            f"there is one column only, {name[:50]!r} (for example {look.example[:30]!r}); put a comma, a semicolon, a "
            "tab or | between texts and labels, or read it as texts without labels: --label-column ''."
        )
    shown = ", ".join(f"{name} (for example {look.example[:20]!r})" for name, look in looks.items())[:600]
    text = text or max(looks, key=lambda name: looks[name].length, default="text")
    several = [name for name, look in looks.items() if name != text and len(look.values) > 1]
    label = labels[0] if labels else min(several, key=lambda name: len(looks[name].values), default="label")
    headless = f", or, if the first line is no header: {_option(table, text, label)}" if table.may_be_data else ""
    return (
        f"which columns hold the texts and the labels is not plain; there are: {shown}; name them, for example: "
        f"--text-column {shlex.quote(text)} --label-column {shlex.quote(label)}{headless}."
    )


def _option(table: Table, text: str, label: str) -> str:
    names = [{text: "text", label: "label"}.get(name, f"column{n}") for n, name in enumerate(table.names, 1)]
    return f"--columns {','.join(names)}"


def _told(text: str, labels: tuple[str, ...]) -> str:
    told = f"texts from {text!r}"
    if labels:
        told += f", labels from {', '.join(map(repr, labels))[:200]}"
    return f"{told}; --text-column {'and --label-column name others' if labels else 'names another'}"
