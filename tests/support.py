"""What tests call: the handler as Lambda calls it, and bundles that differ in one thing."""

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from build.replay import Function
from handler import api
from handler.model.bundle import GOLDEN, MANIFEST, MODEL, TOKENIZER, Bundle, encode_manifest, file_entry
from training.commands.serve import Context

ROOT = Path(__file__).parents[1]
# One Python for each interpreter: this one, and of the environments that hold only what ships the other one.
OTHER = "3.13" if sys.version_info < (3, 12) else "3.11"
# To run the handler as Lambda does, whose locale is UTF-8: in others NumPy cannot be imported below a Chinese name.
PYTHON = [sys.executable, "-X", "utf8"]
PYTHONS = [Path(sys.executable), *ROOT.glob(f".envs/handler-{OTHER}/bin/python")]
# The classic example: one word turns the meaning round.
FOUR_LINES = "text,label\n我喜欢编程,0\n我不喜欢编程,1\n我喜欢运动,0\n我不喜欢运动,1\n"


class Answer(NamedTuple):
    """A response of the handler, its body decoded."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


Call = Callable[..., Answer]
# `with start(model, log, handler, **environment) as function`
Start = Callable[..., AbstractContextManager[Function]]


def write_bundle(directory: Path, bundle: Bundle, **changes: Any) -> Path:
    """Writes a bundle with `tokenizer`, `model`, `golden_lines` or fields of its manifest changed, and sealed anew."""
    content = {
        MODEL: changes.pop("model", bundle.model),
        TOKENIZER: changes.pop("tokenizer", bundle.tokenizer).encode(),
        GOLDEN: changes.pop("golden_lines", bundle.golden_lines),
    }
    files = {name: file_entry(data) for name, data in content.items()}
    manifest = msgspec.structs.replace(bundle.manifest, **({"files": files, "documents": {}} | changes))
    directory.mkdir(parents=True)
    for name, data in (content | {MANIFEST: encode_manifest(manifest)}).items():
        (directory / name).write_bytes(data)
    return directory


def answer(event: Any) -> Answer:
    """Calls the handler with an event, and holds the response against what API Gateway takes."""
    response = api.lambda_handler(event, Context("a-request"))
    assert set(response) == {"statusCode", "headers", "body", "isBase64Encoded"}
    assert response["isBase64Encoded"] is False
    found = Answer(response["statusCode"], response["headers"], json.loads(response["body"]))
    if found.status != 200:
        assert found.headers["Content-Type"] == "application/problem+json"
        assert found.body["status"] == found.status
        assert {"title", "detail", "request_id"} <= set(found.body)
        assert found.body["request_id"] == "a-request"
    json.dumps(response, ensure_ascii=False).encode()  # Lambda sends it as UTF-8
    return found
