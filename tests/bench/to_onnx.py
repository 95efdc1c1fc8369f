"""One signature of a bundle's model as ONNX, by tf2onnx: python -m tests.bench.to_onnx BUNDLE OUTPUT

Weights stay as they are and are made float when the session loads; how far its answers are from the bundle's is
printed. It runs in a process of its own, because it tells tf2onnx's reader to see that one signature only.
"""

import sys
from pathlib import Path

import numpy as np

from handler.model.bundle import load
from handler.model.classifier import Classifier

LENGTH = 64
SIGNATURE = f"predict_1x{LENGTH}"
OPSET = 18


def convert(model: Path, output: Path) -> None:
    for gone, now in (("object", object), ("bool", bool)):  # names that tf2onnx still takes from NumPy
        if not hasattr(np, gone):
            setattr(np, gone, now)
    import tf2onnx.convert
    from tf2onnx import tflite_utils, tfonnx

    read = tflite_utils.read_tflite_model

    def read_signature(path: str) -> tuple:
        _, operators, parsed, shapes = read(path)
        signatures = (parsed.SignatureDefs(i) for i in range(parsed.SignatureDefsLength()))
        wanted = next(s for s in signatures if s.SignatureKey().decode() == SIGNATURE)
        return [parsed.Subgraphs(wanted.SubgraphIndex())], operators, parsed, shapes

    tfonnx.read_tflite_model = tflite_utils.read_tflite_model = read_signature
    tf2onnx.convert._convert_common(None, tflite_path=str(model), opset=OPSET, name="fenlei", output_path=str(output))


def largest_difference(bundle_path: Path, onnx: Path) -> float:
    """Between the logits of the bundle and of its conversion, over the golden texts."""
    import onnxruntime

    bundle = load(bundle_path)
    classifier = Classifier(bundle)
    session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    run = classifier._interpreter.runner(SIGNATURE)
    differences = []
    for ids in classifier.encode([golden.text for golden in bundle.golden()]).ids:
        token_ids = np.zeros((1, LENGTH), np.int32)
        token_ids[0, : len(ids)] = ids[:LENGTH]
        (found,) = session.run(None, {session.get_inputs()[0].name: token_ids})
        differences.append(float(np.abs(found - run(token_ids)).max()))
    return max(differences)


if __name__ == "__main__":
    bundle_path, output = Path(sys.argv[1]), Path(sys.argv[2])
    convert(bundle_path / "model.tflite", output)
    print(f"{output}: logits within {largest_difference(bundle_path, output):.4f} of the bundle's", file=sys.stderr)
