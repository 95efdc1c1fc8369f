"""What the commands share: options, and the console for all that is not a result."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from handler.model.bundle import Needs

if TYPE_CHECKING:
    from training.data.formats.rows import Columns

messages = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
TextColumn = Annotated[str, typer.Option(help="Name of the column with the texts.")]
LabelColumn = Annotated[str, typer.Option(help="Name of the column with the labels.")]
ColumnNames = Annotated[
    str, typer.Option("--columns", help="Column names of files without a header, for example: label,text")
]


def columns_of(names: str, text: str, label: str) -> "Columns":
    from training.data.formats.rows import Columns

    return Columns(text, label, tuple(name.strip() for name in names.split(",") if name.strip()))


def say(text: str) -> None:
    messages.print(text, soft_wrap=True, markup=False)


def warn(text: str) -> None:
    say(f"warning: {text}")


def say_needs(needs: Needs) -> str:
    return (
        f"{needs.megabytes} MB of memory, {needs.start:g} s to the first answer, "
        f"{needs.slowest:g} s for 32 of the longest texts"
    )
