"""The `fenlei` command. Results go to standard output, all else to standard error."""

import hashlib
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from handler import bundle as bundles
from handler.errors import FenleiError
from training import batch_commands
from training.cost import INIT_MILLISECONDS, WARM_MILLISECONDS
from training.errors import CommandError, InputError

app = typer.Typer(
    help="Serverless text classification: TensorFlow trains, TensorFlow Lite runs, AWS Lambda serves.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
messages = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
TextColumn = Annotated[str, typer.Option(help="Name of the column with the texts.")]
LabelColumn = Annotated[str, typer.Option(help="Name of the column with the labels.")]
ColumnNames = Annotated[
    str, typer.Option("--columns", help="Column names of files without a header, for example: label,text")
]


@app.command(epilog="Example: fenlei train reviews.csv -o models/reviews")
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
    refit: Annotated[bool, typer.Option(help="In the end, train on the development texts too.")] = True,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The same seed gives the same model.")] = 0,
    name: Annotated[str, typer.Option(help="Name of the model; by default that of the output.")] = "",
    strict: Annotated[bool, typer.Option(help="Stop if training texts leak into a held-out set.")] = False,
    force: Annotated[bool, typer.Option(help="Replace a bundle that is there already.")] = False,
    json: Json = False,
) -> None:
    """Train a classifier on labelled texts and write it as a bundle."""
    from training import bundles as writing
    from training.audit import audit, check_strict
    from training.convert import check_quantization
    from training.data import make_splits, read
    from training.datasets import read_dataset
    from training.tasks import check_task

    if (file is None) == (not dataset):
        raise InputError("Give either a file with labelled texts or --dataset NAME, and not both.")
    kind = check_task(task, multi_label)
    chosen = _family(family, task, tokenizer, checkpoint, tune)
    check_quantization(quantize)
    writing.check_destination(output, force)
    names = _columns(columns, text_column, label_column)
    rows = read(file, names) if file else read_dataset(dataset)
    splits = make_splits(rows, read(dev, names) if dev else None, read(test, names) if test else None, seed, kind)
    found = audit(splits)
    _tell_audit(splits, found)
    if strict:
        check_strict(found)

    from training import report
    from training.choose import choose_family, self_train
    from training.fit import Controls, load_tensorflow
    from training.needs import measured
    from training.train import Options, Progress
    from training.train import train as run

    source = file.name if file else dataset
    options = Options(
        name=name or output.name,
        family=chosen,
        quantization=quantize,
        seed=seed,
        source=source,
        task=task,
        multi_label=multi_label,
        refit=refit,
        all_quantizations=all_quantizations,
        clusters=clusters,
        text_column=text_column,
    )
    controls = Controls(_tell_epoch, time.monotonic() + time_budget, log_directory, resume)
    with messages.status("loading TensorFlow") as status:
        load_tensorflow(portable=checkpoint is None)  # an encoder trains three times as fast with oneDNN
        progress = Progress(lambda text: status.update(f"{text} …"), _warn, controls)
        if family == "auto" and task != "cluster":
            options, reason = choose_family(options, splits, progress)
            messages.print(f"auto: {reason}", soft_wrap=True)
        outcome: dict[str, float] = {}
        texts = read(unlabelled, names._replace(label="")) if unlabelled else []
        if teacher:
            options, splits, outcome = _ask_teacher(teacher, options, splits, texts, progress)
        elif unlabelled:
            splits, outcome = self_train(options, splits, texts, progress)
            messages.print(f"self-training: {outcome}", soft_wrap=True)
        trained = run(options, splits, progress)
        trained.settings.update(outcome)
        if "teacher_accuracy" in outcome and trained.evaluation:
            kept = trained.evaluation.summary["accuracy"] / max(outcome["teacher_accuracy"], 1e-9)
            trained.settings["share_of_the_teacher_s_accuracy_kept"] = round(kept, 4)
        progress.step("measuring what it needs")
        bundle = writing.write(measured(trained.bundle), report.documents(trained, found), output)
    _show_training(output, bundle, trained, json)


@app.command(epilog="Example: fenlei classify models/reviews '东西质量很好' '太差了'")
def classify(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a directory or a .tar.gz.")],
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; lines of standard input if none.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Only the best k labels.")] = None,
    json: Json = False,
) -> None:
    """Classify texts with the code that serves."""
    from handler.classifier import Classifier

    classifier = Classifier(bundles.load(bundle))
    given = _arguments(texts) if texts else _standard_input()
    for number, text in enumerate(given, 1):
        if not text.strip():
            raise InputError(f"Text {number} is blank; remove it.")
    if not given:
        raise InputError("There is no text; give some as arguments or on standard input, a line each.")
    predictions = classifier.classify(given, top_k)
    for text, prediction in zip(given, predictions, strict=True):
        if json:
            print(msgspec.json.encode({"text": text, **msgspec.to_builtins(prediction)}).decode())
        else:
            doubt = "" if prediction.certain else "  (uncertain)"
            print(f"{prediction.label}\t{prediction.confidence:.3f}\t{text}{doubt}")


@app.command(epilog="Example: fenlei evaluate models/reviews test.tsv --columns label,text")
def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a directory or a .tar.gz.")],
    file: Annotated[Path, typer.Argument(help="Labelled texts, as for training.")],
    columns: ColumnNames = "",
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    json: Json = False,
) -> None:
    """Measure a bundle on labelled texts, through the code that serves."""
    from handler.classifier import Classifier
    from training.data import read
    from training.evaluate import evaluate as run

    classifier = Classifier(bundles.load(bundle))
    evaluation = run(classifier, read(file, _columns(columns, text_column, label_column)), str(file))
    if json:
        print(msgspec.json.encode(evaluation).decode())
        return
    table = Table("label", "precision", "recall", "F1", "texts", box=None)
    for row in evaluation.labels:
        table.add_row(row.label, *(f"{100 * v:.1f}" for v in (row.precision, row.recall, row.f1)), str(row.support))
    output = Console(highlight=False)
    output.print(table)
    for name, value in evaluation.summary.items():
        output.print(f"{name:<22} {value:g}")


@app.command(
    epilog="Example: sam deploy --parameter-overrides $(fenlei needs large.tar.gz) ModelUri=s3://bucket/large.tar.gz"
)
def needs(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a directory or a .tar.gz.")], json: Json = False
) -> None:
    """The parameters of template.yaml that suit a bundle, from what was measured when it was made."""
    from training.needs import parameters

    found = bundles.load(bundle).manifest.needs
    if found is None:
        raise InputError(f"{bundle} does not say what it needs; train it again, on Linux.")
    values: dict[str, int | str] = dict(parameters(found))
    if bundle.is_file():
        values["ModelSha256"] = hashlib.sha256(bundle.read_bytes()).hexdigest()
    if json:
        print(msgspec.json.encode({"measured": found, "parameters": values}).decode())
        return
    messages.print(_needs(found))
    print(" ".join(f"{name}={value}" for name, value in values.items()))


@app.command(epilog="Example: fenlei serve models/reviews --port 8000")
def serve(
    bundle: Annotated[list[Path] | None, typer.Argument(help="Bundles; the first is the default.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, envvar="PORT", help="Port; 0 takes a free one.")] = 8000,
) -> None:
    """Serve bundles over HTTP with the handler that is deployed."""
    from training.serve import make_server

    server = make_server(bundle or [Path("model")], host, port, messages.print)
    url = f"http://{host}:{server.server_address[1]}"
    messages.print(f"fenlei is listening on {url}; try:\n")
    messages.print(
        f"  curl -s -X POST {url}/v1/classify -H 'content-type: application/json' "
        """-d '{"texts":["东西质量很好，物流也快","太差了，第二天就坏了"]}'\n""",
        soft_wrap=True,
    )
    with server, suppress(KeyboardInterrupt):
        server.serve_forever()


@app.command(epilog="Example: fenlei cost --requests 1e6 --memory 512 --arch arm64")
def cost(
    requests: Annotated[float, typer.Option(min=0, help="Requests a month, for example 1e6.")] = 1e6,
    memory: Annotated[int, typer.Option(min=128, max=10240, help="The function's memory in MB.")] = 1024,
    arch: Annotated[str, typer.Option(help="x86_64 or arm64")] = "x86_64",
    warm: Annotated[float, typer.Option(min=0.01, help="Milliseconds of a warm request.")] = WARM_MILLISECONDS,
    init: Annotated[float, typer.Option(min=0, help="Milliseconds of a cold start's init.")] = INIT_MILLISECONDS,
    cold_share: Annotated[float, typer.Option(min=0, max=1, help="Share of requests that start cold.")] = 0.01,
    log_bytes: Annotated[int, typer.Option(min=0, help="Bytes of log a request, Lambda's own lines included.")] = 1500,
    table: Annotated[bool, typer.Option("--table", help="Only the table by memory and processor.")] = False,
    json: Json = False,
) -> None:
    """What a month of requests costs, and from how many on an always-on machine costs less."""
    from training import cost as work

    listed = work.prices()
    if arch not in listed["lambda_gb_second"]:
        raise InputError(f"--arch {arch} is not known; choose {' or '.join(listed['lambda_gb_second'])}.")
    measured = work.Measured(init, warm)
    if table:
        print(work.table(measured))
        return
    found = work.month(requests, cold_share, measured, memory, arch, log_bytes)
    if json:
        print(msgspec.json.encode({**found._asdict(), "total": found.total, "prices": listed["read"]}).decode())
        return
    for part, dollars in found.parts.items():
        print(f"{part:<12} {dollars:>12,.2f}")
    print(f"{'a month':<12} {found.total:>12,.2f}  {listed['currency']}, {listed['region']}, {listed['read']}")
    print(f"{'always on':<12} {found.always_on:>12,.2f}  {listed['always_on']}")
    if found.break_even:
        print(f"always on costs less from {found.break_even:,.0f} requests a month on")


batch_commands.register(app)


def main() -> None:
    """Runs the command; an error is one sentence on standard error and an exit status."""
    try:
        app(prog_name="fenlei")
    except CommandError as error:
        _fail(str(error), error.exit_code)
    except FenleiError as error:
        _fail(str(error), 2)
    except SystemExit as end:
        if end.code == 130:  # typer ends so on Ctrl-C, without a word
            _fail("Interrupted; nothing was written.", 130)
        raise
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _fail(sentence: str, exit_code: int) -> None:
    messages.print(f"error: {sentence}", markup=False, soft_wrap=True)
    sys.exit(exit_code)


def _family(name: str, task: str, tokenizer: str, checkpoint: Path | None, tune: str) -> Any:
    """The family that the options name, with what it starts from. Raises InputError if they do not fit together."""
    from training.families import get_family
    from training.families.encoder import start_from
    from training.tokenizer import check_kind

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


def _ask_teacher(
    path: Path, options: Any, splits: Any, unlabelled: list[Any], progress: Any
) -> tuple[Any, Any, dict[str, float]]:
    """The options and splits with what the teacher says, and how good it is on the test texts."""
    from training.distil import distil, open_teacher
    from training.evaluate import evaluate

    if options.task != "classify" or options.multi_label:
        raise InputError("--teacher is for one label a text; leave it out, or --task and --multi-label.")
    teacher = open_teacher(path, splits.labels)
    progress.step("asking the teacher")
    larger, answers = distil(teacher, splits, unlabelled, options.seed)
    outcome = {"texts_answered_by_the_teacher": float(len(answers))}
    if splits.test:
        outcome["teacher_accuracy"] = evaluate(teacher, splits.test, "the test set").summary["accuracy"]
    return options._replace(answers=answers), larger, outcome


def _columns(names: str, text: str, label: str) -> Any:
    from training.data import Columns

    return Columns(text, label, tuple(name.strip() for name in names.split(",") if name.strip()))


def _arguments(texts: list[str]) -> list[str]:
    """Python gives the bytes of an argument that is not UTF-8 as lone surrogates."""
    for number, text in enumerate(texts, 1):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(f"Text {number} is not UTF-8; convert it, for example with iconv.") from None
    return texts


def _standard_input() -> list[str]:
    lines = []
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            lines.append(line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n"))
        except UnicodeDecodeError:
            raise InputError(
                f"Standard input line {number} is not UTF-8; convert it, for example: iconv -f GB18030 -t UTF-8."
            ) from None
    return lines


def _tell_audit(splits: Any, found: Any) -> None:
    messages.print(
        f"{splits.cleaning.read:,} rows read: {len(splits.train):,} texts to train on, {len(splits.dev):,} to develop "
        f"on, {len(splits.test):,} to test on; {len(splits.labels)} labels",
        soft_wrap=True,
    )
    for finding in found.findings:
        messages.print(f"audit: {finding.count:,} {finding.text}", soft_wrap=True, markup=False)
    if splits.labels and not splits.dev:
        _warn("no development texts are held out, so settings and confidences are not adjusted to these data")
    if not splits.test:
        _warn("no test texts are held out, so there will be no score")


def _warn(text: str) -> None:
    messages.print(f"warning: {text}", soft_wrap=True, markup=False)


def _tell_epoch(epoch: int, record: dict[str, float]) -> None:
    figures = [f"{name.replace('_', ' ')} {value:.4f}" for name, value in record.items()]
    messages.print(f"epoch {epoch + 1}: {', '.join(figures)}")


def _needs(needs: bundles.Needs) -> str:
    return (
        f"{needs.megabytes} MB of memory, {needs.start:g} s to the first answer, "
        f"{needs.slowest:g} s for 32 of the longest texts"
    )


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
        print(f"needs: {_needs(manifest.needs)}")
    print(f"report: {output / 'report.html'}")
