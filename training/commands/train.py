"""The command that trains: `fenlei train`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from handler.model import bundle as bundles
from training.commands.extras import need
from training.commands.options import ColumnNames, Json, LabelColumn, TextColumn, columns_of, messages, say_needs, warn
from training.errors import InputError


def train(
    file: Annotated[Path | None, typer.Argument(metavar="[TRAIN]", help="A .csv, .tsv or .jsonl file.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the bundle goes.")] = Path("model"),
    dataset: Annotated[str, typer.Option(help="A named data set instead of a file: reviews-zh")] = "",
    dev: Annotated[Path | None, typer.Option(help="Development texts; split off from TRAIN if not given.")] = None,
    test: Annotated[Path | None, typer.Option(help="Test texts; split off from TRAIN if not given.")] = None,
    columns: ColumnNames = "",
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    family: Annotated[str, typer.Option(help="Model family, or auto; hybrid (or cluster) if not given.")] = "",
    tokenizer: Annotated[str, typer.Option(help="char, bpe, unigram or mixed; by default what suits the family.")] = "",
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
        Path | None, typer.Option(help="The pre-trained encoder that --family encoder or cluster starts from.")
    ] = None,
    tune: Annotated[str, typer.Option(help="What of an encoder is trained: head, all, or its top N layers.")] = "all",
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="How often each text is trained on, at most; else as suits the family."),
    ] = None,
    refit: Annotated[bool, typer.Option(help="In the end, train on the development texts too.")] = True,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The same seed gives the same model.")] = 0,
    name: Annotated[str, typer.Option(help="Name of the model; by default that of the output.")] = "",
    strict: Annotated[bool, typer.Option(help="Stop if training texts leak into a held-out set.")] = False,
    force: Annotated[bool, typer.Option(help="Replace a bundle that is there already.")] = False,
    json: Json = False,
) -> None:
    """Train a classifier on labelled texts and write it as a bundle."""
    from training.data.audit import audit, check_strict
    from training.data.datasets import read_dataset
    from training.data.read import make_splits, read
    from training.learning.tasks import check_task
    from training.shipping import bundles as writing
    from training.shipping.convert import check_quantization

    need("encoder" if checkpoint else "train")
    if (file is None) == (not dataset):
        raise InputError("Give either a file with labelled texts or --dataset NAME, and not both.")
    kind = check_task(task, multi_label)
    chosen = _with_epochs(_family(family, task, tokenizer, checkpoint, tune), family, epochs)
    check_quantization(quantize)
    writing.check_destination(output, force)
    writing.check_directories({"--resume": resume, "--log-directory": log_directory})
    names = columns_of(columns, text_column, label_column)
    rows = read(file, names) if file else read_dataset(dataset)
    splits = make_splits(rows, read(dev, names) if dev else None, read(test, names) if test else None, seed, kind)
    found = audit(splits)
    _tell_audit(splits, found)
    if strict:
        check_strict(found)

    from training.learning.job import Controls
    from training.learning.options import Options

    options = Options(
        name=name or output.name,
        family=chosen,
        quantization=quantize,
        seed=seed,
        source=file.name if file else dataset,
        task=task,
        multi_label=multi_label,
        refit=refit,
        all_quantizations=all_quantizations,
        clusters=clusters,
        text_column=text_column,
    )
    controls = Controls(_tell_epoch, time.monotonic() + time_budget, log_directory, resume)
    texts = read(unlabelled, names._replace(label="")) if unlabelled else []
    automatic = family == "auto" and task != "cluster"
    with messages.status("loading TensorFlow") as status:
        trained = _trained(options, splits, texts, teacher, controls, automatic, checkpoint is None, status.update)
        status.update("measuring what it needs …")
        bundle = _written(trained, found, output)
    _show_training(output, bundle, trained, json)


def _trained(
    options: Any,
    splits: Any,
    texts: list[Any],
    teacher: Path | None,
    controls: Any,
    automatic: bool,
    portable: bool,
    update: Callable[[str], None],
) -> Any:
    """Chooses the family if that is left to us, asks the teacher or the model itself about unlabelled texts, trains."""
    from training.choose import choose_family, self_train
    from training.learning.fit import load_tensorflow
    from training.learning.options import Progress
    from training.train import train as run

    load_tensorflow(portable)  # an encoder trains three times as fast with oneDNN
    progress = Progress(lambda text: update(f"{text} …"), warn, controls)
    if automatic:
        options, reason = choose_family(options, splits, progress)
        messages.print(f"auto: {reason}", soft_wrap=True)
    outcome: dict[str, float] = {}
    if teacher:
        options, splits, outcome = _ask_teacher(teacher, options, splits, texts, progress)
    elif texts:
        splits, outcome = self_train(options, splits, texts, progress)
        messages.print(f"self-training: {outcome}", soft_wrap=True)
    trained = run(options, splits, progress)
    trained.settings.update(outcome)
    if "teacher_accuracy" in outcome and trained.evaluation:
        kept = trained.evaluation.summary["accuracy"] / max(outcome["teacher_accuracy"], 1e-9)
        trained.settings["share_of_the_teacher_s_accuracy_kept"] = round(kept, 4)
    return trained


def _written(trained: Any, found: Any, output: Path) -> bundles.Bundle:
    from training.judging import report
    from training.shipping import bundles as writing
    from training.shipping.needs import measured

    return writing.write(measured(trained.bundle), report.documents(trained, found), output)


def _family(name: str, task: str, tokenizer: str, checkpoint: Path | None, tune: str) -> Any:
    """The family that the options name, with what it starts from. Raises InputError if they do not fit together."""
    from training.data.tokenizer import check_kind
    from training.families import get_family
    from training.families.encoder import start_from

    default = "cluster" if task == "cluster" else "encoder" if checkpoint else "hybrid"
    chosen = get_family(default if name in ("", "auto") else name)
    if (chosen.name == "cluster") != (task == "cluster"):
        raise InputError("--task cluster and --family cluster belong together; give both or neither.")
    if chosen.name == "encoder" and not checkpoint:
        raise InputError("--family encoder starts from a pre-trained one; name its directory with --checkpoint.")
    if checkpoint and (name == "auto" or chosen.name not in ("encoder", "cluster")):
        raise InputError(f"--checkpoint is for --family encoder and cluster, not for {name}; leave one out.")
    if checkpoint and tokenizer:
        raise InputError("--checkpoint brings a tokenizer along; leave --tokenizer out.")
    if checkpoint:
        return start_from(chosen, checkpoint, tune)
    return chosen._replace(tokenizer=check_kind(tokenizer)) if tokenizer else chosen


def _with_epochs(family: Any, name: str, epochs: int | None) -> Any:
    """The family with so many epochs. Raises InputError if it is not trained by epochs, or not chosen yet."""
    if epochs is None:
        return family
    if name == "auto" or not family.epochs:
        raise InputError(
            f"--epochs is for a family that learns by epochs, not for {name or family.name}; leave it out."
        )
    return family._replace(epochs=epochs)


def _ask_teacher(
    path: Path, options: Any, splits: Any, unlabelled: list[Any], progress: Any
) -> tuple[Any, Any, dict[str, float]]:
    """The options and splits with what the teacher says, and how good it is on the test texts."""
    from training.distil import distil, open_teacher
    from training.judging.evaluate import evaluate

    if options.task != "classify" or options.multi_label:
        raise InputError("--teacher is for one label a text; leave it out, or --task and --multi-label.")
    teacher = open_teacher(path, splits.labels)
    larger, answers = distil(teacher, splits, unlabelled, options.seed, progress.controls.checkpoint, progress.step)
    outcome = {"texts_answered_by_the_teacher": float(len(answers))}
    if splits.test:
        outcome["teacher_accuracy"] = evaluate(teacher, splits.test, "the test set").summary["accuracy"]
    return options._replace(answers=answers), larger, outcome


def _tell_audit(splits: Any, found: Any) -> None:
    messages.print(
        f"{splits.cleaning.read:,} rows read: {len(splits.train):,} texts to train on, {len(splits.dev):,} to develop "
        f"on, {len(splits.test):,} to test on; {len(splits.labels)} labels",
        soft_wrap=True,
    )
    for finding in found.findings:
        messages.print(f"audit: {finding.count:,} {finding.text}", soft_wrap=True, markup=False)
    if splits.labels and not splits.dev:
        warn("no development texts are held out, so settings and confidences are not adjusted to these data")
    if not splits.test:
        warn("no test texts are held out, so there will be no score")


def _tell_epoch(epoch: int, record: dict[str, float]) -> None:
    figures = [f"{name.replace('_', ' ')} {value:.4f}" for name, value in record.items()]
    messages.print(f"epoch {epoch + 1}: {', '.join(figures)}")


def _show_training(output: Path, bundle: bundles.Bundle, trained: Any, json: bool) -> None:
    manifest = bundle.manifest
    if json:
        result = {
            "bundle": str(output),
            "version": manifest.version,
            "bytes": manifest.files[bundles.MODEL].size,
            "seconds": round(trained.seconds, 1),
            "metrics": manifest.metrics or None,
            "parity": trained.parity,
            "settings": trained.settings,
            "needs": manifest.needs,
        }
        print(msgspec.json.encode(result).decode())
        return
    print(f"{output}  version {manifest.version[:12]}  {manifest.files[bundles.MODEL].size / 1e6:.2f} MB")
    if trained.evaluation:
        print(", ".join(f"{name} {value:g}" for name, value in trained.evaluation.summary.items()))
    else:
        print("no held-out score: no test texts were held out")
    if manifest.needs:
        print(f"needs: {say_needs(manifest.needs)}")
    print(f"report: {output / 'report.html'}")
