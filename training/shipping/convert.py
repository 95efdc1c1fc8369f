"""Keras -> TensorFlow Lite: one signature a static shape, shared weights, builtin operations only."""

import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from handler.model.bundle import Signature
from training.errors import InputError, WorkError
from training.learning.ngrams import pad

# From the finest to the smallest.
QUANTIZATIONS = ("none", "float16", "dynamic", "int8")
# What a weight takes, at least.
BYTES = {"none": 4, "float16": 2, "dynamic": 1, "int8": 1}
BATCHES = (1, 32)
REPRESENTATIVES = 64
RANGED = "CONV_2D"
RUNTIMES = ["tflite-runtime", "ai-edge-litert"]

# The newest version of each operation in tflite-runtime 2.14.0, the oldest supported runtime, from its
# tensorflow/lite/core/kernels/register.cc; operations that are not here must be of version 1.
NEWEST_VERSIONS = {
    "ADD": 5, "BATCH_MATMUL": 4, "BROADCAST_TO": 3, "CAST": 5, "CONCATENATION": 4, "CONV_2D": 7, "DEQUANTIZE": 5,
    "DIV": 2, "EQUAL": 4, "EXP": 2, "FILL": 4, "FLOOR_DIV": 3, "FLOOR_MOD": 2, "FULLY_CONNECTED": 11, "GATHER": 6,
    "GATHER_ND": 4, "GREATER": 2, "GREATER_EQUAL": 3, "LESS": 3, "LESS_EQUAL": 2, "LOG": 2, "LOGISTIC": 3,
    "MAXIMUM": 4, "MEAN": 3, "MINIMUM": 4, "MUL": 7, "NOT_EQUAL": 3, "PACK": 4, "PAD": 4, "PADV2": 4, "QUANTIZE": 3,
    "RANGE": 2, "REDUCE_MAX": 3, "REDUCE_MIN": 3, "RELU": 3, "REVERSE_V2": 3, "RSQRT": 2, "SELECT": 4, "SELECT_V2": 2,
    "SLICE": 6, "SOFTMAX": 3, "SPLIT": 4, "SPLIT_V": 2, "SQUARED_DIFFERENCE": 2, "SQUEEZE": 2, "STRIDED_SLICE": 8,
    "SUB": 5, "SUM": 2, "TANH": 3, "TILE": 3, "TRANSPOSE": 6, "UNPACK": 4, "WHERE": 2,
}  # fmt: skip


def signatures_for(lengths: Sequence[int], pretrained: bool) -> list[Signature]:
    """Every (batch, length) that a model gets a function for.

    An encoder takes its texts one by one: ai-edge-litert runs them in a batch no faster, and copies the weights for
    each function.
    """
    return [Signature(batch, length) for batch in (BATCHES[:1] if pretrained else BATCHES) for length in lengths]


def convert(
    functions: Mapping[str, Any],
    signatures: Sequence[Signature],
    quantization: str,
    samples: Sequence[Sequence[int]] = (),
) -> bytes:
    """Converts Keras models (int32 [batch, length] -> float32 [batch, width]), by purpose, to one .tflite file.

    `none` keeps float32 weights; `float16` halves them; `dynamic` stores them as int8 and computes in int8 where a
    kernel exists; `int8` also fixes the range of what goes into a convolution, by running `samples` (token ids of
    texts). Raises InputError for another quantisation, and WorkError if the result could not run on every supported
    runtime.
    """
    import tensorflow as tf

    from training.learning.layers import quantize_tables

    check_quantization(quantization)
    small = quantization in ("dynamic", "int8")
    # Windows removes no file that TensorFlow has open still, and a conversion does not fail for that.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        for model in functions.values():
            quantize_tables(model, small)
        names = _export(functions, signatures, directory)
        converter = tf.lite.TFLiteConverter.from_saved_model(directory, signature_keys=names)
        converter.exclude_conversion_metadata = True
        if quantization != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantization == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if small:
            # Per-channel scales need a newer FULLY_CONNECTED than tflite-runtime 2.14 has.
            converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        try:
            with warnings.catch_warnings(action="ignore"):  # its own interpreter announces that it will move
                content: bytes = converter.convert()
                if quantization == "int8" and RANGED in operations(content):
                    converter.representative_dataset = partial(_representatives, functions, signatures, samples)
                    converter._experimental_calibrate_only = True
                    content = _quantize_ranged(converter.convert())
        except Exception as error:  # the converter raises whatever its C++ side reports
            raise WorkError(f"TensorFlow Lite cannot convert this model: {str(error).splitlines()[0]}") from None
        finally:
            for model in functions.values():
                quantize_tables(model, False)
    check_operations(content)
    return content


def _quantize_ranged(calibrated: bytes) -> bytes:
    """Gives the RANGED operations of a model with known ranges int8 inputs, and leaves all else as `dynamic` does.

    Sums, scores and attention need more than 256 steps: with all of it in int8, `hybrid` kept 91 % of its answers, and
    `attention` 96 %. The converter crashes on ranges inside a loop, so recurrent readers get none.
    """
    from tensorflow.lite.python.convert import mlir_quantize

    others = [name for name in operations(calibrated) if name != RANGED]
    content: bytes = mlir_quantize(calibrated, denylisted_ops=others, disable_per_channel_for_dense_layers=True)
    return content


def _representatives(
    functions: Mapping[str, Any], signatures: Sequence[Signature], samples: Sequence[Sequence[int]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Samples for each signature, from which the converter reads the range of every activation."""
    for purpose in functions:
        for signature in signatures:
            for start in range(0, min(len(samples), REPRESENTATIVES), signature.batch):
                rows = [row[: signature.length] for row in samples[start : start + signature.batch]]
                rows += [[]] * (signature.batch - len(rows))
                yield signature.name(purpose), {"token_ids": pad(rows, signature.length)}


def check_quantization(name: str) -> None:
    """Raises InputError if there is no quantisation of that name."""
    if name not in QUANTIZATIONS:
        raise InputError(f"There is no quantisation {name!r}; there is: {', '.join(QUANTIZATIONS)}.")


def check_operations(content: bytes) -> None:
    """Raises WorkError if a model holds an operation that the oldest supported runtime lacks."""
    for name, version in operations(content).items():
        if name in ("CUSTOM", "DELEGATE"):
            raise WorkError("The converted model needs Flex or custom operations, which no runtime here has.")
        if version > NEWEST_VERSIONS.get(name, 1):
            raise WorkError(f"The converted model needs {name} version {version}; tflite-runtime 2.14 lacks it.")


def operations(content: bytes) -> dict[str, int]:
    """The operations of a .tflite file and the version of each."""
    from tensorflow.lite.python import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    model = schema.Model.GetRootAsModel(content, 0)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    # Codes below 127 are stored in a field that older readers know.
    return {names[max(c.BuiltinCode(), c.DeprecatedBuiltinCode())]: c.Version() for c in codes}


def _export(functions: Mapping[str, Any], signatures: Sequence[Signature], directory: str) -> list[str]:
    """Writes a SavedModel with a function a signature, and gives their names.

    Keras's own ExportArchive does the same, but looks through the graph of each function for what it uses: with this
    many functions that takes longer than all else.
    """
    import tensorflow as tf

    root, called = tf.Module(), {}
    root.tracked = [variable.value for model in functions.values() for variable in model.variables]
    for purpose, model in functions.items():
        for signature in signatures:
            shape = tf.TensorSpec((signature.batch, signature.length), tf.int32, name="token_ids")
            function = tf.function(partial(model, training=False), input_signature=[shape], autograph=False)
            called[signature.name(purpose)] = function.get_concrete_function()
    tf.saved_model.save(root, directory, called)
    return list(called)
