"""Imports run down only: from each wing to those below it, never up, and never to one beside it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

# From top to bottom; what stands in one line does not know of each other.
TRAINING = (
    ("training.commands",),
    ("training.run",),
    ("training.texts", "training.choose", "training.distil"),
    ("training.options", "training.train"),
    ("training.judging",),
    ("training.families",),
    ("training.shipping", "training.encoders"),
    ("training.learning",),
    ("training.data",),
    ("training.errors",),
)
HANDLER = (
    ("handler.api", "handler.s3", "handler.hook"),
    ("handler.https", "handler.files"),
    ("handler.model", "handler.drift"),
    ("handler.observability", "handler.snapshot"),
    ("handler.errors",),
)
# A loaded model is watched, and what watches knows models.
TOGETHER = {
    ("handler.model", "handler.drift"),
    ("handler.drift", "handler.model"),
}
FLOORS = {wing: number for number, floor in enumerate((*TRAINING, *HANDLER)) for wing in floor}


def imports(path: Path) -> Iterator[str]:
    """The modules of ours that a file names in its imports, wherever they stand."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wing_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


FILES = [path.relative_to(ROOT) for name in ("handler", "training") for path in sorted((ROOT / name).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_run_down(path: Path) -> None:
    here = wing_of(".".join(path.with_suffix("").parts))
    if here not in FLOORS:
        assert path.name == "__init__.py", f"{path} stands in no wing"
        return
    up = [
        module
        for module in imports(ROOT / path)
        if (there := wing_of(module)) in FLOORS
        and there != here
        and FLOORS[there] <= FLOORS[here]
        and (here, there) not in TOGETHER
    ]

    assert up == []


def test_what_ships_imports_nothing_of_training_or_build() -> None:
    foreign = {
        (str(path), module)
        for path in FILES
        if path.parts[0] == "handler"
        for module in imports(ROOT / path)
        if module.split(".")[0] in ("training", "build", "tests", "tensorflow", "keras")
    }

    assert foreign == set()
