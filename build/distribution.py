"""What hatch asks while it builds the wheel: what it requires, and what lies in its tree beside the rooms."""

import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface


class Requirements(MetadataHookInterface):
    """Fills the fields that pyproject.toml calls dynamic from its groups, so that each requirement is said once."""

    def update(self, metadata: dict[str, Any]) -> None:
        groups = tomllib.loads(Path(self.root, "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
        always = of_group(groups, self.config["dependencies"])
        metadata["dependencies"] = always
        metadata["optional-dependencies"] = {
            extra: [one for one in of_group(groups, extra) if one not in always] for extra in self.config["extras"]
        }


class Beside(BuildHookInterface[Any]):
    """Adds single files; not to an editable wheel, whose path leads to the repository, where they lie already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build_data["force_include"] |= self.config["files"]


def of_group(groups: dict[str, list[Any]], name: str) -> list[str]:
    """The requirements of a group and of those that it includes (PEP 735), each once."""
    found: dict[str, None] = {}
    for one in groups[name]:
        found |= dict.fromkeys([one] if isinstance(one, str) else of_group(groups, one["include-group"]))
    return list(found)
