"""What a package weighs, and what it may."""

import zipfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from build.errors import BuildError

MB = 1_000_000
MODEL = "model"


class Size(NamedTuple):
    """Bytes on disk, and in the archive."""

    unpacked: int
    packed: int

    def __add__(self, other: object) -> "Size":
        assert isinstance(other, Size)
        return Size(self.unpacked + other.unpacked, self.packed + other.packed)

    def __str__(self) -> str:
        return f"{self.unpacked / MB:8.2f} {self.packed / MB:8.2f}"


NOTHING = Size(0, 0)

# All but the model. A build over it fails: a new wheel has grown, or something was not pruned.
BUDGET = Size(unpacked=75 * MB, packed=24 * MB)
# Lambda's own, for all that a function unpacks, and for a zip that is handed to it: AWS Lambda developer guide, "Lambda
# quotas".
LAMBDA_UNPACKED = 250 * 1024 * 1024
LAMBDA_PACKED = 50 * 1024 * 1024
ELSEWHERE = "too big for the zip: serve the model from a container image (make image) or from a bucket (ModelUri)"


def weigh(archive: Path) -> dict[str, dict[str, Size]]:
    """The size of each part (the first name of a path), and of each file in it."""
    parts: dict[str, dict[str, Size]] = defaultdict(dict)
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            part, _, rest = entry.filename.partition("/")
            name = "bytecode and metadata" if part.endswith((".dist-info", "__pycache__")) else part
            parts[name][f"{part}/{rest}" if name != part else rest or part] = Size(entry.file_size, entry.compress_size)
    return dict(parts)


def total(parts: dict[str, dict[str, Size]], without: str = "") -> Size:
    return sum((size for part, found in parts.items() if part != without for size in found.values()), NOTHING)


def tree(parts: dict[str, dict[str, Size]], shown: int = MB // 2) -> str:
    """The parts, the largest first, each with those of its files that are over `shown` bytes."""
    lines = ["      MB   zipped"]
    weights = {part: sum(found.values(), NOTHING) for part, found in parts.items()}
    for part in sorted(weights, key=lambda part: -weights[part].unpacked):
        lines.append(f"{weights[part]}  {part}")
        if len(parts[part]) > 1:
            large = sorted((size, name) for name, size in parts[part].items() if size.unpacked >= shown)
            lines += [f"{size}    {name}" for size, name in reversed(large)]
    lines.append(f"{total(parts)}  in all")
    lines.append(
        f"{total(parts, MODEL)}  without the model; the budget is {BUDGET.unpacked // MB} and {BUDGET.packed // MB}"
    )
    return "\n".join(lines)


def check(parts: dict[str, dict[str, Size]], budget: Size = BUDGET) -> None:
    """Raises BuildError if the package is over budget, or too large for Lambda."""
    code, everything = total(parts, MODEL), total(parts)
    if code.unpacked > budget.unpacked or code.packed > budget.packed:
        raise BuildError(
            f"The package without its model has {code.unpacked / MB:.1f} MB, {code.packed / MB:.1f} zipped, and its "
            f"budget (build/sizes.py) is {budget.unpacked / MB:.0f} and {budget.packed / MB:.0f}: prune what grew."
        )
    check_unpacked(everything.unpacked)
    if everything.packed > LAMBDA_PACKED:
        raise BuildError(
            f"The zip has {everything.packed / MB:.0f} MB with its model, and Lambda takes {LAMBDA_PACKED / MB:.0f} MB "
            f"at most; {ELSEWHERE}, or quantise it."
        )


def check_unpacked(size: int) -> None:
    """Raises BuildError if so many bytes, the model with them, are more than Lambda unpacks."""
    if size > LAMBDA_UNPACKED:
        raise BuildError(
            f"The package has {size / MB:.0f} MB with its model, and Lambda unpacks {LAMBDA_UNPACKED / MB:.0f} MB at "
            f"most; {ELSEWHERE}, or quantise it."
        )


def on_disk(tree: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
