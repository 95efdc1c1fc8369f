"""The pieces of the package build that need no wheels: archive, sizes, locks, costs."""

import os
import sys
import zipfile
from pathlib import Path

import pytest
from support import write_bundle

from build import archive, package, prune, replay, sizes, wheels
from build.errors import BuildError
from build.targets import ARCHITECTURES, TARGETS
from handler.model.bundle import Bundle, FileEntry

ROOT = Path(__file__).parents[2]


# --- archive --------------------------------------------------------------------------------------


def tree_of(directory: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


FILES = {"a/b.txt": b"b" * 5000, "a.txt": b"a", "z/é": b"", "a/B.txt": b"B"}


def test_the_same_content_gives_the_same_bytes_whatever_time_mode_or_order(tmp_path: Path) -> None:
    # GIVEN the same files, written in another order, at another time, with another mode
    one = tree_of(tmp_path / "one", FILES)
    other = tree_of(tmp_path / "other", dict(reversed(FILES.items())))
    os.utime(other / "a.txt", (1, 1))
    (other / "a.txt").chmod(0o755)

    for tree in (one, other):
        archive.pack(tree, tree.with_suffix(".zip"))

    assert archive.sha256(tmp_path / "one.zip") == archive.sha256(tmp_path / "other.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == FILES


def test_one_changed_byte_gives_another_archive(tmp_path: Path) -> None:
    for name, content in (("one", b"x"), ("other", b"y")):
        archive.pack(tree_of(tmp_path / name, {"file": content}), tmp_path / f"{name}.zip")

    assert archive.sha256(tmp_path / "one.zip") != archive.sha256(tmp_path / "other.zip")


def test_a_settled_tree_is_of_1980_and_readable_for_all(tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", FILES)
    (tree / "a.txt").chmod(0o600)

    archive.settle(tree)

    assert {path.stat().st_mtime for path in tree.rglob("*")} == {315532800}
    readable = 0o666 if sys.platform == "win32" else 0o644  # Windows knows read-only and not
    assert {path.stat().st_mode & 0o777 for path in tree.rglob("*") if path.is_file()} == {readable}


# --- sizes ----------------------------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, dict[str, sizes.Size]]:
    content = os.urandom(2000)
    files = {"numpy/a.so": content, "numpy/b.py": b"", "model/m": content * 2, "numpy-2.dist-info/METADATA": b"x"}
    archive.pack(tree_of(tmp_path / "tree", files), tmp_path / "tree.zip")
    return sizes.weigh(tmp_path / "tree.zip")


def test_the_tree_shows_what_takes_how_much(parts: dict[str, dict[str, sizes.Size]]) -> None:
    lines = [line.split(maxsplit=2)[-1] for line in sizes.tree(parts, shown=1000).splitlines()[1:]]

    assert lines[:4] == ["model", "numpy", "a.so", "bytecode and metadata"]
    assert sizes.total(parts).unpacked == 6001
    assert sizes.total(parts, without="model").unpacked == 2001


def test_the_budget_is_for_all_but_the_model(parts: dict[str, dict[str, sizes.Size]]) -> None:
    sizes.check(parts, sizes.Size(unpacked=2001, packed=3000))

    with pytest.raises(BuildError, match=r"without its model has .* and its budget .* is .*: prune what grew"):
        sizes.check(parts, sizes.Size(unpacked=2000, packed=3000))


def test_what_lambda_cannot_unpack_is_refused(parts: dict[str, dict[str, sizes.Size]]) -> None:
    parts["model"]["huge"] = sizes.Size(sizes.LAMBDA_UNPACKED, 1)

    with pytest.raises(
        BuildError, match=r"Lambda unpacks 262 MB at most; too big for the zip: .*image.* or .*ModelUri"
    ):
        sizes.check(parts)


def test_a_zip_that_lambda_does_not_take_is_refused(parts: dict[str, dict[str, sizes.Size]]) -> None:
    parts["model"]["large"] = sizes.Size(1, sizes.LAMBDA_PACKED)

    with pytest.raises(BuildError, match=r"Lambda takes 52 MB at most; too big for the zip: .*image.* or .*ModelUri"):
        sizes.check(parts)


def test_a_bundle_too_big_for_the_zip_is_refused_before_anything_is_built(bundle: Bundle, tmp_path: Path) -> None:
    # GIVEN a bundle that says to hold a model of 200 MB, and a package that was there before
    files = bundle.manifest.files | {"model.tflite": FileEntry(200_000_000, "0" * 64)}
    path = write_bundle(tmp_path / "large", bundle, files=files)
    kept = tree_of(tmp_path / "package", {"kept": b""})

    with pytest.raises(
        BuildError, match=r"has 2[0-9]+ MB with its model, .* too big for the zip: .*image.* or .*ModelUri"
    ):
        package.assemble(path, kept, TARGETS["python3.13"], ARCHITECTURES["x86_64"])

    assert (kept / "kept").exists()


# --- locks ----------------------------------------------------------------------------------------


def test_what_ships_is_a_part_of_the_lock_and_each_entry_has_hashes() -> None:
    lock = (wheels.LOCKS / "handler.txt").read_text(encoding="utf-8")

    entries = wheels.shipped_entries(lock)

    assert {wheels.name_of(entry) for entry in entries} == set(wheels.SHIPPED)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "boto3" in {wheels.name_of(entry) for entry in wheels.entries_of(lock)} - set(wheels.SHIPPED)


@pytest.mark.parametrize("lock", sorted(wheels.LOCKS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_lock_names_no_index(lock: Path) -> None:
    assert "://" not in lock.read_text(encoding="utf-8")


def test_pruning_deletes_what_matches_and_only_for_the_version_that_is_there(tmp_path: Path) -> None:
    names = ["numpy/random/x.py", "numpy/ma/x.py", "numpy/x.pyi", "numpy/ma/tests/x.py"]
    two = tree_of(tmp_path / "two", dict.fromkeys([*names, "numpy-2.1.dist-info/METADATA"], b""))
    one = tree_of(tmp_path / "one", dict.fromkeys([*names, "numpy-1.26.dist-info/METADATA"], b""))

    prune.prune(two)
    prune.prune(one)

    assert [path.as_posix() for path in archive.files(two)] == ["numpy-2.1.dist-info/METADATA", "numpy/ma/x.py"]
    assert "numpy/random/x.py" in [path.as_posix() for path in archive.files(one)]


# --- what a build is made with --------------------------------------------------------------------


@pytest.fixture
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A wheel's tree, where make installed nothing, and a PATH with nothing on it."""
    for module in (replay, wheels):
        monkeypatch.setattr(module, "ROOT", tmp_path / "tree")
    monkeypatch.setattr(wheels.sysconfig, "get_path", lambda _: str(tmp_path / "scripts"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("FENLEI_RIE", raising=False)
    return tmp_path


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o755)
    return path


@pytest.mark.skipif(not replay.HERE, reason="no package runs here")
@pytest.mark.parametrize(
    ("command", "modules"),
    [
        ("bin/sam", "lib/python3.13/site-packages"),  # as pip and pipx install it
        ("dist/sam", "dist/_internal"),  # as AWS's installer does
        ("dist/sam", "dist"),  # as it did
    ],
)
def test_the_emulator_is_found_beside_the_sam_command_line_on_the_path(
    nothing_here: Path, command: str, modules: str
) -> None:
    sam = program(nothing_here / "sam" / command)
    emulator = program(nothing_here / f"sam/{modules}/samcli/local/rapid/aws-lambda-rie-{replay.HERE}")
    with pytest.raises(BuildError, match="put the SAM command line on PATH"):
        replay.find_emulator()
    (nothing_here / "bin").mkdir()
    (nothing_here / "bin/sam").symlink_to(sam)

    assert replay.find_emulator() == emulator


@pytest.mark.parametrize("place", ["tree/.envs/uv/bin", "tree/.envs/uv/Scripts", "scripts", "bin"])
def test_uv_is_found_where_make_or_pip_put_it_or_on_the_path(nothing_here: Path, place: str) -> None:
    with pytest.raises(BuildError, match=r"install it with: pip install 'fenlei\[deploy\]'"):
        wheels.find_uv()

    uv = program(nothing_here / place / ("uv.exe" if sys.platform == "win32" else "uv"))

    assert Path(wheels.find_uv()) == uv
