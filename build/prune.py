"""What of the wheels is never read at run time, as data; each pattern must match something, or it is stale."""

import shutil
from collections.abc import Iterator
from pathlib import Path

# Below the package root. What NumPy and Powertools import on first use only, and the handler never uses, is here too;
# the tests call every route of the package without it.
UNUSED = (
    "**/__pycache__",
    "**/*.pyi",
    "**/*.pxd",
    "**/py.typed",
    "**/tests",
    ".lock",
    "bin",
    # Of an installed distribution METADATA is read, by importlib.metadata and by scanners; licences go beside the zip.
    "*.dist-info/[!M]*",
    "numpy/_core/_*_tests*.so",
    "numpy/_core/_simd*.so",
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/_pyinstaller",
    "numpy/conftest.py",
    "numpy/doc",
    "numpy/f2py",
    "numpy/testing",
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/data_masking",
    "aws_lambda_powertools/utilities/feature_flags",
    "aws_lambda_powertools/utilities/idempotency",
    "aws_lambda_powertools/utilities/kafka",
    "aws_lambda_powertools/utilities/parameters",
    "aws_lambda_powertools/utilities/parser",
    "aws_lambda_powertools/utilities/streaming",
    "aws_lambda_powertools/utilities/validation",
)

# Of what is installed as NAME-VERSION; NumPy 1 imports these at once.
UNUSED_OF = {
    "numpy-2": ("numpy/fft", "numpy/polynomial", "numpy/random"),
    # The interpreter is interpreter.py, two modules of metrics and three libraries; NPU compilers, generated
    # protocol buffers and the other front ends are not it.
    "ai_edge_litert-": (
        "ai_edge_litert/aot",
        "ai_edge_litert/tools",
        "ai_edge_litert/vendors",
        "ai_edge_litert/internal",
        "ai_edge_litert/*_pb2.py",
        "ai_edge_litert/compiled_model.py",
        "ai_edge_litert/schema_py_generated.py",
        "ai_edge_litert/libLiteRtWebGpuAccelerator*",
        "ai_edge_litert/_pywrap_analyzer_wrapper.so",
        "ai_edge_litert/_pywrap_litert_compiled_model_wrapper.so",
        "ai_edge_litert/_pywrap_litert_tensor_buffer_wrapper.so",
        "ai_edge_litert/_pywrap_modify_model_interface.so",
        "ai_edge_litert/_pywrap_tensorflow_lite_calibration_wrapper.so",
        "ai_edge_litert/format_converter_wrapper_pybind11.so",
        "ai_edge_litert/pywrap_genai_ops.so",
    ),
    # Of the version for Python 3.14 no library of the interpreter asks for it; CompiledModel would load it.
    "ai_edge_litert-2.3": ("ai_edge_litert/libLiteRt.so",),
}


def prune(tree: Path) -> None:
    """Deletes from a tree of installed wheels what is never read."""
    for _, path in unused(tree):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def unused(tree: Path) -> Iterator[tuple[str, Path]]:
    """Each pattern with each path that it matches."""
    installed = [path.name for path in tree.glob("*.dist-info")]
    of_these = [UNUSED_OF[key] for key in UNUSED_OF if any(name.startswith(key) for name in installed)]
    patterns = [*UNUSED, *(pattern for these in of_these for pattern in these)]
    for pattern in patterns:
        for path in sorted(tree.glob(pattern)):
            yield pattern, path
