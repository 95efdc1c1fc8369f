"""The `fenlei` command. Results go to standard output, all else to standard error, both in UTF-8."""

import hashlib
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from handler.errors import FenleiError
from handler.model import bundle as bundles
from training.commands import audit, deploying, feedback, registry, split, suggest
from training.commands import files as batch_commands
from training.commands.cost import INIT_MILLISECONDS, WARM_MILLISECONDS
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
)
from training.commands.train import train
from training.commands.utf8 import check_arguments, write_utf8
from training.data.formats.rows import Missing
from training.errors import CommandError, InputError

app = typer.Typer(
    help="Serverless text classification: TensorFlow trains, TensorFlow Lite runs, AWS Lambda serves.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command(epilog="Example: fenlei train reviews.csv -o models/reviews")(train)


@app.command(epilog="Example: fenlei classify models/reviews '东西质量很好' '太差了'")
def classify(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a directory or a .tar.gz.")],
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; lines of standard input if none.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file with the texts, of any format as for training.")] = None,
    text_column: TextColumn = None,
    encoding: Encoding = "",
    sheet: Sheet = "",
    top_k: Annotated[int | None, typer.Option(min=1, help="Only the best k labels.")] = None,
    json: Json = False,
) -> None:
    """Classify texts with the code that serves."""
    from handler.model.classifier import Classifier
    from training.data.files import read

    if texts and file:
        raise InputError("Give either texts or --file, and not both.")
    classifier = Classifier(bundles.load(bundle))
    if file:
        given = [
            example.text for example in read(file, columns_of("", text_column, "", encoding, sheet=sheet), say=say)
        ]
    else:
        given = texts or _standard_input()
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
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = "",
    sheet: Sheet = "",
    missing: MissingLabels = Missing.STOP,
    merge_labels: MergeLabels = False,
    json: Json = False,
) -> None:
    """Measure a bundle on labelled texts, through the code that serves."""
    from handler.model.classifier import Classifier
    from training.data.files import read
    from training.data.labels import merged_onto
    from training.judging.evaluate import evaluate as run

    classifier = Classifier(bundles.load(bundle))
    several = classifier.manifest.activation == "independent"
    written = columns_of(columns, text_column, label_column, encoding, several, sheet)
    examples = read(file, written, missing, say)
    if merge_labels:
        examples = merged_onto(examples, classifier.manifest.labels)
    evaluation = run(classifier, examples, str(file))
    if json:
        print(msgspec.json.encode(evaluation).decode())
        return
    table = Table("label", "precision", "recall", "F1", "texts", box=None)
    for row in evaluation.labels:
        table.add_row(row.label, *(f"{100 * v:.1f}" for v in (row.precision, row.recall, row.f1)), str(row.support))
    output = Console(highlight=False)
    output.print(table)
    if evaluation.levels:
        levels = Table("level", "labels", "texts", "accuracy", "macro F1", "certain", "accuracy when certain", box=None)
        for one in evaluation.levels:
            shares = (one.accuracy, one.macro_f1, one.coverage, one.accuracy_when_certain)
            levels.add_row(str(one.level), str(one.labels), str(one.texts), *(f"{100 * share:.1f}" for share in shares))
        output.print(levels)
    for name, value in evaluation.summary.items():
        output.print(f"{name:<22} {value:g}")


@app.command(
    epilog="Example: sam deploy --parameter-overrides $(fenlei needs large.tar.gz) ModelUri=s3://bucket/large.tar.gz"
)
def needs(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a directory or a .tar.gz.")], json: Json = False
) -> None:
    """The parameters of template.yaml that suit a bundle, from what was measured when it was made."""
    from training.shipping.needs import parameters

    found = bundles.load(bundle).manifest.needs
    if found is None:
        raise InputError(f"{bundle} does not say what it needs; train it again, on Linux.")
    values: dict[str, int | str] = dict(parameters(found))
    if bundle.is_file():
        values["ModelSha256"] = hashlib.sha256(bundle.read_bytes()).hexdigest()
    if json:
        print(msgspec.json.encode({"measured": found, "parameters": values}).decode())
        return
    messages.print(say_needs(found))
    print(" ".join(f"{name}={value}" for name, value in values.items()))


@app.command(epilog="Example: fenlei serve models/reviews --port 8000")
def serve(
    bundle: Annotated[list[Path] | None, typer.Argument(help="Bundles; the first is the default.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, envvar="PORT", help="Port; 0 takes a free one.")] = 8000,
) -> None:
    """Serve bundles over HTTP with the handler that is deployed."""
    from training.commands.serve import make_server

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
    from training.commands import cost as work

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


audit.register(app)
batch_commands.register(app)
deploying.register(app)
registry.register(app)
split.register(app)
feedback.register(app)
suggest.register(app)


def main() -> None:
    """Runs the command; an error is one sentence on standard error and an exit status."""
    write_utf8()
    try:
        check_arguments(sys.argv[1:])
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
