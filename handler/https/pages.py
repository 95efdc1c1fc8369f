"""What a browser gets: the playground, the documentation, and the contract as JSON."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from handler.errors import NotFound

HERE = Path(__file__).parent / "static"


class Page(NamedTuple):
    """A document that is sent as it is."""

    media_type: str
    body: str
    headers: dict[str, str]
    status: int = 200


@cache
def html(name: str) -> Page:
    """A page that runs what is written in it and nothing else: its policy names its own style and script by hash."""
    body = (HERE / name).read_text(encoding="utf-8")
    sources = {
        tag: " ".join(map(_hash, re.findall(f"<{tag}>(.*?)</{tag}>", body, re.S))) for tag in ("style", "script")
    }
    policy = (
        f"default-src 'none'; style-src {sources['style']}; script-src {sources['script']}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Cache-Control": "public, max-age=300",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
    }
    return Page("text/html; charset=utf-8", body, headers)


def openapi(contract: str = "") -> Page:
    """The contract as JSON: that which is given, or that which is packaged. Raises NotFound if there is neither."""
    path = HERE / "openapi.json"
    if not contract and not path.exists():
        raise NotFound("The contract was not packaged; it is infra/openapi.yaml in the source.")
    body = contract or path.read_text(encoding="utf-8")
    return Page("application/json", body, {"Cache-Control": "public, max-age=300"})


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
