"""The command that looks for what is wrong in labelled texts: `fenlei audit`."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

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
    warn,
)
from training.data.formats.rows import Columns, Missing
from training.data.read import Example, Kind
from training.errors import InputError

if TYPE_CHECKING:
    from training.data.files import Content
    from training.judging.suspects import Examined

# Rows of a table of the page, and characters of a text there.
MOST_ROWS, MOST_CHARACTERS = 1000, 300


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog="Example: fenlei audit reviews.csv --fix corrected.csv")(audit)


def audit(
    file: Annotated[Path, typer.Argument(help="Labelled texts, as for training.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the page goes.")] = Path("audit.html"),
    dev: Annotated[Path | None, typer.Option(help="Texts held out for development: copies of them are told.")] = None,
    test: Annotated[Path | None, typer.Option(help="Texts held out for the test: copies of them are told.")] = None,
    fix: Annotated[Path | None, typer.Option(help="Write all rows as CSV, the suspected first, to correct.")] = None,
    columns: ColumnNames = "",
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = "",
    sheet: Sheet = "",
    missing: MissingLabels = Missing.STOP,
    merge_labels: MergeLabels = False,
    multi_label: Annotated[bool, typer.Option(help="A text may carry several labels: label|label")] = False,
    json: Json = False,
) -> None:
    """Look for wrong labels, copies, phrases that give a label away and unusual texts, without training a model.

    Of a folder with train, dev and test, or with --dev and --test, texts of train that are held out too are told.
    With --fix, rows to correct by hand: `label` counts, `suggested` and `reason` help; fenlei train takes the file.
    """
    need("train")

    from training.judging.suspects import examine, write_corrections

    _check_outputs(output, fix)
    kind = Kind.LABELS if multi_label else Kind.LABEL
    written = columns_of(columns, text_column, label_column, encoding, multi_label, sheet)
    found = _files(file, dev, test)
    content = _read(found["train"], written, missing, merge_labels, kind)
    held = {part: _held(found[part], written, missing, content, kind, merge_labels) for part in ("dev", "test")}
    with messages.status("reading") as status:
        examined = examine(content, kind, lambda told: status.update(f"{told} …"), held)
    _write_page(examined, file.name, output)
    if fix:
        write_corrections(examined, fix)
    _show(examined, output, fix, json)


def _check_outputs(output: Path, fix: Path | None) -> None:
    """Before all work. A page may be replaced, corrections may not, and nothing else is taken for a page."""
    if output.suffix.lower() != ".html":
        raise InputError(f"--output {output} is to be a page; give it a name that ends in .html.")
    if fix and fix.exists():
        raise InputError(f"{fix} exists already and may hold corrections; give --fix another name.")
    for path in (output, fix):
        if path and not path.parent.is_dir():
            raise InputError(f"There is no directory {path.parent} for {path.name}; make it first.")


def _files(file: Path, dev: Path | None, test: Path | None) -> dict[str, list[Path]]:
    """The files of each part: those that are named, or lie together in one folder."""
    from training.data.formats.parts import parts_of

    parts = parts_of(file)
    named = {"dev": dev, "test": test}
    held = {part: [path] if path else parts.get(part, []) for part, path in named.items()}
    return {"train": parts.get("train", [file])} | held


def _held(
    files: list[Path], columns: Columns, missing: Missing, content: "Content", kind: Kind, merge: bool
) -> list[Example]:
    from training.data.files import read
    from training.data.labels import merged_onto

    examples = [example for file in files for example in read(file, columns, missing, say)]
    if merge:
        examples = merged_onto(examples, kind.labels_of(content.examples))
    return [example._replace(label=kind.canonical(example.label)) for example in examples]


def _read(files: list[Path], columns: Columns, missing: Missing, merge: bool, kind: Kind) -> "Content":
    from training.data.files import Content, read_content
    from training.data.labels import alike, check_looks, merged, say_alike

    contents = [read_content(file, columns, missing, say) for file in files]
    content = Content(
        [example for one in contents for example in one.examples],
        [example for one in contents for example in one.unlabelled],
        contents[0].text_column,
    )
    check_looks(content.examples, kind, str(files[0]))
    groups = alike(label for example in content.examples for label in kind.split(example.label))
    if merge:
        return content._replace(examples=merged(content.examples, groups))
    for group in groups:
        warn(say_alike(group))
    return content


def _write_page(examined: "Examined", source: str, output: Path) -> None:
    from training.judging.pages import render
    from training.judging.suspects import Why

    values = {
        "characters": MOST_CHARACTERS,
        "examined": examined,
        "most": MOST_ROWS,
        "reasons": list(Why),
        "source": source,
    }
    try:
        output.write_text(render("audit.html", values), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}; choose another --output.") from None


def _show(examined: "Examined", output: Path, fix: Path | None, json: bool) -> None:
    from training.judging.suspects import Why
    from training.learning.folds import FOLDS

    counts = {why.english: len(examined.of(why)) for why in Why}
    if json:
        phrases = [phrase._asdict() for phrase in examined.phrases]
        print(msgspec.json.encode({"texts": len(examined.examples), "suspects": counts, "phrases": phrases}).decode())
        return
    for finding in examined.audit.findings:
        say(f"audit: {finding.count:,} {finding.text}")
    rare = sum(count < FOLDS for count in Counter(one.label for one in examined.examples).values())
    if rare:
        say(f"audit: {rare:,} labels with fewer than {FOLDS} texts, too few to judge")
    print(f"{len(examined.examples):>9,} texts, {len(examined.audit.labels)} labels")
    for name, count in counts.items():
        print(f"{count:>9,} {name}")
    print(f"{len(examined.phrases):>9,} phrases that give a label away")
    for phrase in examined.phrases[:5]:
        print(f"          {phrase.label}: {phrase.text[:60]}  ({phrase.inside:.0%}, elsewhere {phrase.outside:.0%})")
    print(f"page: {output}")
    if fix:
        print(f"to correct: {fix}; then: fenlei train {fix}")
