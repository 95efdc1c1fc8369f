"""`fenlei suggest`: which texts to label next, as a file that people and labelling tools open."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from handler.model import bundle as bundles
from handler.model.bundle import Manifest
from training.commands.options import Encoding, Sheet, TextColumn, columns_of, say
from training.data.formats.rows import Columns
from training.data.read import SEPARATOR
from training.errors import InputError

if TYPE_CHECKING:
    from training.judging.suggest import Suggested

# What Label Studio's configuration of a project calls the question and the text, unless it is told otherwise.
QUESTION, TEXT = "label", "text"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog="Example: fenlei suggest models/reviews unlabelled.jsonl -n 100 -o next.csv")(suggest)


def suggest(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a directory or a .tar.gz.")],
    file: Annotated[Path, typer.Argument(help="Texts without labels, of any format as for training.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="What to write: .csv, .jsonl (doccano), .json (Label Studio).")
    ],
    count: Annotated[int, typer.Option("-n", "--number", min=1, help="How many texts.")] = 100,
    labelled: Annotated[
        list[Path] | None, typer.Option(help="A file of texts that have labels, or get them; may be repeated.")
    ] = None,
    columns: Annotated[str, typer.Option(help="Column names of labelled files without a header: label,text")] = "",
    text_column: TextColumn = None,
    encoding: Encoding = "",
    sheet: Sheet = "",
    force: Annotated[bool, typer.Option(help="Replace the output if it is there.")] = False,
) -> None:
    """Choose the texts to label next: the model is unsure of them, and they are unlike each other and the labelled."""
    from handler.model.classifier import Classifier
    from training.judging import suggest as work

    if output.suffix.lower() not in WRITERS:
        raise InputError(f"{output} is none of {', '.join(WRITERS)}; give --output one of these suffixes.")
    if output.exists() and not force:
        raise InputError(f"{output} exists already; choose another --output, or give --force to replace it.")
    found = bundles.load(bundle)
    _check_suits(bundle, found.manifest)
    known = _texts(labelled or [], columns_of(columns, text_column, "", encoding, sheet=sheet))
    given = _texts([file], columns_of("", text_column, "", encoding, sheet=sheet))
    texts = [text for key, text in given.items() if key not in known]
    if count > len(texts):
        raise InputError(
            f"{file} holds {len(texts):,} texts, without copies and those that are labelled, fewer than -n {count}; "
            "ask for fewer, or give more texts."
        )
    chosen = work.suggest(Classifier(found), texts, list(known.values()), count)
    try:
        output.write_bytes(WRITERS[output.suffix.lower()](chosen, found.manifest))
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}; choose another --output.") from None
    say(f"{output}: {count:,} of {len(texts):,} texts to label")


def _check_suits(bundle: Path, manifest: Manifest) -> None:
    if manifest.task != "classify":
        raise InputError(f"{bundle} gives no labels (its task is {manifest.task}); suggest needs a bundle that does.")
    if not manifest.embedding_width:
        raise InputError(f"{bundle} has no embeddings, so it cannot tell which texts are alike; train it again.")


def _texts(paths: Sequence[Path], columns: Columns) -> dict[str, str]:
    """The texts of files, in order, without blank ones: of those that are alike the first, by what makes them so."""
    from training.data.files import read
    from training.data.split import core

    found: dict[str, str] = {}
    for path in paths:
        for example in read(path, columns, say=say):
            if example.text:
                found.setdefault(core(example.text), example.text)
    return found


def _csv(chosen: Sequence["Suggested"], _: Manifest) -> bytes:
    """A table with an empty column for the label; the mark at its beginning tells Excel that it is UTF-8."""
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(("text", "label", "guess", "confidence"))
    rows.writerows((one.text, "", SEPARATOR.join(one.labels), f"{one.confidence:.4f}") for one in chosen)
    return table.getvalue().encode("utf-8-sig")


def _jsonl(chosen: Sequence["Suggested"], _: Manifest) -> bytes:
    """doccano's JSONL; what is neither text nor label it keeps as data about the text."""
    rows = ({"text": one.text, "guess": SEPARATOR.join(one.labels), "confidence": one.confidence} for one in chosen)
    return msgspec.json.Encoder().encode_lines(rows)


def _json(chosen: Sequence["Suggested"], manifest: Manifest) -> bytes:
    """Label Studio's tasks, with what the model would say as predictions."""
    version = f"{manifest.name} {manifest.version[:8]}"
    tasks = []
    for one in chosen:
        choice = {"from_name": QUESTION, "to_name": TEXT, "type": "choices", "value": {"choices": one.labels}}
        prediction = {"model_version": version, "score": one.confidence, "result": [choice] if one.labels else []}
        tasks.append({"data": {TEXT: one.text}, "annotations": [], "predictions": [prediction]})
    return msgspec.json.format(msgspec.json.encode(tasks), indent=1) + b"\n"


WRITERS: dict[str, Callable[[Sequence["Suggested"], Manifest], bytes]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".json": _json,
}
