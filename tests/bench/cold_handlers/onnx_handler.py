"""The same model in ONNX Runtime, as people write such a handler."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

MODEL = Path(__file__).parent / "model"
LENGTH = 64

tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
session = onnxruntime.InferenceSession(str(MODEL / "model.onnx"), providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name


def lambda_handler(event, context):  # noqa: ARG001
    logits = []
    for text in json.loads(event["body"])["texts"]:
        ids = tokenizer.encode(text, add_special_tokens=False).ids[:LENGTH]
        token_ids = np.zeros((1, LENGTH), np.int32)
        token_ids[0, : len(ids)] = ids
        logits.append(session.run(None, {name: token_ids})[0][0].tolist())
    return {"statusCode": 200, "body": json.dumps({"logits": logits})}
