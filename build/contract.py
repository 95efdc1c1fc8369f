"""The contract as it is served: infra/openapi.yaml without what is Amazon's, as JSON."""

import json
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).parent.parent / "infra" / "openapi.yaml"


def served() -> str:
    """Reads the source; paths are relative to where the document lies, so that a stage prefix does no harm."""
    document = _public(yaml.safe_load(SOURCE.read_text(encoding="utf-8")))
    return json.dumps(document | {"servers": [{"url": "."}]}, ensure_ascii=False, separators=(",", ":"))


def _public(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _public(inner) for key, inner in value.items() if not str(key).startswith("x-amazon-")}
    return [_public(inner) for inner in value] if isinstance(value, list) else value
