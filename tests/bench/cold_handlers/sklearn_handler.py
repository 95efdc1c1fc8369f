"""TF-IDF of characters and logistic regression in a pickle: python sklearn_handler.py TRAIN.tsv makes it."""

import json
import pickle
import sys
from pathlib import Path

MODEL = Path(__file__).parent / "model" / "model.pickle"


def train(table):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    labels, texts = zip(
        *(line.split("\t", 1) for line in Path(table).read_text(encoding="utf-8").splitlines()), strict=True
    )
    features = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    model = make_pipeline(features, LogisticRegression(C=10, max_iter=300)).fit(texts, labels)
    MODEL.parent.mkdir(exist_ok=True)
    MODEL.write_bytes(pickle.dumps(model))


if __name__ == "__main__":
    train(sys.argv[1])
else:
    model = pickle.loads(MODEL.read_bytes())


def lambda_handler(event, context):  # noqa: ARG001
    probabilities = model.predict_proba(json.loads(event["body"])["texts"])
    return {"statusCode": 200, "body": json.dumps({"probabilities": probabilities.tolist()})}
