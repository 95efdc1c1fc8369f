"""What the commands share: options, and the console for all that is not a result."""

from typing import Annotated

import typer
from rich.console import Console

from handler.model.bundle import Needs
from training.data.formats.rows import Columns, Missing

messages = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
TextColumn = Annotated[str | None, typer.Option(help="Name of the column with the texts; found if it is plain.")]
LabelColumn = Annotated[
    str | None, typer.Option(help="Name of the column with the labels; found if it is plain; empty: there is none.")
]
ColumnNames = Annotated[
    str, typer.Option("--columns", help="Column names of files without a header, for example: label,text")
]
Encoding = Annotated[str, typer.Option(help="Encoding of the files, for example gb18030; found if it is plain.")]
Sheet = Annotated[str, typer.Option(help="Name of a workbook's sheet; found if it is plain.")]
MissingLabels = Annotated[
    Missing, typer.Option(help="Rows without a label: stop, drop, unlabelled (learn from the texts), keep (the word).")
]
MergeLabels = Annotated[bool, typer.Option("--merge-labels", help="Make labels one that likely are: Yes and yes.")]


def columns_of(
    names: str, text: str | None, label: str | None, encoding: str, several: bool = False, sheet: str = ""
) -> Columns:
    """What the options say of files."""
    given = tuple(name.strip() for name in names.split(",") if name.strip())
    return Columns(text, label, given, encoding, several, sheet)


def say(text: str) -> None:
    messages.print(text, soft_wrap=True, markup=False)


def warn(text: str) -> None:
    say(f"warning: {text}")


def say_needs(needs: Needs) -> str:
    return (
        f"{needs.megabytes} MB of memory, {needs.start:g} s to the first answer, "
        f"{needs.slowest:g} s for 32 of the longest texts"
    )
