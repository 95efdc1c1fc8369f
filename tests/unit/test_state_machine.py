"""The definition of the bulk state machine: valid, and without a loose end."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
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


def test_cfn_lint_s_schema_of_the_states_language_finds_nothing(tmp_path: Path) -> None:
    cfn_lint = ROOT / ".envs/sam/bin/cfn-lint"
    if not cfn_lint.exists():
        pytest.skip("cfn-lint is not installed; make sam")
    definition = json.loads(SOURCE.read_text(encoding="utf-8"))

    def check(content: Any) -> subprocess.CompletedProcess[str]:
        properties = {
            "RoleArn": "arn:aws:iam::123456789012:role/bulk",
            "Definition": content,
            "TracingConfiguration": {"Enabled": True},
        }
        machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
        template = tmp_path / "template.json"
        template.write_text(json.dumps({"Resources": {"Machine": machine}}), encoding="utf-8")
        return subprocess.run([cfn_lint, template], capture_output=True, encoding="utf-8", check=False)

    definition = json.loads(json.dumps(definition).replace("${", "{"))  # what the stack fills in
    assert check(definition).stdout == ""
    # A check that cannot fail would be none.
    del definition["States"]["Kind"]["Choices"]
    assert "E3601" in check(definition).stdout


def test_what_the_definition_leaves_open_is_what_the_stack_fills_in() -> None:
    stack = yaml.load((ROOT / "infra/bulk.yaml").read_text(encoding="utf-8"), Loader)
    given = stack["Resources"]["StateMachine"]["Properties"]["DefinitionSubstitutions"]
    assert set(re.findall(r"\$\{(\w+)\}", SOURCE.read_text(encoding="utf-8"))) == set(given)
