"""Builds what Lambda runs: handler + bundle + pinned wheels -> a package that is small, checked and reproducible.

    python -m build.package --bundle models/reviews-zh --output .aws-sam/build/ApiFunction
    python -m build.package --bundle models/reviews-zh --output dist/python3.13-arm64 --architecture arm64 --dist dist

The first fills a directory, for `sam build`; the second packs it too, with a bill of materials, licences and digests.
Nothing is said to be built before its libraries passed the gate and its golden texts were replayed.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from build import archive, bytecode, contract, elf, inventory, prune, replay, sizes, wheels
from build.errors import BuildError
from build.targets import ARCHITECTURES, TARGETS, Architecture, Target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle to ship")
    parser.add_argument("--output", type=Path, required=True, help="the directory to fill; emptied first")
    parser.add_argument("--target", default="python3.13", choices=TARGETS, help="what it is to run on")
    parser.add_argument("--architecture", default="x86_64", choices=ARCHITECTURES)
    parser.add_argument("--dist", type=Path, help="where to put the zip and what belongs to it")
    options = parser.parse_args()
    try:
        build(options.bundle, options.output, options.architecture, options.target, options.dist)
    except BuildError as error:
        sys.exit(f"error: {error}")


def build(
    bundle: Path, output: Path, architecture_name: str, target_name: str = "python3.13", dist: Path | None = None
) -> None:
    """Assembles, checks and replays a package; with `dist` packs it too. Says what it did; raises BuildError."""
    target, architecture = TARGETS[target_name], ARCHITECTURES[architecture_name]
    shipped = assemble(bundle, output, target, architecture)
    print(_replayed(output, target, architecture))
    if dist:
        release(output, dist, f"fenlei-{target.name}-{architecture.name}", shipped)
    print(f"{output}: {sizes.on_disk(output) / sizes.MB:.1f} MB, {_for(target, architecture)}: OK")


def assemble(bundle: Path, output: Path, target: Target, architecture: Architecture) -> list[inventory.Shipped]:
    """Fills `output` with the wheels, the handler and the bundle; gives what was installed. Raises BuildError."""
    manifest = bundle / "manifest.json"
    if not manifest.exists():
        raise BuildError(f"{bundle} is not a bundle; make one with: fenlei train -o {bundle}")
    files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    if target.zipped:
        sizes.check_unpacked(sizes.BUDGET.unpacked + sum(entry["size"] for entry in files.values()))
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    wheels.install(output, target, architecture)
    shipped = inventory.read(output)
    prune.prune(output)
    for library in elf.check(output, target, architecture):
        elf.cut(output / library)
    shutil.copytree(wheels.ROOT / "handler", output / "handler", ignore=shutil.ignore_patterns("__pycache__"))
    (output / "handler/https/static/openapi.json").write_text(contract.served(), encoding="utf-8", newline="\n")
    (output / "model").mkdir()
    for name in ("manifest.json", *files):
        shutil.copyfile(bundle / name, output / "model" / name)
    bytecode.compile_all(output, target.python)
    archive.settle(output)
    return shipped


def release(tree: Path, dist: Path, name: str, shipped: list[inventory.Shipped]) -> None:
    """Packs a tree, weighs it, and puts beside it what is in it. Raises BuildError if it is over budget."""
    dist.mkdir(parents=True, exist_ok=True)
    packed = dist / f"{name}.zip"
    archive.pack(tree, packed)
    beside = {
        ".cdx.json": inventory.bill_of_materials(shipped, packed, tree),
        ".licences.txt": inventory.licences(shipped),
        ".files.sha256": archive.digests([tree / path for path in archive.files(tree)], tree),
    }
    for suffix, text in beside.items():
        (dist / f"{name}{suffix}").write_text(text, encoding="utf-8", newline="\n")
    made = [packed, *(dist / f"{name}{suffix}" for suffix in beside)]
    (dist / f"{name}.sha256").write_text(archive.digests(made, dist), encoding="utf-8", newline="\n")
    parts = sizes.weigh(packed)
    print(sizes.tree(parts))
    print(archive.digests([packed], dist), end="")
    sizes.check(parts)


def _replayed(package: Path, target: Target, architecture: Architecture) -> str:
    if architecture.name != replay.HERE:
        return (
            f"{architecture.name} does not run here: its libraries passed the gate, its golden texts were not replayed"
        )
    return replay.replay(package, target.python)


def _for(target: Target, architecture: Architecture) -> str:
    return f"for {target.name} ({target.system.name}) on {architecture.name}"


if __name__ == "__main__":
    main()
