"""What `make` does for whoever runs and tries this, on every system: Windows has no make, and the Makefile calls this.

    python make.py setup      the environment .venv, with the fenlei command
    python make.py run        train the default model if need be, and serve it; MODEL=... HOST=... PORT=...
    python make.py check      format, lint, types, and the pure tests
    python make.py style      only the first three
    python make.py smoke      train, classify and serve in small; FENLEI_BUNDLE=... classifies and serves only

It needs nothing but Python 3.11, 3.12 or 3.13; on 3.14 all but training works.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent
# This stands before all that an older Python would stumble over.
if not (3, 11) <= sys.version_info < (3, 15):
    sys.exit(
        f"error: fenlei needs Python 3.11, 3.12 or 3.13 (3.14 only serves), and {sys.executable} is "
        f"{sys.version.split()[0]}; call: python3.13 make.py, or make PYTHON=python3.13"
    )

WINDOWS = os.name == "nt"
TRAINS = sys.version_info < (3, 14)  # the last Python that TensorFlow is published for is 3.13
DEFAULT_MODEL = "models/reviews-zh"
DEFAULTS = {"MODEL": DEFAULT_MODEL, "HOST": "127.0.0.1", "PORT": "8000"}
# Without compiled modules TensorFlow takes twice as long to start, each time; and what tests start must not take the
# settings of the make that called this.
NOT_INHERITED = ("PYTHONDONTWRITEBYTECODE", "MAKEFLAGS", "MAKELEVEL")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
# Windows has a code page for files and pipes, and in the C locale `python -m venv` fails below a name that is Chinese.
ENVIRONMENT["PYTHONUTF8"] = "1"


class Failed(Exception):
    """One sentence for the user, and the status to exit with."""

    def __init__(self, sentence: str, status: int = 2) -> None:
        super().__init__(sentence)
        self.status = status


# --- what is made, of what, and how ----------------------------------------------------------------


def make_uv() -> None:
    say("uv, which makes the environments, and what packages")
    call(sys.executable, "-m", "venv", ".envs/uv")
    pip = (program(".envs/uv", "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check")
    call(*pip, "--require-hashes", "-r", "build/locks/uv.txt")


def make_environment() -> None:
    say(".venv: all that trains and serves (a minute or two)")
    uv = program(".envs/uv", "uv")
    call(uv, "venv", "-q", "--allow-existing", "--python", sys.executable, ".venv")
    call(uv, "pip", "sync", "-q", "--python", ".venv", "--require-hashes", "build/locks/run.txt")
    call(uv, "pip", "install", "-q", "--python", ".venv", "--no-deps", "--no-build-isolation", "-e", ".")
    point_at(ROOT, ROOT / ".venv")
    if TRAINS:
        load = "from training.learning.fit import load_tensorflow; load_tensorflow(); import training.learning.layers"
        call(program(".venv", "python"), "-c", load)


def point_at(root: Path, environment: Path) -> None:
    """Lets an environment find the code from where it is itself: the file that says where is read in the encoding of
    the locale, UTF-8 mode or not, and where that has no letters for the name of a directory, Python does not start.
    """
    for path in environment.rglob("*fenlei*.pth"):
        path.write_text(f"{os.path.relpath(root, path.parent)}\n", encoding="ascii")


def make_tools() -> None:
    say(".venv: what tests, too")
    uv = program(".envs/uv", "uv")
    call(uv, "pip", "install", "-q", "--python", ".venv", "--no-deps", "--require-hashes", "-r", "build/locks/dev.txt")


class Step(NamedTuple):
    """How a file that marks a step as done is made, and what it is made of."""

    sources: tuple[str, ...]
    make: Callable[[], None]


UV, READY, TOOLS = ".envs/uv/ready", ".venv/ready", ".venv/tools"
STEPS = {
    UV: Step(("build/locks/uv.txt",), make_uv),
    READY: Step(("build/locks/run.txt", "pyproject.toml", UV), make_environment),
    TOOLS: Step(("build/locks/dev.txt", READY), make_tools),
}


def do(mark: str) -> None:
    STEPS[mark].make()
    (ROOT / mark).touch()


def bring(mark: str) -> None:
    """Does a step, and before it those that it needs, unless it is younger than all that it is made of: as make."""
    sources, made = STEPS[mark].sources, ROOT / mark
    for source in sources:
        if source in STEPS:
            bring(source)
    if not made.exists() or any((ROOT / source).stat().st_mtime > made.stat().st_mtime for source in sources):
        do(mark)


def bring_model(model: str) -> None:
    """Trains the default model if it is not there; another one has to be."""
    there = (ROOT / model).exists()
    if model != DEFAULT_MODEL and not there:
        raise Failed(f"{model} is not there; train it with: fenlei train texts.csv -o {model}")
    bring(READY)
    if not there:
        say("training the default model (some minutes)")
        call(program(".venv", "fenlei"), "train", "--dataset", "reviews-zh", "-o", model)


# --- goals ----------------------------------------------------------------------------------------


def run() -> None:
    model, host, port = (ENVIRONMENT.get(name) or default for name, default in DEFAULTS.items())
    bring_model(model)
    say(f"serving {model}; stop with Ctrl-C")
    command = [program(".venv", "fenlei"), "serve", model, "--host", host, "--port", port]
    if WINDOWS:
        call(*command)
    else:  # the server takes this process's place, so that who ends it ends the server
        os.execve(command[0], command, ENVIRONMENT)


def style() -> None:
    bring(TOOLS)
    call(program(".venv", "ruff"), "format", "--check", "-q", ".")
    call(program(".venv", "ruff"), "check", "-q", ".")
    call(program(".venv", "mypy"), "--no-error-summary")


def check() -> None:
    bring(TOOLS)
    if "FENLEI_BUNDLE" not in ENVIRONMENT:
        bring_model(DEFAULT_MODEL)
    with ThreadPoolExecutor(1) as beside:  # on two processors mypy then takes no time of its own
        styled = beside.submit(style)
        call(program(".venv", "python"), "-m", "pytest", "-q", "tests/unit")
        styled.result()


def smoke() -> None:
    bring(READY)
    call(program(".venv", "python"), "-m", "tests.smoke")


GOALS: dict[str, Callable[[], None]] = {
    "setup": partial(bring, READY),
    "run": run,
    "check": check,
    "style": style,
    "smoke": smoke,
    # For the Makefile, which knows when.
    f"{DEFAULT_MODEL}/manifest.json": partial(bring_model, DEFAULT_MODEL),
    **{mark: partial(do, mark) for mark in STEPS},
}


# --- how ------------------------------------------------------------------------------------------


def say(sentence: str) -> None:
    print(f"==> {sentence}" if WINDOWS else f"\033[1m==> {sentence}\033[0m", file=sys.stderr, flush=True)


def program(environment: str, name: str) -> str:
    """A program of an environment, where this system has it."""
    return str(ROOT / environment / ("Scripts" if WINDOWS else "bin") / (f"{name}.exe" if WINDOWS else name))


def call(*command: str) -> None:
    """Runs a command. Raises Failed, with its status, if it fails."""
    status = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=False).returncode
    if status:
        name = " ".join((Path(command[0]).name.removesuffix(".exe"), *command[1:3]))
        raise Failed(f"{name} ended with exit status {status}; what it said stands above", status)


def main(words: list[str]) -> None:
    """Reaches one goal after the other; variables are given as to make, here or in the environment. Raises Failed."""
    given = dict(word.split("=", 1) for word in words if "=" in word)
    goals = [word for word in words if "=" not in word]
    for asked, known in (([*given], [*DEFAULTS, "FENLEI_BUNDLE"]), (goals, [*GOALS])):
        for unknown in sorted({*asked} - {*known}):
            raise Failed(f"make.py does not know {unknown}; it knows: {', '.join(known)}")
    ENVIRONMENT.update(given)
    for goal in goals:
        GOALS[goal]()
    if not goals:
        print(__doc__)


if __name__ == "__main__":
    os.chdir(ROOT)
    # Whoever ends this ends what it has started: subprocess.run does so when it is interrupted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main(sys.argv[1:])
    except Failed as failed:
        print(f"error: {failed}", file=sys.stderr)
        sys.exit(failed.status)
    except KeyboardInterrupt:
        sys.exit(130)
