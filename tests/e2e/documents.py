"""The commands of the documents: what stands in blocks marked `sh`."""

import re
from pathlib import Path

from support import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(document: Path) -> list[str]:
    """The contents of the blocks marked `sh`, in order."""
    return re.findall(r"^```sh\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(document: Path) -> list[str]:
    """One string a command; a line that ends in a backslash goes on below."""
    joined = "".join(blocks(document)).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]


def mentions() -> list[str]:
    """The commands that are named in sentences, as program, command and options; options alone belong to `fenlei`."""
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    return sorted(set(re.findall(r"`(?:\w+=\S+ )?((?:python make\.py|make|fenlei) [^`]+|--[a-z][^`]*)`", text)))
