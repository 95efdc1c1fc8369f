"""The command that trains: `fenlei train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from handler.model import bundle as bundles
from training.commands.extras import need
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
    say_needs,
    warn,
)
from training.data.formats.rows import Missing

if TYPE_CHECKING:
    from training.judging.outcome import Trained


def train(
    file: Annotated[
        Path | None, typer.Argument(metavar="[TRAIN]", help="Labelled texts: a table, an export, a folder.")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the bundle goes.")] = Path("model"),
    dataset: Annotated[str, typer.Option(help="A named data set instead of a file: reviews-zh")] = "",
    dev: Annotated[Path | None, typer.Option(help="Development texts; split off from TRAIN if not given.")] = None,
    test: Annotated[Path | None, typer.Option(help="Test texts; split off from TRAIN if not given.")] = None,
    columns: ColumnNames = "",
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = "",
    sheet: Sheet = "",
    missing: MissingLabels = Missing.STOP,
    merge_labels: MergeLabels = False,
    family: Annotated[str, typer.Option(help="Model family, or auto; hybrid (or cluster, encoder) if not given.")] = "",
    tokenizer: Annotated[str, typer.Option(help="char, bpe, unigram, mixed or letters; by default what suits.")] = "",
    task: Annotated[
        str, typer.Option(help="classify, regress (the labels are numbers) or cluster (no labels)")
    ] = "classify",
    multi_label: Annotated[bool, typer.Option(help="A text may carry several labels: label|label")] = False,
    unlabelled: Annotated[
        Path | None, typer.Option(help="Texts without labels, for self-training, or for --teacher to answer.")
    ] = None,
    teacher: Annotated[Path | None, typer.Option(help="A bundle whose answers are learned, not the labels.")] = None,
    clusters: Annotated[int, typer.Option(min=2, help="How many groups --task cluster makes.")] = 10,
    quantize: Annotated[str, typer.Option(help="none, float16, dynamic or int8")] = "dynamic",
    all_quantizations: Annotated[bool, typer.Option(help="Compare every quantisation in the report.")] = False,
    time_budget: Annotated[float, typer.Option(min=1, help="Stop training after so many seconds.")] = float("inf"),
    log_directory: Annotated[Path | None, typer.Option(help="Write TensorBoard events there.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Keep the state there; go on from it if it is there.")] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(help="The pre-trained encoder to start from: a directory, or owner/name[@revision] of a hub."),
    ] = None,
    tune: Annotated[
        str, typer.Option(help="What of an encoder is trained: none, head, all, or its top N layers.")
    ] = "all",
    layers: Annotated[
        int | None, typer.Option(min=1, help="Keep so many of an encoder's layers, the lower ones; else all.")
    ] = None,
    pieces: Annotated[
        int | None,
        typer.Option(min=1, help="Keep so many pieces of an encoder's vocabulary; else what suits the texts."),
    ] = None,
    max_megabytes: Annotated[
        float | None,
        typer.Option(min=0.1, help="--family auto takes no family whose model is larger; of an encoder fewer pieces."),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(min=8, help="Read so many tokens of a text at most; else what most need, 1,024 or fewer."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="How often each text is trained on, at most; else as suits the family."),
    ] = None,
    refit: Annotated[bool, typer.Option(help="In the end, train on the development texts too.")] = True,
    precision: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="The share of certain answers that should be right.")
    ] = 0.9,
    class_weight: Annotated[
        str, typer.Option(help="auto, balanced (each label counts the same) or none (each text does)")
    ] = "auto",
    separator: Annotated[
        str, typer.Option(help="Labels are paths, with this between their levels: / of news/sport/football.")
    ] = "",
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="The same seed gives the same model on one Python.")
    ] = 0,
    name: Annotated[str, typer.Option(help="Name of the model; by default that of the output.")] = "",
    strict: Annotated[bool, typer.Option(help="Stop if training texts leak into a held-out set.")] = False,
    force: Annotated[bool, typer.Option(help="Replace a bundle that is there already.")] = False,
    json: Json = False,
) -> None:
    """Train a classifier on labelled texts and write it as a bundle."""
    need("encoder" if checkpoint else "train")

    from training.learning.job import Controls
    from training.learning.plan import Progress
    from training.options import Model, Options, Texts, make_plan
    from training.texts import read_data

    written = columns_of(columns, text_column, label_column, encoding, multi_label, sheet)
    options = Options(
        texts=Texts(file, dataset, dev, test, unlabelled, written, missing, merge_labels, strict),
        model=Model(family, tokenizer, checkpoint, tune, epochs, layers, pieces, max_tokens, max_megabytes),
        task=task,
        multi_label=multi_label,
        clusters=clusters,
        teacher=teacher,
        refit=refit,
        seed=seed,
        precision=precision,
        class_weight=class_weight,
        separator=separator,
        quantization=quantize,
        all_quantizations=all_quantizations,
        name=name,
        output=output,
        force=force,
        time_budget=time_budget,
        log_directory=log_directory,
        resume=resume,
    )
    plan = make_plan(options)
    status = messages.status("loading TensorFlow")

    def step(said: str) -> None:
        status.update(f"{said} …")

    progress = Progress(step, say, warn, Controls(_tell_epoch, tell=step))
    data = read_data(options, plan.family, progress)
    with status:
        from training.run import run  # only now: whoever gave a wrong file need not wait for it

        trained = run(options, plan, data, progress)
    _show(output, trained, json)


def _tell_epoch(epoch: int, record: dict[str, float]) -> None:
    figures = [f"{name.replace('_', ' ')} {value:.4f}" for name, value in record.items()]
    messages.print(f"epoch {epoch + 1}: {', '.join(figures)}")


def _show(output: Path, trained: "Trained", json: bool) -> None:
    from training.judging.outcome import certainty

    manifest = trained.bundle.manifest
    if json:
        result = {
            "bundle": str(output),
            "version": manifest.version,
            "bytes": manifest.files[bundles.MODEL].size,
            "seconds": round(trained.seconds, 1),
            "metrics": manifest.metrics or None,
            "parity": trained.parity,
            "cross_validated": trained.crossed,
            "settings": trained.settings,
            "needs": manifest.needs,
        }
        print(msgspec.json.encode(result).decode())
        return
    print(f"{output}  version {manifest.version[:12]}  {manifest.files[bundles.MODEL].size / 1e6:.2f} MB")
    if trained.crossed:
        print(trained.crossed.sentence)
    if trained.evaluation:
        print(", ".join(f"{name} {value:g}" for name, value in trained.evaluation.summary.items()))
    else:
        print("no held-out score: no test texts were held out")
    if manifest.task == "classify":
        print(certainty(manifest))
    if manifest.needs:
        print(f"needs: {say_needs(manifest.needs)}")
    print(f"report: {output / 'report.html'}")
