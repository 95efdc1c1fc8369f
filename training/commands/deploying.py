"""The commands that lead to AWS without a clone: `fenlei new` writes a project, and `fenlei package` is its build."""

from pathlib import Path
from typing import Annotated

import typer

from training.commands.extras import need
from training.commands.options import messages
from training.errors import InputError, WorkError

RUNTIMES = ("python3.13", "python3.14")  # that template.yaml has, too


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(epilog="Example: fenlei new shop-reviews")(new)
    app.command(epilog="Example: fenlei package model --output package --dist dist")(package)


def new(
    directory: Annotated[Path, typer.Argument(help="Where the project goes.")],
    force: Annotated[bool, typer.Option(help="Replace files that are there already.")] = False,
) -> None:
    """Write what deploys a bundle into a directory of your own: template, settings, Makefile."""
    from training.commands.new import FILES, write

    write(directory, force)
    print("\n".join(str(directory / name) for name in FILES))
    messages.print(f"{directory / 'README.md'} says what to do with them", soft_wrap=True, markup=False)


def package(
    bundle: Annotated[Path, typer.Argument(help="The bundle to ship: a directory.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The directory to fill.")],
    architecture: Annotated[str, typer.Option(help="x86_64 or arm64")] = "x86_64",
    runtime: Annotated[str, typer.Option(help="Lambda's Python: python3.13 or python3.14")] = "python3.13",
    dist: Annotated[Path | None, typer.Option(help="Pack it into a zip there, with a bill of materials.")] = None,
    force: Annotated[bool, typer.Option(help="Replace all that the output directory holds.")] = False,
) -> None:
    """Build what Lambda runs: the handler, the bundle and pinned wheels, checked and replayed."""
    need("deploy")
    from build.errors import BuildError
    from build.package import build
    from build.targets import ARCHITECTURES

    if architecture not in ARCHITECTURES:
        raise InputError(f"--architecture {architecture} is not known; choose {' or '.join(ARCHITECTURES)}.")
    if runtime not in RUNTIMES:
        raise InputError(f"--runtime {runtime} is not known; choose {' or '.join(RUNTIMES)}.")
    if bundle.resolve().is_relative_to(output.resolve()):
        raise InputError(f"{output}, which is emptied first, holds the bundle {bundle}; choose another --output.")
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is no directory; choose another --output.")
    if not force and output.exists() and any(output.iterdir()):
        raise InputError(f"{output} is not empty; choose another --output, or replace what it holds with --force.")
    try:
        build(bundle, output, architecture, runtime, dist)
    except BuildError as error:
        raise WorkError(str(error)) from None
