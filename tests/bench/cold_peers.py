"""The packages whose cold starts are compared, each a directory as it would be deployed.

Peers are installed from the hashes of build/locks/bench.txt with all that they depend on, as `pip install -t` does, and
get the same bytecode as our package; nothing of them is pruned. They are kept in .envs/cold and made once.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from build.archive import pack
from build.bytecode import compile_all
from build.replay import Command, packaged
from build.sizes import on_disk
from build.wheels import LOCKS, ROOT, find_python, find_uv
from training.data.datasets import read_dataset
from training.data.split import Cleaning, clean

HANDLERS = Path(__file__).parent / "cold_handlers"
KEPT = ROOT / ".envs/cold"
OURS = ROOT / "dist/python3.13-x86_64"
OURS_IN_IMAGE = ROOT / "dist/image-debian12-x86_64"


class Contender(NamedTuple):
    """A function to start; `trees` are the directories that are read, `packed` is 0 where there is no zip of it."""

    name: str
    command: Command
    trees: tuple[Path, ...]
    unpacked: int
    packed: int


class Peer(NamedTuple):
    """What people would deploy instead: requirements, a handler, and the model files that go with it."""

    name: str
    python: str
    requirements: tuple[str, ...]
    handler: str
    trained: bool = False


PEERS = (
    Peer("ONNX Runtime, the same model", "3.13", ("onnxruntime", "tokenizers"), "onnx_handler"),
    Peer("scikit-learn pickle", "3.13", ("scikit-learn",), "sklearn_handler", trained=True),
    # Its last release does not run with NumPy 2, which Python 3.13 needs.
    Peer("fastText (Python 3.11)", "3.11", ("fasttext",), "fasttext_handler", trained=True),
    Peer("tensorflow, the same model", "3.13", ("tensorflow", "tokenizers"), "tensorflow_handler"),
)


def contenders(bundle: Path) -> list[Contender]:
    """All of them, ours first after the bare interpreter and the floor."""
    KEPT.mkdir(parents=True, exist_ok=True)
    hello = KEPT / "hello"
    hello.mkdir(exist_ok=True)
    shutil.copyfile(HANDLERS / "hello.py", hello / "hello.py")
    floor = KEPT / "floor"
    floor.mkdir(exist_ok=True)
    shutil.copyfile(HANDLERS / "floor.py", floor / "floor.py")
    for tree in (hello, floor):
        compile_all(tree, "3.13")
    ours = packaged(OURS, "3.13")
    path = f"{floor}:{ours.environment['PYTHONPATH']}"
    on_floor = Command(
        [*ours.arguments[:-1], "floor.lambda_handler"], OURS, {"PYTHONPATH": path, "MODEL_DIR": str(OURS / "model")}
    )
    one_thread = on_floor._replace(environment=on_floor.environment | {"OPENBLAS_NUM_THREADS": "1"})
    packed = ROOT / "dist/fenlei-python3.13-x86_64.zip"
    return [
        Contender("hello, world", packaged(hello, "3.13", "hello.lambda_handler"), (hello,), on_disk(hello), 0),
        Contender("floor: NumPy, interpreter, tokenizers, model", on_floor, (OURS, floor), 0, 0),
        Contender("the floor with one BLAS thread, as fenlei has", one_thread, (OURS, floor), 0, 0),
        Contender("fenlei", ours, (OURS,), on_disk(OURS), packed.stat().st_size),
        Contender(
            "fenlei on tflite-runtime (image)",
            packaged(OURS_IN_IMAGE, "3.11"),
            (OURS_IN_IMAGE,),
            on_disk(OURS_IN_IMAGE),
            0,
        ),
        *(contender(peer, bundle) for peer in PEERS),
    ]


def contender(peer: Peer, bundle: Path) -> Contender:
    """Makes a peer's package unless it is there, and newer than what it is made of."""
    tree, archive = KEPT / peer.handler, KEPT / f"{peer.handler}.zip"
    sources = (LOCKS / "bench.txt", HANDLERS / f"{peer.handler}.py", bundle / "manifest.json")
    if not archive.exists() or archive.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        print(f"making the package of {peer.name}", file=sys.stderr)
        shutil.rmtree(tree, ignore_errors=True)
        install(peer, tree)
        shutil.copyfile(HANDLERS / f"{peer.handler}.py", tree / f"{peer.handler}.py")
        add_model(peer, tree, bundle)
        compile_all(tree, peer.python)
        pack(tree, archive)
    command = packaged(tree, peer.python, f"{peer.handler}.lambda_handler")
    return Contender(peer.name, command, (tree,), on_disk(tree), archive.stat().st_size)


def install(peer: Peer, tree: Path) -> None:
    command = [find_uv(), "pip", "install", "--quiet", "--target", str(tree), "--link-mode", "copy"]
    command += ["--python", find_python(peer.python), "--constraints", str(LOCKS / "bench.txt")]
    subprocess.run([*command, *peer.requirements], check=True)


def add_model(peer: Peer, tree: Path, bundle: Path) -> None:
    """Converts the bundle's model, copies it, or trains the peer's own on the same texts."""
    model = tree / "model"
    model.mkdir()
    if peer.trained:
        table = KEPT / "reviews.tsv"
        kept = clean(read_dataset("reviews-zh"), Cleaning())
        table.write_text("".join(f"{e.label}\t{e.text}\n" for e in kept), encoding="utf-8")
        train = [find_python(peer.python), str(tree / f"{peer.handler}.py"), str(table)]
        subprocess.run(train, env={"PYTHONPATH": str(tree)}, check=True)
        return
    shutil.copyfile(bundle / "tokenizer.json", model / "tokenizer.json")
    if peer.handler == "onnx_handler":
        convert = [sys.executable, "-m", "tests.bench.to_onnx", str(bundle), str(model / "model.onnx")]
        subprocess.run(convert, check=True)
    else:
        shutil.copyfile(bundle / "model.tflite", model / "model.tflite")
