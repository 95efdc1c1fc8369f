"""`fenlei feedback`: makes a file to train on of what callers said, and tells how often they found answers right."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from training.commands.bulk import Place, place
from training.commands.options import Json, say
from training.errors import InputError, WorkError

if TYPE_CHECKING:
    from handler.https.feedback import Line


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog="Example: fenlei feedback s3://bucket/feedback/ -o corrections.jsonl")(feedback)


def feedback(
    source: Annotated[str, typer.Argument(metavar="S3", help="FeedbackUri of the stack, or a day below it.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .jsonl file to write, with text and label.")],
    force: Annotated[bool, typer.Option(help="Replace the file if it is there.")] = False,
    json: Json = False,
) -> None:
    """Make labelled texts of what callers said was right, and say how often answers were."""
    if output.exists() and not force:
        raise InputError(f"{output} exists already; choose another --output, or give --force to replace it.")
    lines = latest(read(place(source).folder))
    if not lines:
        raise InputError(f"{source} holds no feedback; it is FeedbackUri of the stack, or a day below it.")
    rows = [{"text": line.text, "label": line.label} for line in lines if isinstance(line.text, str)]
    if rows:
        try:
            output.write_bytes(msgspec.json.Encoder().encode_lines(rows))
        except OSError as error:
            raise InputError(f"{output} cannot be written: {error.strerror}; choose another --output.") from None
    told, right = (Counter(line.version for line in lines if line.right or not only) for only in (False, True))
    if json:
        by_version = {version: {"told": told[version], "right": right[version]} for version in sorted(told)}
        print(msgspec.json.encode({"lines": len(lines), "texts": len(rows), "versions": by_version}).decode())
    else:
        for version in sorted(told):
            print(f"{version}…  {right[version]} of {told[version]} right")
    if not rows:
        raise WorkError(
            f"None of the {len(lines)} came with its text, so {output} was not written (KeepFeedbackTexts)."
        )
    say(f"{output}: {len(rows)} texts; {len(lines) - len(rows)} came without theirs")


def read(where: Place) -> "Iterator[Line]":
    """Every line below a place. Raises InputError if it cannot be read, or if an object there is no feedback."""
    from botocore.exceptions import BotoCoreError, ClientError

    from handler.files.objects import client
    from handler.https.feedback import Line

    s3 = client("s3")
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=where.bucket, Prefix=where.key):
            for found in page.get("Contents", []):
                content = s3.get_object(Bucket=where.bucket, Key=found["Key"])["Body"].read()
                yield from msgspec.json.Decoder(Line).decode_lines(content)
    except (ClientError, BotoCoreError) as error:
        raise InputError(f"{where} cannot be read: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"s3://{where.bucket}/{found['Key']} is no feedback: {error}.") from None


def latest(lines: "Iterable[Line]") -> "list[Line]":
    """Of each answer what was said of it last, in the order of time."""
    found: dict[str, Line] = {}
    for line in sorted(lines, key=lambda one: one.at):
        found[line.id] = line
    return list(found.values())
