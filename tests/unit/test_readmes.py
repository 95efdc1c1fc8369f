"""README.zh-CN.md is README.md in Chinese: the same sections, commands, figures and links."""

import re
from collections.abc import Iterator

import pytest
from support import ROOT

ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
FACT = re.compile(r"`[^`]+`|\d+(?:[.,]\d+)*")


def tables(text: str) -> Iterator[list[list[str]]]:
    """Each table as rows of cells."""
    for found in re.findall(r"(?:^\|.*\|$\n)+", text, re.MULTILINE):
        yield [row.strip("|").split("|") for row in found.splitlines()]


def facts(cell: str) -> list[str]:
    """The numbers and the names in code of a cell: what no translation changes."""
    return FACT.findall(cell)


def test_sections_are_the_same_in_number_and_depth() -> None:
    def depths(text: str) -> list[int]:
        return [
            len(marks) for marks in re.findall(r"^(#+) ", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M)
        ]

    assert depths(CHINESE) == depths(ENGLISH)


@pytest.mark.parametrize("language", ["sh", "json"])
def test_commands_and_answers_are_the_same(language: str) -> None:
    block = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)

    assert block.findall(CHINESE) == block.findall(ENGLISH) != []


def test_the_picture_has_the_same_arrows() -> None:
    def skeleton(text: str) -> str:
        (picture,) = re.findall(r"^```mermaid\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        return re.sub(r'\["[^"]*"\]|\|[^|]*\|', "", picture)

    assert skeleton(CHINESE) == skeleton(ENGLISH)


def test_tables_have_the_same_rows_and_figures() -> None:
    pairs = list(zip(tables(CHINESE), tables(ENGLISH), strict=True))

    assert len(pairs) >= 5
    for chinese, english in pairs:
        assert [len(row) for row in chinese] == [len(row) for row in english]
        for one, other in zip(chinese[1:], english[1:], strict=True):
            assert [sorted(facts(cell)) for cell in one] == [sorted(facts(cell)) for cell in other]


def test_links_are_the_same_and_lead_somewhere() -> None:
    link = re.compile(r"\]\(([^)]+)\)")
    targets = [target for target in link.findall(ENGLISH) if target != "README.zh-CN.md"]

    assert [target for target in link.findall(CHINESE) if target != "README.md"] == targets
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in link.findall(document.read_text(encoding="utf-8")):
            assert (document.parent / target.partition("#")[0]).exists(), f"{document.name}: {target}"
