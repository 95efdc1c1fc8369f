"""What CloudFormation gets, as linters see it: translated, and with the parameters of each environment said.

`make lint` looks at the templates as they are written, in which conditions hide what holds.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from bulk_machine import definition
from sam import SAM
from support import ROOT

pytest.importorskip("samtranslator")

from stacks import SETS, settings, stack

CFN_LINT, CHECKOV = SAM.parent / "cfn-lint", ROOT / ".envs/checkov/bin/checkov"
# Wants a key of one's own for queues, logs and environments; AWS's encrypt them unless KmsKeyArn is given.
WITHOUT_A_KEY = {"CKV_AWS_27", "CKV_AWS_158", "CKV_AWS_173"}
OPEN_BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {"AccessControl": "PublicRead", "Tags": "none"}}


def write(folder: Path, sets: list[str] = SETS, changed: dict[str, Any] | None = None) -> list[Path]:
    """A file a stack: those of each environment, and those with every option; what is in them once if it is alike."""
    found = []
    for name in sets:
        for one in stack(name).nested() if name in (*settings(), "options") else [stack(name)]:
            found.append(folder / f"{name}-{Path(one.path).stem}.json")
            settled = one.settled | {"Resources": one.settled["Resources"] | (changed or {})}
            found[-1].write_text(json.dumps(settled), encoding="utf-8")
    return found


def machine(folder: Path, definition: dict[str, Any]) -> Path:
    """A template of the bulk state machine, its definition said: cfn-lint looks into no file that is referred to."""
    properties = {
        "RoleArn": "arn:aws:iam::123456789012:role/bulk",
        "Definition": definition,
        "TracingConfiguration": {"Enabled": True},
    }
    one = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    path = folder / "machine.json"
    path.write_text(json.dumps({"Resources": {"Machine": one}}), encoding="utf-8")
    return path


def lint(templates: list[Path]) -> subprocess.CompletedProcess[str]:
    # The rules for serverless resources have none to look at.
    command = [CFN_LINT, "--non-zero-exit-code", "warning", "--ignore-checks", "WS", "ES", "--", *templates]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)


def checkov(folder: Path) -> dict[str, Any]:
    skipped = ",".join(yaml.safe_load((ROOT / ".checkov.yaml").read_text(encoding="utf-8"))["skip-check"])
    command = [CHECKOV, "--framework", "cloudformation", "--skip-download", "--skip-check", skipped]
    command += ["--output", "json", "--directory", folder]
    ran = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_cfn_lint_has_nothing_against_any_environment(tmp_path: Path) -> None:
    if not CFN_LINT.exists():
        pytest.skip("cfn-lint is not installed; make sam")

    checked = lint([*write(tmp_path), machine(tmp_path, definition())])

    assert checked.returncode == 0, checked.stdout


def test_checkov_has_nothing_against_any_environment_and_sees_what_is_wrong(tmp_path: Path) -> None:
    if not CHECKOV.exists():
        pytest.skip("checkov is not installed; make .envs/checkov/ready")
    write(tmp_path)
    (tmp_path / "open.json").write_text(json.dumps({"Resources": {"Open": OPEN_BUCKET}}), encoding="utf-8")

    found = checkov(tmp_path)

    failed = [
        (one["check_id"], one["file_path"], one["resource"])
        for one in found["results"]["failed_checks"]
        if not (one["check_id"] in WITHOUT_A_KEY and "options" not in one["file_path"])
    ]
    assert found["summary"]["parsing_errors"] == 0
    assert found["summary"]["passed"] > 50 * len(SETS)
    assert {path for _, path, _ in failed} == {"/open.json"}


def test_cfn_lint_sees_what_is_wrong(tmp_path: Path) -> None:
    if not CFN_LINT.exists():
        pytest.skip("cfn-lint is not installed; make sam")
    open_ended = definition()
    del open_ended["States"]["Kind"]["Choices"]

    templates = write(tmp_path, SETS[:1], {"Open": OPEN_BUCKET})
    said = lint([*templates, machine(tmp_path, open_ended)]).stdout

    assert {"E3012", "E3601"} <= {line[:5] for line in said.splitlines()}
