"""The definition of the bulk state machine: valid, and without a loose end."""

import re

import yaml
from statelint.config import Config
from statelint.linter import Linter
from support import ROOT

SOURCE = ROOT / "infra/bulk.asl.json"
# What statelint does not know yet of Distributed Map; moto's parser does (tests/integration/test_bulk.py).
UNKNOWN_TO_STATELINT = ('Field "InputType" not allowed', 'Field "CSVHeaderLocation" not allowed')


class Loader(yaml.SafeLoader):
    """Reads a template whatever its `!Ref`s say."""


Loader.add_multi_constructor("!", lambda *_: "")


def test_statelint_finds_nothing() -> None:
    found = Linter.validate(SOURCE.read_text(encoding="utf-8"), Config((), False, False))
    assert [problem for problem in map(str, found) if not any(known in problem for known in UNKNOWN_TO_STATELINT)] == []


def test_what_the_definition_leaves_open_is_what_the_stack_fills_in() -> None:
    stack = yaml.load((ROOT / "infra/bulk.yaml").read_text(encoding="utf-8"), Loader)
    given = stack["Resources"]["StateMachine"]["Properties"]["DefinitionSubstitutions"]
    assert set(re.findall(r"\$\{(\w+)\}", SOURCE.read_text(encoding="utf-8"))) == set(given)
