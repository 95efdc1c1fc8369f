"""A package under AWS's runtime interface emulator: what Lambda would run, with only what the package holds.

python -m build.replay --package DIRECTORY --python 3.13
"""

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from build.errors import BuildError
from build.wheels import ROOT, find_python, install_runtime

# The architecture whose packages run here: none but on Linux.
HERE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine()) if sys.platform == "linux" else ""
# Where the SAM command line has its modules, as a Python package and as AWS's installer lays it out.
SAM_MODULES = ("lib/python*/site-packages", "dist/_internal", "dist")
DEEP = {"httpMethod": "GET", "path": "/health", "queryStringParameters": {"deep": "true"}}


def find_emulator() -> Path:
    """AWS's emulator: FENLEI_RIE, or the one that the SAM command line carries. Raises BuildError."""
    found = [Path(os.environ["FENLEI_RIE"])] if "FENLEI_RIE" in os.environ else []
    on_path = shutil.which("sam")
    for sam in (ROOT / ".envs/sam/bin/sam", *([Path(on_path)] if on_path else [])):
        home = sam.resolve().parents[1]
        found += [path for at in SAM_MODULES for path in home.glob(f"{at}/samcli/local/rapid/aws-lambda-rie-{HERE}")]
    if not found or not found[0].exists():
        raise BuildError(
            "aws-lambda-rie, which replays the golden texts, is not here: call make sam, put the SAM command line on "
            "PATH, or set FENLEI_RIE."
        )
    return found[0]


@contextmanager
def runtime_client(python: str) -> Iterator[Path]:
    """A directory with what Lambda's Python brings: as `make` installed it, else for as long as it is needed."""
    made = ROOT / f".envs/runtime-{python}"
    if (made / "ready").exists():
        yield made
        return
    with tempfile.TemporaryDirectory() as directory:
        install_runtime(Path(directory), python)
        yield Path(directory)


class Function:
    """A running function; one request at a time."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, log: Path) -> None:
        self.process = process
        self.address = address
        self.log = log

    def invoke(self, event: object) -> dict[str, Any]:
        """What the handler returned, or Lambda's own error document. Raises BuildError if it could not start."""
        body = json.dumps(event).encode()
        url = f"http://{self.address}/2015-03-31/functions/function/invocations"
        try:
            with urllib.request.urlopen(url, body, timeout=120) as answer:
                result: dict[str, Any] = json.load(answer)
                return result
        except urllib.error.URLError as error:
            raise BuildError(f"The function does not start ({error}):\n{self._said()}") from None

    def _said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self) -> None:
        """Until the emulator listens; it starts the function at the first request."""
        host, _, port = self.address.partition(":")
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise BuildError(f"aws-lambda-rie did not start:\n{self._said()}")


class Command(NamedTuple):
    """A runtime client, where it runs, and all of its environment."""

    arguments: list[str]
    directory: Path
    environment: dict[str, str]


@contextmanager
def running(command: Command, log: Path) -> Iterator[Function]:
    """Runs a runtime client under the emulator, without anything of this process's environment."""
    address, api = (f"127.0.0.1:{_free_port()}" for _ in range(2))
    emulator = [str(find_emulator()), "--runtime-interface-emulator-address", address, "--runtime-api-address", api]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*emulator, *command.arguments],
            cwd=command.directory,
            env={"PATH": "/usr/bin:/bin"} | command.environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        function = Function(process, address, log)
        function.wait()
        yield function
    finally:
        if sys.platform != "win32":  # there is no emulator for it
            os.killpg(process.pid, signal.SIGKILL)  # a group of its own: the emulator and its Python
        process.wait()


def packaged(
    package: Path,
    python: str,
    handler: str = "handler.api.lambda_handler",
    runtime: Path | None = None,
    **environment: str,
) -> Command:
    """The command and the environment that run a package as Lambda does: the package, then Lambda's own, no site."""
    path = {"PYTHONPATH": f"{package.absolute()}:{runtime or ROOT / f'.envs/runtime-{python}'}"}
    return Command([find_python(python), "-S", "-m", "awslambdaric", handler], package, path | environment)


def replay(package: Path, python: str) -> str:
    """Replays the golden texts in the package. Gives what it answered in a line; raises BuildError."""
    with tempfile.TemporaryDirectory() as directory, runtime_client(python) as runtime:
        log = Path(directory) / "log"
        with running(packaged(package, python, runtime=runtime), log) as function:
            response = function.invoke(DEEP)
        if response.get("statusCode") != 200:
            said = log.read_text(encoding="utf-8", errors="replace")
            raise BuildError(f"The package does not answer as its model was trained to: {response}\n{said}")
    body = json.loads(response["body"])
    replayed = body["golden"]
    return "; ".join(
        f"{one['model']}: {one['same_answers']} of {one['texts']} golden texts answered as in training, "
        f"probabilities within {one['largest_difference']}, on {body['runtime']}"
        for one in replayed
    )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True, help="a directory that build.package made")
    parser.add_argument("--python", default="3.13", help="Python of the Lambda runtime")
    options = parser.parse_args()
    try:
        print(replay(options.package, options.python))
    except BuildError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
