"""Builds what decides on tokens: authorizer/ and pinned wheels -> a package that passed the gate and starts.

    python -m build.authorizer --output .aws-sam/build/AuthorizerFunction

It is a package of its own, so that what checks signatures costs no start of the classifier anything.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from build import archive, bytecode, elf, prune, replay, sizes, wheels
from build.errors import BuildError
from build.targets import ARCHITECTURES, TARGETS, Architecture

TARGET = TARGETS["python3.13"]
NO_TOKEN = {"type": "TOKEN", "authorizationToken": "Bearer none", "methodArn": "arn:aws:execute-api:::a/live/GET/"}


def build(output: Path, architecture: Architecture) -> None:
    """Fills `output`, checks it and starts it once. Says what it did; raises BuildError."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    wheels.install_whole(output, TARGET, architecture, wheels.LOCKS / "authorizer.txt")
    prune.prune(output)
    for library in elf.check(output, TARGET, architecture):
        elf.cut(output / library)
    shutil.copytree(wheels.ROOT / "authorizer", output / "authorizer", ignore=shutil.ignore_patterns("__pycache__"))
    bytecode.compile_all(output, TARGET.python)
    archive.settle(output)
    if architecture.name == replay.HERE:
        _start(output)
    print(f"{output}: {sizes.on_disk(output) / sizes.MB:.1f} MB, for {TARGET.name} on {architecture.name}: OK")


def _start(package: Path) -> None:
    """Runs the package under AWS's emulator. Raises BuildError unless it refuses what is no token."""
    with tempfile.TemporaryDirectory() as directory, replay.runtime_client(TARGET.python) as runtime:
        log = Path(directory) / "log"
        command = replay.packaged(
            package,
            TARGET.python,
            "authorizer.tokens.lambda_handler",
            runtime,
            TOKEN_ISSUER="https://issuer.invalid",
            TOKEN_AUDIENCE="nobody",
        )
        with replay.running(command, log) as function:
            answer = function.invoke(NO_TOKEN)
        if answer.get("errorMessage") != "Unauthorized":
            said = log.read_text(encoding="utf-8", errors="replace")
            raise BuildError(f"The authorizer does not refuse what is no token: {answer}\n{said}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="the directory to fill; emptied first")
    parser.add_argument("--architecture", default="x86_64", choices=ARCHITECTURES)
    options = parser.parse_args()
    try:
        build(options.output, ARCHITECTURES[options.architecture])
    except BuildError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
