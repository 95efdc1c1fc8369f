"""Another model without a deployment: `fenlei publish` moves a registry's pointer, `fenlei rollback` moves it back."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from training.commands.options import ColumnNames, Encoding, Json, LabelColumn, TextColumn, columns_of, say
from training.data.formats.rows import Missing
from training.errors import InputError, WorkError

if TYPE_CHECKING:
    from handler.model.bundle import Bundle
    from handler.model.pointer import Pointer
    from training.data.read import Example

SignWith = Annotated[
    str,
    typer.Option(metavar="KEY", help="The KMS key that signs the pointer; by default the one that signed it so far."),
]
Registry = Annotated[str, typer.Argument(metavar="S3", help="The registry: s3://bucket/models/NAME/")]
# What --at-least compares: by task, a figure that is better the higher it is.
FIGURES = {"classify": "macro_f1", "regress": "r2", "cluster": "normalized_mutual_information"}


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(epilog="Example: fenlei publish models/reviews s3://bucket/models/reviews/ --share 10")(publish)
    app.command(epilog="Example: fenlei rollback s3://bucket/models/reviews/")(rollback)


def publish(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a directory or a .tar.gz.")],
    registry: Registry,
    share: Annotated[int, typer.Option(min=1, max=100, help="Percent of requests that it answers.")] = 100,
    at_least: Annotated[
        Path | None, typer.Option(help="Labelled texts on which it must be no worse than what serves now.")
    ] = None,
    columns: ColumnNames = "",
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = "",
    sign_with: SignWith = "",
    json: Json = False,
) -> None:
    """Let a bundle answer from functions that follow a registry, within a minute and without a deployment."""
    from handler.model import bundle as bundles
    from training.data.files import read
    from training.shipping import registry as work

    where, found = work.place(registry), bundles.load(bundle)
    _check_replays(bundle, found)
    before, metrics = work.find(where), found.manifest.metrics
    if at_least:
        several = found.manifest.activation == "independent"
        read_as = columns_of(columns, text_column, label_column, encoding, several)
        examples = read(at_least, read_as, Missing.STOP, say)
        metrics = _measured(found, examples, at_least)
        if before.pointer:
            now = work.fetched(where, before.pointer.serving[0])
            _check_no_worse(found, metrics, _measured(now, examples, at_least), at_least)
    _tell(registry, work.publish(where, found, share, metrics, before, sign_with), json)


def rollback(registry: Registry, sign_with: SignWith = "", json: Json = False) -> None:
    """Let answer again what answered before the last publishing, within a minute."""
    from training.shipping import registry as work

    where = work.place(registry)
    _tell(registry, work.roll_back(where, work.find(where), sign_with), json)


def _check_replays(path: Path, bundle: "Bundle") -> None:
    from handler.model.classifier import Classifier
    from handler.model.golden import healthy, replay

    replayed = replay(Classifier(bundle), bundle.golden())
    if not healthy(replayed):
        raise WorkError(
            f"{path} gives {replayed.same_answers} of its {replayed.texts} golden texts the answer that they had in "
            "training, so it was not published; train it again."
        )


def _measured(bundle: "Bundle", examples: "Sequence[Example]", path: Path) -> dict[str, float]:
    from handler.model.classifier import Classifier
    from training.judging.evaluate import evaluate

    return evaluate(Classifier(bundle), examples, str(path)).summary


def _check_no_worse(bundle: "Bundle", new: dict[str, float], now: dict[str, float], path: Path) -> None:
    figure = FIGURES[bundle.manifest.task]
    if figure not in now:
        raise InputError(f"What serves now was made for another task, so that {path} compares nothing.")
    if new[figure] < now[figure]:
        raise WorkError(
            f"On {path} its {figure} is {new[figure]:g}, and that of what serves now is {now[figure]:g}; "
            "it was not published."
        )


def _tell(registry: str, pointer: "Pointer", json: bool) -> None:
    if json:
        print(msgspec.json.encode(pointer).decode())
        return
    for one in pointer.serving:
        print(f"{one.weight:>3} %  {pointer.name} {one.version}")
    say(f"Functions that follow {registry} take this up within a minute; their /health says when.")
