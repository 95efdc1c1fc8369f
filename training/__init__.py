"""Labelled texts -> model -> TensorFlow Lite -> bundle -> report; the `fenlei` command."""
