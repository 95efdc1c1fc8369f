"""Keras -> TensorFlow Lite: one signature a static shape, shared weights, builtin operations only."""

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from handler.bundle import Signature
from training.errors import InputError, WorkError

QUANTIZATIONS = ("none", "dynamic")
BATCHES = (1, 32)
RUNTIMES = ["tflite-runtime", "ai-edge-litert"]

# The newest version of each operation that tflite-runtime 2.14.0, the oldest runtime, has, where the
# converter is known to write newer ones. From tensorflow/lite/core/kernels/register.cc of that release.
NEWEST_VERSIONS = {"FULLY_CONNECTED": 11}


def signatures_for(lengths: Sequence[int]) -> list[Signature]:
    """Every (batch, length) that a model gets a function for."""
    return [Signature(batch, length) for batch in BATCHES for length in lengths]


def convert(functions: Mapping[str, Any], signatures: Sequence[Signature], quantization: str) -> bytes:
    """Converts Keras models (int32 [batch, length] -> float32 [batch, width]), by purpose, to one .tflite file.

    `none` keeps float32 weights, `dynamic` stores them as int8 (dynamic-range quantisation). Raises InputError
    for another quantisation, and WorkError if the result could not run on every supported runtime.
    """
    import tensorflow as tf

    check_quantization(quantization)
    with tempfile.TemporaryDirectory() as directory:
        names = _export(functions, signatures, directory)
        converter = tf.lite.TFLiteConverter.from_saved_model(directory, signature_keys=names)
        if quantization == "dynamic":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            # Per-channel scales need a newer FULLY_CONNECTED than tflite-runtime 2.14 has.
            converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        try:
            content: bytes = converter.convert()
        except Exception as error:  # the converter raises whatever its C++ side reports
            raise WorkError(f"TensorFlow Lite cannot convert this model: {str(error).splitlines()[0]}") from None
    check_operations(content)
    return content


def check_quantization(name: str) -> None:
    """Raises InputError if there is no quantisation of that name."""
    if name not in QUANTIZATIONS:
        raise InputError(f"There is no quantisation {name!r}; there is: {', '.join(QUANTIZATIONS)}.")


def check_operations(content: bytes) -> None:
    """Raises WorkError if a model holds an operation that the oldest supported runtime lacks."""
    for name, version in operations(content).items():
        if name in ("CUSTOM", "DELEGATE"):
            raise WorkError("The converted model needs Flex or custom operations, which no runtime here has.")
        if version > NEWEST_VERSIONS.get(name, version):
            raise WorkError(f"The converted model needs {name} version {version}; tflite-runtime 2.14 lacks it.")


def operations(content: bytes) -> dict[str, int]:
    """The operations of a .tflite file and the version of each."""
    from tensorflow.lite.python import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    codes = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0)).operatorCodes
    # Codes below 127 are stored in a field that older readers know.
    return {names[max(c.builtinCode, c.deprecatedBuiltinCode)]: c.version for c in codes}


def _export(functions: Mapping[str, Any], signatures: Sequence[Signature], directory: str) -> list[str]:
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    names = []
    for purpose, model in functions.items():
        archive.track(model)
        for signature in signatures:
            shape = tf.TensorSpec((signature.batch, signature.length), tf.int32, name="token_ids")
            names.append(signature.name(purpose))
            archive.add_endpoint(names[-1], partial(model, training=False), input_signature=[shape])
    archive.write_out(directory, verbose=False)
    return names
