"""The command that splits a file, however large: `fenlei split`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from training.commands.options import (
    ColumnNames,
    Encoding,
    Json,
    LabelColumn,
    MergeLabels,
    MissingLabels,
    Sheet,
    TextColumn,
    columns_of,
    messages,
    say,
    warn,
)
from training.data.formats.rows import Missing
from training.data.read import Example, Kind
from training.errors import InputError


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog="Example: fenlei split huge.csv.gz -o parts; then: fenlei train parts")(split)


def split(
    file: Annotated[Path, typer.Argument(help="Labelled texts, as for training.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where train.csv, ... go.")],
    columns: ColumnNames = "",
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = "",
    sheet: Sheet = "",
    missing: MissingLabels = Missing.STOP,
    merge_labels: MergeLabels = False,
    multi_label: Annotated[bool, typer.Option(help="A text may carry several labels: label|label")] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The same seed gives the same parts.")] = 0,
    json: Json = False,
) -> None:
    """Split a file of any size into train.csv, dev.csv and test.csv, as training would, in little memory.

    Copies are left out, and so are texts with two labels; a tenth of each label is held out for dev and for test.
    """
    from training.data import streamed
    from training.data.files import Opened
    from training.data.labels import alike, merged, say_alike

    _check_output(output)
    kind = Kind.LABELS if multi_label else Kind.LABEL
    opened = Opened(file, columns_of(columns, text_column, label_column, encoding, multi_label, sheet), missing, say)
    with messages.status("reading") as status:
        told = streamed.look(opened, kind, str(file))
        groups = alike(streamed.counts_of(told, kind))

        def spell(label: str) -> str:
            known = merged([Example("", label)], groups)[0].label if merge_labels else label
            return kind.canonical(known)

        for group in () if merge_labels else groups:
            warn(say_alike(group))
        where, found = streamed.places(streamed.merge(told, spell), kind, seed, missing)
        status.update("writing")
        streamed.write(opened, where, spell, output)
    if json:
        print(msgspec.json.encode(found._asdict()).decode())
        return
    for count, what in (
        (found.duplicates, "copies of other texts, but for case, width, spaces and punctuation"),
        (found.conflicting, "rows whose text, or one alike, carries two labels"),
        (found.blank, "blank rows"),
    ):
        if count:
            say(f"left out: {count:,} {what}")
    print(f"{found.read:>9,} rows, {len(found.labels)} labels")
    for part, count in found.parts.items():
        if count:
            print(f"{count:>9,} {output / part}.csv")


def _check_output(output: Path) -> None:
    """Before all work. Raises InputError if parts are there, or nothing can be."""
    from training.data.streamed import PARTS

    there = next((path for part in PARTS if (path := output / f"{part}.csv").exists()), None)
    if there:
        raise InputError(f"{there} exists already; choose another --output.")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output} cannot be made: {error.strerror}; choose another --output.") from None
