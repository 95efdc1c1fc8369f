"""The commands for many texts: `fenlei batch` over files, `fenlei bulk` over objects in S3."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.commands.options import Json, messages, say
from training.errors import InputError, WorkError

if TYPE_CHECKING:
    from training.commands.bulk import Estimate, Place, Survey

IdColumn = Annotated[str, typer.Option(help="Name of the column that goes through to the output.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(epilog="Example: fenlei batch models/reviews reviews.jsonl.gz more.csv -o predictions")(batch)
    app.command(epilog="Example: fenlei bulk s3://texts/2026/ s3://predictions/2026/")(bulk)


def batch(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a directory or a .tar.gz.")],
    files: Annotated[list[Path], typer.Argument(help="Files of texts, as for training; those of S3 go as there.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory for predictions and summaries.")],
    text_column: Annotated[str, typer.Option(help="Name of the column with the texts; by default the bundle's.")] = "",
    id_column: IdColumn = "id",
    top_k: Annotated[int, typer.Option(min=1, help="With more than 1: the scores of the best k labels, too.")] = 1,
    processes: Annotated[int, typer.Option(min=0, help="How many processes; 0 takes one per processor.")] = 0,
    json: Json = False,
) -> None:
    """Classify whole files, with the code that classifies files in S3.

    Each FILE gets DIR/FILE.predictions.jsonl (.gz if it is), a line for each of its lines, and a summary beside it.
    A file that was done before, with this model, is left alone.
    """
    from handler.model import bundle as bundles
    from training.commands import batch as work

    options = work.Options(text_column, id_column, top_k, work.processes_for(processes))
    planned = work.plan(files, output, bundles.load(bundle).manifest, options, say)
    before, total = {}, 0
    for one in planned:
        before[one.path] = total
        total += one.path.stat().st_size
    with _bar(DownloadColumn()) as bar:
        task = bar.add_task("", total=total)

        def advance(path: Path, position: int, lines: int) -> None:
            bar.update(task, completed=before[path] + position, description=f"{path.name}: {lines:,} lines")

        summaries = work.run(bundle, planned, options, advance)
    if json:
        print(msgspec.json.encode([summary for summary, _ in summaries]).decode())
    for summary, fresh in [] if json else summaries:
        tally = summary.tally
        rejected = f", {tally.rejected:,} without a prediction" if tally.rejected else ""
        rate = tally.lines / max(summary.seconds, 1e-3)
        when = f"{summary.seconds:.1f} s, {rate:,.0f} lines/s" if fresh else "done before"
        print(f"{summary.output}  {tally.lines:,} lines{rejected}  ({when})")
        for error in tally.errors[:3]:
            messages.print(
                f"warning: {summary.source.path} line {error.line}: {error.error}", soft_wrap=True, markup=False
            )

    for summary, _ in summaries:
        if summary.status == "damaged":
            path, line = summary.source.path, summary.tally.lines
            raise WorkError(f"{path} is damaged from line {line} on ({summary.reason}); fetch it again.")


def bulk(
    source: Annotated[str, typer.Argument(help="s3://bucket/prefix/; with --rows one object")] = "",
    target: Annotated[str, typer.Argument(help="s3://bucket/prefix/ for predictions, summaries and manifests")] = "",
    rows: Annotated[bool, typer.Option("--rows", help="Classify the rows of one .jsonl or .csv in parallel.")] = False,
    redrive: Annotated[str, typer.Option(metavar="EXECUTION", help="Do again what failed in a run, only that.")] = "",
    stack: Annotated[str, typer.Option(help="The deployed stack, whose state machine is started.")] = "fenlei",
    state_machine: Annotated[str, typer.Option(metavar="ARN", help="The state machine itself.")] = "",
    concurrency: Annotated[int, typer.Option(min=1, help="Batches at once.")] = 50,
    tolerate: Annotated[float, typer.Option(min=0, max=100, help="Percent that may fail before all stops.")] = 5,
    objects_per_batch: Annotated[int, typer.Option(min=1, help="Objects of one invocation.")] = 10,
    text_column: Annotated[str, typer.Option(help="With --rows: the column with the texts.")] = "",
    id_column: IdColumn = "id",
    memory: Annotated[int, typer.Option(min=128, help="The function's memory in MB, for the estimate.")] = 1769,
    lines_per_second: Annotated[
        float, typer.Option(min=1, help="What one invocation does, for the estimate.")
    ] = 10_000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what there is to do and what it costs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    poll: Annotated[float, typer.Option(min=0.1, help="Seconds between looks at the run.")] = 5,
    json: Json = False,
) -> None:
    """Classify many objects in S3, or one very large one, with the deployed state machine; watch it to its end.

    What was done before is not done again, so that the same call goes on after an interruption.
    """
    from training.commands import bulk as work

    if redrive:
        work.redrive(redrive)
        _watch(redrive, poll, json)
        return
    if not source or not target:
        raise InputError("Give where the texts are and where predictions go: fenlei bulk s3://in/2026/ s3://out/2026/")
    origin, goal = work.place(source), work.place(target).folder
    origin = origin if rows else origin.folder
    settings: dict[str, object] = {"concurrency": concurrency, "tolerated_failure_percentage": tolerate}
    settings |= (
        {"text_column": text_column, "id_column": id_column} if rows else {"objects_per_batch": objects_per_batch}
    )
    event = work.event_of(origin, goal, rows, settings)
    found = work.survey(origin)
    cost = work.estimate(found, memory, lines_per_second, objects_per_batch, rows)
    _tell_estimate(origin, found, cost, lines_per_second)
    if dry_run:
        if json:
            print(msgspec.json.encode({"survey": found._asdict(), "dollars": cost.dollars, "input": event}).decode())
        return
    machine = state_machine or work.find_machine(stack)
    if not yes and not typer.confirm("Start?", err=True):
        raise WorkError("Nothing was started.")
    execution = work.start(machine, event)
    messages.print(f"started {execution}; Ctrl-C stops watching, not the run", soft_wrap=True)
    _watch(execution, poll, json)


def _tell_estimate(origin: "Place", found: "Survey", cost: "Estimate", lines_per_second: float) -> None:
    messages.print(
        f"{origin}: {found.objects:,} objects, {found.bytes / 1e6:,.1f} MB, about {found.lines:,} lines"
        + (f"; {found.skipped:,} others are left out" if found.skipped else ""),
        soft_wrap=True,
    )
    parts = ", ".join(f"{name} {value:,.4f}" for name, value in cost.dollars.items())
    messages.print(
        f"about {cost.total:,.2f} dollars ({parts}) at list prices of {cost.region} in {cost.as_of}, "
        f"if one invocation does {lines_per_second:,.0f} lines a second",
        soft_wrap=True,
    )


def _watch(execution: str, poll: float, json: bool) -> None:
    from training.commands import bulk as work

    with _bar(MofNCompleteColumn()) as bar:
        task = bar.add_task("starting", total=None)
        last = work.Progress("RUNNING")

        def tell(now: work.Progress) -> None:
            nonlocal last
            last = now
            failed = f", {now.failed:,} failed" if now.failed else ""
            bar.update(
                task,
                total=now.total or None,
                completed=now.succeeded + now.failed,
                description=now.status.lower() + failed,
            )

        try:
            described = work.watch(execution, tell, poll)
        except KeyboardInterrupt:
            raise WorkError(f"The run goes on without being watched: {execution}") from None
    if json:
        print(msgspec.json.encode({"execution": execution, **last._asdict()}).decode())
        return
    print(f"{last.succeeded:,} of {last.total:,} done, {last.failed:,} failed")
    print(f"manifest: {described.get('output', '')[:500]}")


def _bar(amount: DownloadColumn | MofNCompleteColumn) -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), amount, TimeRemainingColumn())
    return Progress(*columns, console=messages, transient=True)
