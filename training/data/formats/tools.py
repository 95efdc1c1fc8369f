"""The labelling tools whose exports are known by their first record: a file a tool."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from training.data.formats import argilla, doccano, ground_truth, label_studio, prodigy, spacy
from training.data.formats.rows import Columns, Row, Say

Record: TypeAlias = Mapping[str, object]


class Tool(NamedTuple):
    """`knows` a record by its keys, and gives `rows` with the columns of `names`."""

    knows: Callable[[Record], bool]
    rows: Callable[[Path, Iterator[Row], Columns, Say], Iterator[Row]]


TOOLS = (
    Tool(label_studio.knows, label_studio.rows),
    Tool(prodigy.knows, prodigy.rows),
    Tool(argilla.knows, argilla.rows),
    Tool(spacy.knows, spacy.rows),
    Tool(ground_truth.knows, ground_truth.rows),
    Tool(doccano.knows, doccano.rows),
)


def tool_of(record: Record) -> Tool | None:
    """The tool that wrote a record, if it is one of those known."""
    return next((tool for tool in TOOLS if tool.knows(record)), None)
