"""fastText over characters and bigrams: python fasttext_handler.py TRAIN.tsv makes the model."""

import json
import sys
import tempfile
from pathlib import Path

import fasttext

MODEL = Path(__file__).parent / "model" / "model.bin"


def train(table):
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as lines:
        for line in Path(table).read_text(encoding="utf-8").splitlines():
            label, text = line.split("\t", 1)
            lines.write(f"__label__{label} {' '.join(text)}\n")
        lines.flush()
        model = fasttext.train_supervised(
            lines.name, epoch=10, lr=0.5, wordNgrams=2, bucket=200_000, thread=1, verbose=0
        )
    MODEL.parent.mkdir(exist_ok=True)
    model.save_model(str(MODEL))


if __name__ == "__main__":
    train(sys.argv[1])
else:
    model = fasttext.load_model(str(MODEL))


def lambda_handler(event, context):  # noqa: ARG001
    labels, probabilities = model.predict([" ".join(text) for text in json.loads(event["body"])["texts"]])
    found = [[found[0], float(share[0])] for found, share in zip(labels, probabilities, strict=True)]
    return {"statusCode": 200, "body": json.dumps({"labels": found})}
