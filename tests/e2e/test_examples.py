"""The examples of the documentation page, of the README and of docs/api.md work as they are pasted."""

import html
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_server import serving

ROOT = Path(__file__).parents[2]
API_KEY = "a-key-for-tests"
RUNNERS = {
    "sh": ["bash", "-c"],
    "python": [sys.executable, "-X", "utf8", "-c"],
    "js": ["node", "--input-type=module", "-e"],
}


def examples() -> Iterator[tuple[str, str, str]]:
    page = (ROOT / "handler/https/static/docs.html").read_text(encoding="utf-8")
    for language, code in re.findall(r'data-example="(\w+)">(.*?)</pre>', page, re.DOTALL):
        if language != "json":  # an agent's settings: tests/contract/test_mcp.py
            yield "docs", language, html.unescape(code)
    for document in ("README.md", "docs/api.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for language, code in re.findall(r"^```(sh|python|js)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            if "/v1/" in code:
                yield document, language, code


@pytest.fixture(scope="module")
def urls(bundle_path: Path) -> Iterator[tuple[str, str]]:
    """Of a server that asks for a key, and of one that does not."""
    with serving(bundle_path, FENLEI_API_KEY=API_KEY) as guarded, serving(bundle_path) as open_to_all:
        yield guarded, open_to_all


def test_the_documentation_has_an_example_in_each_language() -> None:
    assert [language for where, language, _ in examples() if where == "docs"] == ["sh", "python", "js"]


@pytest.mark.parametrize(("where", "language", "code"), [pytest.param(*e, id=f"{e[0]}-{e[1]}") for e in examples()])
def test_an_example_works_in_one_paste(urls: tuple[str, str], where: str, language: str, code: str) -> None:  # noqa: ARG001
    command = RUNNERS[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    url = urls["YOUR-KEY" not in code]
    code = re.sub(r"https?://(api\.example|127\.0\.0\.1:8000)", url, code).replace("YOUR-KEY", API_KEY)

    done = subprocess.run(
        [*command, code],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        env=os.environ | {"NO_COLOR": "1"},
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.index("positive") < done.stdout.rindex("negative")
