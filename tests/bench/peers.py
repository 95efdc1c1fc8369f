"""The same model behind FastAPI and behind Flask, as one would write it.

python -m tests.bench.peers fastapi models/reviews-zh 8001
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from handler.model.bundle import load
from handler.model.classifier import Classifier


def fastapi(classifier: Classifier, port: int) -> None:
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Texts(BaseModel):
        texts: list[str]

    app = FastAPI()

    def classify(asked: Texts) -> Any:
        return {"predictions": msgspec.to_builtins(classifier.classify(asked.texts))}

    classify.__annotations__["asked"] = Texts
    app.post("/v1/classify")(classify)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def flask(classifier: Classifier, port: int) -> None:
    import logging

    from flask import Flask, request
    from werkzeug.serving import WSGIRequestHandler

    app = Flask("peer")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    WSGIRequestHandler.protocol_version = "HTTP/1.1"  # keeps connections, as the others do

    @app.post("/v1/classify")
    def classify() -> Any:
        return {"predictions": msgspec.to_builtins(classifier.classify(request.get_json()["texts"]))}

    app.run(host="127.0.0.1", port=port)


if __name__ == "__main__":
    {"fastapi": fastapi, "flask": flask}[sys.argv[1]](Classifier(load(Path(sys.argv[2]))), int(sys.argv[3]))
