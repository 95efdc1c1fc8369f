"""What the wheel requires, and its extras: the groups of pyproject.toml, so that each requirement is said once.

Hatch calls this while it builds.
"""

import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Requirements(MetadataHookInterface):
    """Fills the fields that pyproject.toml calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        groups = tomllib.loads(Path(self.root, "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
        always = of_group(groups, self.config["dependencies"])
        metadata["dependencies"] = always
        metadata["optional-dependencies"] = {
            extra: [one for one in of_group(groups, extra) if one not in always] for extra in self.config["extras"]
        }


def of_group(groups: dict[str, list[Any]], name: str) -> list[str]:
    """The requirements of a group and of those that it includes (PEP 735), each once."""
    found: dict[str, None] = {}
    for one in groups[name]:
        found |= dict.fromkeys([one] if isinstance(one, str) else of_group(groups, one["include-group"]))
    return list(found)
