"""What is made of the contract, infra/openapi.yaml: what the handler serves, and what API Gateway imports.

python -m build.contract    writes infra/gateway.yaml
"""

import json
from pathlib import Path
from typing import Any

import yaml

from build import gateway

SOURCE = Path(__file__).parent.parent / "infra" / "openapi.yaml"
GATEWAY = SOURCE.with_name("gateway.yaml")


def read() -> dict[str, Any]:
    """The contract itself."""
    found: dict[str, Any] = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    return found


def served() -> str:
    """The contract as /openapi.json; paths are relative to where it lies, so that a stage prefix does no harm."""
    return json.dumps(read() | {"servers": [{"url": "."}]}, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    GATEWAY.write_text(gateway.text(read()), encoding="utf-8", newline="\n")
