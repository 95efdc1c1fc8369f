"""The gate, on the real wheels: what loads where, whatever their tags say."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from build import elf, prune, sizes, wheels
from build.errors import BuildError
from build.targets import ARCHITECTURES, TARGETS

Wheels = Callable[[str, str], Path]
X86_64, ARM64 = ARCHITECTURES["x86_64"], ARCHITECTURES["arm64"]


def test_tflite_runtime_does_not_load_on_the_python_that_lambda_has_for_it(installed: Wheels) -> None:
    tree = installed("image-al2023", "x86_64")
    tag = next(tree.glob("tflite_runtime-*.dist-info/WHEEL")).read_text(encoding="utf-8")
    assert "manylinux2014" in tag  # so it says that glibc 2.17 is enough

    with pytest.raises(BuildError) as refused:
        elf.check(tree, TARGETS["python3.11"], X86_64)

    assert str(refused.value) == (
        "tflite_runtime/_pywrap_tensorflow_interpreter_wrapper.so needs GLIBC 2.29 (there: 2.26). So the package would "
        "not load on python3.11 (Amazon Linux 2, x86_64), whatever the tags of its wheels say; build for image-al2023 "
        "or image-debian12 instead."
    )


@pytest.mark.parametrize("target", ["image-al2023", "image-debian12"])
def test_tflite_runtime_loads_in_an_image(installed: Wheels, target: str) -> None:
    found = elf.check(installed("image-al2023", "x86_64"), TARGETS[target], X86_64)

    assert Path("tflite_runtime/_pywrap_tensorflow_interpreter_wrapper.so") in found


@pytest.mark.parametrize("architecture", [X86_64, ARM64], ids=lambda a: a.name)
def test_what_ships_loads_on_amazon_linux_2023(
    installed: Wheels, tmp_path: Path, architecture: elf.Architecture
) -> None:
    tree = shutil.copytree(installed("python3.13", architecture.name), tmp_path / "tree")
    prune.prune(tree)

    found = elf.check(tree, TARGETS["python3.13"], architecture)

    assert {library.machine for library in found.values()} == {architecture.machine}
    assert elf.highest(found)["GLIBC"] <= (2, 34)


def test_what_ships_for_python_3_14_loads_on_x86_64_and_not_yet_on_arm64(installed: Wheels, tmp_path: Path) -> None:
    x86_64, arm64 = (
        shutil.copytree(installed("python3.14", one.name), tmp_path / one.name, symlinks=True)
        for one in (X86_64, ARM64)
    )
    for tree in (x86_64, arm64):
        prune.prune(tree)

    assert elf.highest(elf.check(x86_64, TARGETS["python3.14"], X86_64))["GLIBCXX"] <= (3, 4, 22)
    assert sizes.on_disk(x86_64) < sizes.BUDGET.unpacked
    with pytest.raises(BuildError, match=r"libpywrap_litert_common\.so needs GLIBCXX 3\.4\.30 \(there: 3\.4\.29\)"):
        elf.check(arm64, TARGETS["python3.14"], ARM64)


def test_libraries_of_another_processor_are_refused(installed: Wheels) -> None:
    with pytest.raises(BuildError, match=r"is for aarch64.*install the wheels for x86_64"):
        elf.check(installed("python3.13", "arm64"), TARGETS["python3.13"], X86_64)


def test_a_library_that_is_not_there_is_missed(installed: Wheels, tmp_path: Path) -> None:
    tree = shutil.copytree(installed("python3.13", "x86_64"), tmp_path / "tree")
    (tree / "ai_edge_litert/libLiteRt.so").unlink()

    with pytest.raises(BuildError, match=r"needs libLiteRt\.so, which is neither in the package nor on Amazon Linux"):
        elf.check(tree, TARGETS["python3.13"], X86_64)


@pytest.mark.parametrize(
    ("target", "library", "place", "loads"),
    [
        ("python3.13", "ai_edge_litert/libLiteRt.so", "lib", True),  # on Lambda's own LD_LIBRARY_PATH
        ("python3.13", "ai_edge_litert/libLiteRt.so", "numpy", False),
        ("image-debian12", "numpy.libs/libgfortran-*", "lib", False),  # a container has none
        ("image-debian12", "numpy.libs/libgfortran-*", "numpy/core", False),
    ],
)
def test_a_library_counts_only_where_the_loader_would_look(
    installed: Wheels, tmp_path: Path, target: str, library: str, place: str, loads: bool
) -> None:
    tree = shutil.copytree(installed(target, "x86_64"), tmp_path / "tree")
    prune.prune(tree)
    (tree / place).mkdir(exist_ok=True)
    (moved,) = tree.glob(library)
    moved.rename(tree / place / moved.name)

    if loads:
        elf.check(tree, TARGETS[target], X86_64)
    else:
        with pytest.raises(BuildError, match=f"needs {moved.name}, which is neither in the package where it would be"):
            elf.check(tree, TARGETS[target], X86_64)


def test_a_library_that_does_not_say_what_it_needs_is_refused(installed: Wheels, tmp_path: Path) -> None:
    library = Path(shutil.copy(next(installed("python3.13", "x86_64").glob("tokenizers/*.so")), tmp_path))
    with library.open("r+b") as file:
        headers = ELFFile(file)
        number = next(i for i, part in enumerate(headers.iter_segments()) if part["p_type"] == "PT_DYNAMIC")
        file.seek(headers["e_phoff"] + number * headers["e_phentsize"])
        file.write(bytes(4))  # PT_NULL

    with pytest.raises(BuildError, match="has no dynamic segment, so it does not say what it needs"):
        elf.check(tmp_path, TARGETS["python3.13"], X86_64)


def test_a_directory_without_a_library_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="holds no shared library, so it is no package"):
        elf.check(tmp_path, TARGETS["python3.13"], X86_64)


def test_a_later_litert_does_not_load_on_arm64(tmp_path: Path) -> None:
    # GIVEN the release after the pinned one, whose tag says that glibc 2.27 is enough
    command = [
        wheels.find_uv(),
        "pip",
        "install",
        "-q",
        "--target",
        str(tmp_path),
        "--no-deps",
        "--only-binary",
        ":all:",
    ]
    command += ["--python-version", "3.13", "--python-platform", "aarch64-manylinux_2_34", "ai-edge-litert==2.1.1"]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("its wheel cannot be had")

    with pytest.raises(BuildError, match=r"needs GLIBCXX 3\.4\.30 \(there: 3\.4\.29\).*pin a version of it"):
        elf.check(tmp_path, TARGETS["python3.13"], ARM64)


def test_cutting_takes_off_only_what_is_never_loaded(installed: Wheels, tmp_path: Path) -> None:
    whole = next(installed("python3.13", "x86_64").glob("tokenizers/*.so"))
    cut = Path(shutil.copyfile(whole, tmp_path / whole.name))

    elf.cut(cut)

    assert cut.stat().st_size < 0.75 * whole.stat().st_size
    before, after = bytearray(whole.read_bytes()[: cut.stat().st_size]), bytearray(cut.read_bytes())
    for header in (before, after):  # the header alone says no longer where the sections are
        header[0x28:0x30], header[0x3C:0x40] = bytes(8), bytes(4)
    assert before == after


def test_a_library_that_was_cut_asks_for_the_same(installed: Wheels, tmp_path: Path) -> None:
    tree = shutil.copytree(installed("python3.13", "x86_64"), tmp_path / "tree")
    whole = elf.shared_libraries(tree)
    for path in whole:
        elf.cut(tree / path)

    assert elf.shared_libraries(tree) == whole
    assert elf.highest(whole).keys() >= {"GLIBC", "GLIBCXX", "CXXABI", "GCC"}


@pytest.mark.parametrize("state", ["as installed", "cut"])
def test_the_command_says_what_a_tree_needs(installed: Wheels, tmp_path: Path, state: str) -> None:
    tree = shutil.copytree(installed("image-al2023", "x86_64"), tmp_path / "tree")
    if state == "cut":
        for path in elf.shared_libraries(tree):
            elf.cut(tree / path)
    command = [sys.executable, "-m", "build.elf", str(tree), "--target"]

    fine, refused = (
        subprocess.run([*command, target], capture_output=True, encoding="utf-8", check=False)
        for target in ("image-debian12", "python3.11")
    )

    assert (fine.returncode, refused.returncode) == (0, 1)
    assert "GLIBC 2.2" in fine.stdout
    assert refused.stderr.startswith("error: tflite_runtime/")
    assert "Traceback" not in refused.stderr
