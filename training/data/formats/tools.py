"""The labelling tools whose exports are known by their first record: a file a tool."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from training.data.formats import argilla, doccano, ground_truth, label_studio, prodigy, spacy
from training.data.formats.rows import Columns, Row, Say
from training.errors import InputError

Record: TypeAlias = Mapping[str, object]


class Tool(NamedTuple):
    """`knows` a record by its keys, and makes `rows` of all of them, with the columns text and label."""

    name: str
    knows: Callable[[Record], bool]
    rows: Callable[[Path, Iterator[Row], Columns, Say], Iterator[Row]]


TOOLS = (
    Tool("Label Studio", label_studio.knows, label_studio.rows),
    Tool("Prodigy", prodigy.knows, prodigy.rows),
    Tool("Argilla", argilla.knows, argilla.rows),
    Tool("spaCy", spacy.knows, spacy.rows),
    Tool("Ground Truth", ground_truth.knows, ground_truth.rows),
    Tool("doccano", doccano.knows, doccano.rows),
)


def tool_of(record: Record) -> Tool | None:
    """The tool that wrote a record, if it is one of those known."""
    return next((tool for tool in TOOLS if tool.knows(record)), None)


def exported(tool: Tool, path: Path, records: Iterator[Row], columns: Columns, say: Say) -> Iterator[Row]:
    """The rows that a tool exported. Raises InputError for a record that it never wrote."""
    last = 0

    def watched() -> Iterator[Row]:
        nonlocal last
        for row in records:
            last = row[0]
            yield row

    try:
        yield from tool.rows(path, watched(), columns, say)
    except (AttributeError, IndexError, KeyError, TypeError):
        raise InputError(
            f"{path} is written as {tool.name} does at first, and otherwise in record {last}; export it again, or "
            "convert it to a table with the columns text and label."
        ) from None
