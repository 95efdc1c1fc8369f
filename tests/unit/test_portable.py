"""What lies in the repository works on every system: names of files, and text that is opened."""

import ast
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Iterator

import pytest
from support import ROOT

# What Windows keeps for itself, with any suffix.
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
SYMLINK = "120000"
# Modules whose `open` takes no encoding, or wants bytes unless it is told otherwise.
BYTES = ("gzip", "os", "tarfile", "zipfile")


def is_portable(name: str) -> bool:
    """Whether every system can check the file out under that name."""
    return all(
        not set(part) & set('<>:"\\|?*')
        and part.isprintable()
        and not part.endswith((" ", "."))
        and part.partition(".")[0].lower() not in RESERVED
        for part in name.split("/")
    )


def alike(names: list[str]) -> list[str]:
    """The names that differ in case, or in how Unicode spells them, only: macOS and Windows have room for one."""
    folded = {name: unicodedata.normalize("NFC", name).casefold() for name in names}
    counts = Counter(folded.values())
    return [name for name in names if counts[folded[name]] > 1]


def text_without_encoding(source: str) -> Iterator[str]:
    """The calls that open, read or write text in whatever encoding the machine prefers."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and is_of_text(node) and "encoding" not in given(node):
            yield ast.unparse(node)


def is_of_text(call: ast.Call) -> bool:
    owner, _, name = ast.unparse(call.func).rpartition(".")
    if name in ("read_text", "write_text", "TextIOWrapper"):
        return True
    if name in ("open", "fdopen"):
        return "t" in mode(call) if owner in BYTES and name == "open" else "b" not in mode(call)
    if name in ("NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile"):
        return bool(mode(call)) and "b" not in mode(call)
    return any(value == "True" for key, value in given(call).items() if key in ("text", "universal_newlines"))


def given(call: ast.Call) -> dict[str | None, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


def mode(call: ast.Call) -> str:
    """The mode that a call names: the one short string of letters among the first two arguments, or by name."""
    first = [argument.value for argument in call.args[:2] if isinstance(argument, ast.Constant)]
    modes = [value for value in first if isinstance(value, str) and value and set(value) <= set("rwaxbt+")]
    return given(call).get("mode", "") or "".join(modes)


@pytest.fixture(scope="module")
def modes() -> dict[str, str]:
    """The mode of each file in the repository, by its name."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout, so there is no list of files")
    listed = subprocess.run(["git", "ls-files", "--stage", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    rows = (row.partition("\t") for row in listed.decode().split("\0") if row)  # mode, digest and stage; the name
    return {name: entry.split()[0] for entry, _, name in rows}


def test_the_tests_of_names_see_what_is_wrong() -> None:
    bad = ["a:b", "a ", "a.", "a /b", "nul.txt", "COM1", "a\\b", "a\tb", "what?"]
    good = ["a", ".a", "a b", "中文.md", "nulls.txt", "com10", "a/b.c"]

    assert [name for name in bad + good if not is_portable(name)] == bad
    assert alike(["a/B", "a/b", "a/c", "\u00e9", "e\u0301"]) == ["a/B", "a/b", "\u00e9", "e\u0301"]


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("open(path)", True),
        ("open(path, 'rb')", False),
        ("open(path, encoding='utf-8')", False),
        ("path.open('w')", True),
        ("path.open('wb')", False),
        ("path.open(mode='ab')", False),
        ("gzip.open(path)", False),
        ("gzip.open(path, 'rt')", True),
        ("tarfile.open(path, 'r:gz')", False),
        ("os.open(path, os.O_RDONLY)", False),
        ("os.fdopen(descriptor)", True),
        ("os.fdopen(descriptor, 'wb')", False),
        ("path.read_text()", True),
        ("path.write_text('b', errors='replace')", True),
        ("path.write_text('b', encoding='utf-8')", False),
        ("tempfile.NamedTemporaryFile()", False),
        ("tempfile.NamedTemporaryFile('w', suffix='.txt')", True),
        ("subprocess.run(command, text=True)", True),
        ("subprocess.run(command, encoding='utf-8')", False),
        ("ask(text='True')", False),
    ],
)
def test_the_test_of_encodings_sees_what_is_wrong(source: str, wrong: bool) -> None:
    assert bool(list(text_without_encoding(source))) is wrong


def test_every_name_is_one_on_every_system(modes: dict[str, str]) -> None:
    assert [name for name in modes if not is_portable(name)] == []
    assert alike(list(modes)) == []


def test_no_file_is_a_symbolic_link(modes: dict[str, str]) -> None:
    assert [name for name, mode in modes.items() if mode == SYMLINK] == []


# ruff's rule for this (PLW1514) knows no `subprocess`, and a path only where it can tell that it is one.
@pytest.mark.parametrize("room", ["handler", "training", "build", "tests"])
def test_text_is_opened_in_an_encoding_that_the_code_names(room: str) -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / room).rglob("*.py")}
    found = {str(path): calls for path, source in sources.items() if (calls := list(text_without_encoding(source)))}

    assert len(sources) > 0
    assert found == {}
