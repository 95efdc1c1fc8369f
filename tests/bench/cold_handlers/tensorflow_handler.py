"""The same model file, run by all of TensorFlow."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from tokenizers import Tokenizer

MODEL = Path(__file__).parent / "model"
LENGTH = 64

tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
interpreter = tf.lite.Interpreter(str(MODEL / "model.tflite"), num_threads=1)
run = interpreter.get_signature_runner(f"predict_1x{LENGTH}")


def lambda_handler(event, context):  # noqa: ARG001
    logits = []
    for text in json.loads(event["body"])["texts"]:
        ids = tokenizer.encode(text, add_special_tokens=False).ids[:LENGTH]
        token_ids = np.zeros((1, LENGTH), np.int32)
        token_ids[0, : len(ids)] = ids
        (output,) = run(token_ids=token_ids).values()
        logits.append(output[0].tolist())
    return {"statusCode": 200, "body": json.dumps({"logits": logits})}
