"""Builds what Lambda runs: handler + bundle + pinned wheels -> a directory that is small and starts fast.

    python -m build.package --bundle models/reviews-zh --output .aws-sam/build/ApiFunction

Wheels come from build/locks/handler.txt, for the target's Python and processor, whatever machine this is.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from build import contract

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "build" / "locks" / "handler.txt"

# What the handler imports. The rest of the lock is not needed at run time (tokenizers asks for
# huggingface_hub, ai-edge-litert for protobuf), or Lambda brings it (boto3).
SHIPPED = ("ai-edge-litert", "aws-lambda-powertools", "jmespath", "msgspec", "numpy", "tokenizers", "typing-extensions")

# Lambda's python3.12 and later run on Amazon Linux 2023, which has GLIBC 2.34.
PLATFORMS = {"x86_64": "x86_64-manylinux_2_34", "arm64": "aarch64-manylinux_2_34"}

# Never read at run time; patterns below the package root.
UNUSED = (
    "**/__pycache__",
    "**/*.pyi",
    "**/tests",
    "*.dist-info/licenses/**/*",
    "bin",
    "ai_edge_litert/aot",
    "ai_edge_litert/tools",
    "ai_edge_litert/vendors",
    "ai_edge_litert/internal",
    "ai_edge_litert/libLiteRtWebGpuAccelerator*",
    "numpy/f2py",
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/distutils",
    "numpy/testing",
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/parser",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle to ship")
    parser.add_argument("--output", type=Path, required=True, help="the directory to fill; emptied first")
    parser.add_argument("--python", default="3.13", help="Python of the Lambda runtime")
    parser.add_argument("--architecture", default="x86_64", choices=sorted(PLATFORMS))
    options = parser.parse_args()
    try:
        package(options.bundle, options.output, options.python, options.architecture)
    except PackageError as error:
        sys.exit(f"error: {error}")


class PackageError(Exception):
    """The package cannot be built; one sentence for the user."""


def package(bundle: Path, output: Path, python: str, architecture: str) -> None:
    """Fills `output` with the wheels, the handler and the bundle. Raises PackageError."""
    manifest = bundle / "manifest.json"
    if not manifest.exists():
        raise PackageError(f"{bundle} is not a bundle; make one with: fenlei train -o {bundle}")
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    install(output, python, architecture)
    for pattern in UNUSED:
        for path in output.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(ROOT / "handler", output / "handler", ignore=shutil.ignore_patterns("__pycache__"))
    (output / "handler/pages/openapi.json").write_text(contract.served(), encoding="utf-8")
    (output / "model").mkdir()
    for name in ("manifest.json", *json.loads(manifest.read_text(encoding="utf-8"))["files"]):
        shutil.copy2(bundle / name, output / "model" / name)
    compile_bytecode(output, python)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"{output}: {size / 1e6:.1f} MB unpacked, python{python} {architecture}, model {bundle.name}")


def install(output: Path, python: str, architecture: str) -> None:
    """Installs the shipped part of the lock for another machine. Raises PackageError."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write("".join(shipped_entries(LOCK.read_text(encoding="utf-8"))))
        requirements.flush()
        command = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--target", str(output)]
        command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirements", requirements.name]
        command += ["--python-version", python, "--python-platform", PLATFORMS[architecture]]
        if subprocess.run(command, check=False).returncode:
            raise PackageError("The wheels could not be installed; uv says why above.")


def shipped_entries(lock: str) -> list[str]:
    """The entries of a lock file (a requirement and its hashes) that ship."""
    entries = re.findall(r"^[a-z0-9].*(?:\n +.*)*\n", lock, re.MULTILINE)
    return [entry for entry in entries if entry.split("==")[0] in SHIPPED]


def compile_bytecode(output: Path, python: str) -> None:
    """Compiles every module with unchecked hashes.

    Zip files carry old timestamps, so that timestamped .pyc files would be compiled again at each cold start.
    """
    options = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    interpreter = find_python(python)
    command = [interpreter, "-m", "compileall", *options, "-s", str(output), str(output)]
    if subprocess.run(command, check=False).returncode:
        raise PackageError("A module could not be compiled; see above.")


def find_python(version: str) -> str:
    """A Python of that version: on PATH, or where pyenv keeps it. Raises PackageError."""
    kept = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
    for candidate in (f"python{version}", *map(str, kept)):
        found = shutil.which(candidate)
        # A name on PATH may be a shim that does not run.
        if found and subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode == 0:
            return found
    raise PackageError(f"python{version} is not on PATH; install it, because its own compiler makes the bytecode.")


if __name__ == "__main__":
    main()
