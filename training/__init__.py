"""Labelled texts -> model -> TensorFlow Lite -> bundle -> report; the `fenlei` command."""

# Before TensorFlow, always: loaded after it, tflite-runtime is bound to symbols of TensorFlow's that do not fit it,
# and fails on some models.
import handler.model.interpreter

__all__ = ["handler"]
