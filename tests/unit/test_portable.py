"""What lies in the repository works on every system: names of files, text that is opened, and what make is told."""

import ast
import re
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import permutations
from pathlib import Path

import pytest
from support import ROOT

# What Windows keeps for itself, with any suffix.
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
SYMLINK = "120000"
# Modules whose `open` takes no encoding, or wants bytes unless it is told otherwise.
BYTES = ("gzip", "os", "tarfile", "zipfile")
MAKEFILES = [ROOT / "Makefile", ROOT / "training/commands/project/Makefile"]
# What macOS's make, which is GNU make 3.81, does not know or reads otherwise: from the NEWS of the releases after it.
NEWER_THAN_3_81 = {
    "3.82": r"^\.(ONESHELL|RECIPEPREFIX|SHELLFLAGS)\b|^(undefine|private)\b|: *private\b|^define .*=|--eval\b",
    "4.0": r"^[^\t]*(!|::)=|^-?load |\$\((file|guile) |\$\(MAKE\).* (-O|--output-sync|--trace)\b",
    "4.3": r"&:|\.EXTRA_PREREQS\b|\$\([^)]*#",
    "4.4": r"\.(WAIT|NOTINTERMEDIATE)\b|\$\((let|intcmp) |--(shuffle|jobserver-style)\b",
}
# Programs, and options of programs, that Linux has and macOS has not.
NOT_ON_MACOS = (
    r"\b(sha256sum|nproc|tac|timeout|taskset|setsid|realpath|tar|gzip|xargs -r)\b"
    r"|\b(mktemp|readlink|date|sed|cp|grep|sort) (-\w+ )*(-[pfdiPV]\b|--)|\becho -[en]\b"
)


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


def unknown_to_make_3_81(makefile: str) -> list[str]:
    """The lines that GNU make 3.81 does not understand as today's does, each after the release that brought it."""
    lines = [line for line in makefile.splitlines() if not line.startswith("#")]
    return [f"{n}: {line}" for line in lines for n, newer in NEWER_THAN_3_81.items() if re.search(newer, line)]


def patterns(makefile: str) -> list[str]:
    """The targets that stand for many: of several that fit, 3.81 takes the first, and 3.82 the longest."""
    targets = re.findall(r"^([\w.%/-]*%[\w.%/-]*):", makefile, re.MULTILINE)
    return [target.replace("%", "*") for target in targets]


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
@pytest.mark.parametrize("room", ["handler", "training", "build", "fenlei", "tests", "make.py"])
def test_text_is_opened_in_an_encoding_that_the_code_names(room: str) -> None:
    files = (ROOT / room).rglob("*.py") if (ROOT / room).is_dir() else [ROOT / room]
    sources = {path: path.read_text(encoding="utf-8") for path in files}
    found = {str(path): calls for path, source in sources.items() if (calls := list(text_without_encoding(source)))}

    assert len(sources) > 0
    assert found == {}


# --- make -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "release"),
    [
        (".ONESHELL:", "3.82"),
        ("undefine MODEL", "3.82"),
        ("run: private MODEL = other", "3.82"),
        ("define recipe =", "3.82"),
        ("HERE != pwd", "4.0"),
        ("HERE ::= here", "4.0"),
        ("\t$(file >list,$(FILES))", "4.0"),
        ("\t@$(MAKE) -k -O -j2 lanes", "4.0"),
        ("a.txt b.txt &: c.txt", "4.3"),
        ("MARK := $(subst a,#,b)", "4.3"),
        ("all: one .WAIT two", "4.4"),
        ("define recipe", ""),
        ("HERE := $(shell pwd)", ""),
        ("\t@$(MAKE) -s -k -j2 lanes", ""),
        ("model.json: | ready", ""),
        ("# GNU make 4.0 has != and .ONESHELL", ""),
    ],
)
def test_the_test_of_makefiles_sees_what_is_new(line: str, release: str) -> None:
    assert unknown_to_make_3_81(line) == ([f"{release}: {line}"] if release else [])


@pytest.mark.parametrize("path", MAKEFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_of_macos_reads_it_as_that_of_linux(path: Path) -> None:
    makefile = path.read_text(encoding="utf-8")

    assert unknown_to_make_3_81(makefile) == []
    assert [pair for pair in permutations(patterns(makefile), 2) if fnmatch(*pair)] == []


@pytest.mark.parametrize(
    ("command", "portable"),
    [
        ("sha256sum a", False),
        ("tar --extract --file a", False),
        ("mktemp -p /tmp", False),
        ("sed -i s/a/b/ c", False),
        ("echo -e a", False),
        ("ls | xargs -r rm", False),
        ("log=$$(mktemp)", True),
        ("cp a b && rm -rf c && mkdir -p d && printf a", True),
        (".envs/sam/bin/sam deploy --config-env dev", True),
    ],
)
def test_the_test_of_recipes_sees_what_macos_lacks(command: str, portable: bool) -> None:
    assert bool(re.search(NOT_ON_MACOS, command)) is not portable


@pytest.mark.parametrize("path", MAKEFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_recipes_call_what_macos_has(path: Path) -> None:
    recipes = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("\t")]

    assert len(recipes) > 0
    assert [line for line in recipes if re.search(NOT_ON_MACOS, line)] == []
