"""What delivers: workflows that hold no secret and do nothing of their own, roles that trust one environment each."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloudformation import read
from support import ROOT

import make
from build import resolve

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
DELIVERY = read((ROOT / "infra/delivery.yaml").read_text(encoding="utf-8"))["Resources"]
STACK = "fenlei-${Environment}"


def workflow(path: Path) -> dict[str, Any]:
    # BaseLoader, because YAML 1.1 takes the key `on` for a truth value.
    found: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    return found


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = workflow(path)["jobs"]
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path).values() for step in job.get("steps", [])]


def allowed(role: str) -> list[dict[str, Any]]:
    """The statements of a role's policies, each with lists of actions and resources."""
    found = []
    for policy in DELIVERY[role]["Properties"]["Policies"]:
        for one in policy["PolicyDocument"]["Statement"]:
            _, statement, *_ = one.get("Fn::If", [None, one])  # with a key
            lists = {key: many(statement[key]) for key in ("Action", "Resource")}
            found.append(lists | {"Condition": statement.get("Condition", {})})
    return found


def many(one: Any) -> list[Any]:
    return one if isinstance(one, list) else [one]


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_actions_are_pinned_by_commit_and_say_which_version_that_is(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))

    assert used
    for action in used:
        assert action.startswith("./.github/workflows/") or re.fullmatch(
            r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action
        )


def test_an_action_has_the_same_pin_everywhere() -> None:
    pins = {line for path in WORKFLOWS for line in re.findall(r"uses: (\S+@\S+)", path.read_text(encoding="utf-8"))}

    assert len(pins) == len({pin.partition("@")[0] for pin in pins})


def test_no_secret_is_named_and_no_credentials_stay_in_a_checkout(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"secrets\.|AWS_ACCESS_KEY|AWS_SECRET|AWS_SESSION|aws-access-key-id", text)
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] == "false"


def test_each_job_asks_for_the_rights_that_it_needs_and_for_an_end(path: Path) -> None:
    writes = {
        "upgrade": {"contents", "pull-requests"},
        "deploy": {"id-token"},
        "staging": {"id-token"},
        "prod": {"id-token"},
    }

    assert workflow(path)["permissions"] == {}
    for name, job in jobs(path).items():
        assert {right for right, kind in job["permissions"].items() if kind == "write"} == writes.get(name, set())
        assert "timeout-minutes" in job or job["uses"].startswith("./")


def test_a_run_waits_or_gives_way_to_another(path: Path) -> None:
    # deploy-one.yml runs only inside deploy.yml, one at a time.
    assert "concurrency" in workflow(path) or path.name == "deploy-one.yml"
    if path.name == "deploy.yml":
        assert workflow(path)["concurrency"]["cancel-in-progress"] == "false"


def test_each_step_calls_a_target_of_the_makefile_or_a_goal_of_make_py(path: Path) -> None:
    targets = re.findall(r"^([\w%-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    for step in steps(path):
        if "run" in step:
            called = re.fullmatch(r'(python make\.py|make) "?([\w-]+)(\$ENVIRONMENT)?"?( .+)?', step["run"])
            assert called, step["run"]
            assert called[2] + ("%" if called[3] else "") in (targets if called[1] == "make" else make.GOALS)


def test_every_system_and_python_of_the_readme_takes_the_first_steps() -> None:
    found = jobs(ROOT / ".github/workflows/ci.yml")
    machines, serves = found["machines"]["strategy"]["matrix"], found["serves"]["strategy"]["matrix"]

    assert {machine.partition("-")[0] for machine in machines["machine"]} == {"ubuntu", "macos", "windows"}
    assert serves["machine"] == machines["machine"]
    (last,) = [step["with"]["python-version"] for step in found["serves"]["steps"] if "setup-python" in str(step)]
    assert (*machines["python"], last) == resolve.PYTHONS
    for job in ("machines", "serves"):
        on_windows = [step["run"] for step in found[job]["steps"] if step.get("if") == "runner.os == 'Windows'"]
        elsewhere = [step["run"] for step in found[job]["steps"] if step.get("if") == "runner.os != 'Windows'"]
        assert on_windows == [command.replace("make ", "python make.py ") for command in elsewhere] != []


def test_nothing_from_outside_gets_into_a_command(path: Path) -> None:
    assert not [step["run"] for step in steps(path) if "${{" in step.get("run", "")]


def test_prod_gets_the_release_that_staging_got() -> None:
    deploy = jobs(ROOT / ".github/workflows/deploy.yml")
    one = jobs(ROOT / ".github/workflows/deploy-one.yml")["deploy"]
    uploaded = [
        step["with"]["name"]
        for step in jobs(ROOT / ".github/workflows/ci.yml")["build"]["steps"]
        if "with" in step and "name" in step["with"]
    ]

    assert deploy["staging"]["needs"] == "ci"
    assert deploy["prod"]["needs"] == "staging"
    assert deploy["staging"]["uses"] == deploy["prod"]["uses"]
    assert one["environment"] == "${{ inputs.environment }}"
    (fetched,) = [step["with"]["name"] for step in one["steps"] if "download-artifact" in step.get("uses", "")]
    assert fetched in uploaded
    assert not [step for step in one["steps"] if re.search(r"make \"?(build|release|tests)", step.get("run", ""))]


def test_environments_are_those_of_samconfig() -> None:
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))

    for name in ("staging", "prod"):
        assert jobs(ROOT / ".github/workflows/deploy.yml")[name]["with"]["environment"] == name
        assert settings[name]["deploy"]["parameters"]["stack_name"] == STACK.replace("${Environment}", name)
        assert settings[name]["deploy"]["parameters"]["confirm_changeset"] is False


def test_only_one_environment_of_one_repository_may_take_the_role() -> None:
    (trust,) = DELIVERY["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {"Fn::Sub": "repo:${Repository}:environment:${Environment}"},
        }
    }


@pytest.mark.parametrize("repository", ["owner/name", "some-owner/na.me_2", "owner@123456/name@456789"])
def test_a_repository_is_named_as_github_s_tokens_name_it(repository: str) -> None:
    pattern = read((ROOT / "infra/delivery.yaml").read_text(encoding="utf-8"))["Parameters"]["Repository"]

    assert re.fullmatch(pattern["AllowedPattern"], repository)


@pytest.mark.parametrize("repository", ["owner/*", "*", "owner", "owner/name:ref:refs/heads/main", "owner/name/other"])
def test_a_repository_with_a_wildcard_is_refused(repository: str) -> None:
    pattern = read((ROOT / "infra/delivery.yaml").read_text(encoding="utf-8"))["Parameters"]["Repository"]

    assert not re.fullmatch(pattern["AllowedPattern"], repository)


def test_github_s_role_only_asks_cloudformation_which_works_as_another() -> None:
    services = {action.partition(":")[0] for one in allowed("DeployRole") for action in one["Action"]}
    changing = [one for one in allowed("DeployRole") if "cloudformation:CreateChangeSet" in one["Action"]]

    assert services == {"cloudformation", "iam", "s3"}
    for statement in changing:
        of_aws = all(":aws:transform/" in resource["Fn::Sub"] for resource in statement["Resource"])
        assert of_aws or statement["Condition"] == {
            "StringEquals": {"cloudformation:RoleArn": {"Fn::GetAtt": ["StackRole", "Arn"]}}
        }
    (passing,) = [one for one in allowed("DeployRole") if "iam:PassRole" in one["Action"]]
    assert passing["Resource"] == [{"Fn::GetAtt": ["StackRole", "Arn"]}]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}


def test_what_can_be_named_is_named() -> None:
    unnamed = {
        action
        for one in allowed("StackRole") + allowed("DeployRole")
        if "*" in one["Resource"]
        for action in one["Action"]
    }

    assert unnamed == {
        "cloudwatch:DescribeAlarms",
        "logs:DeleteQueryDefinition",
        "logs:DescribeLogGroups",
        "logs:DescribeQueryDefinitions",
        "logs:DescribeResourcePolicies",
        "logs:PutQueryDefinition",
    }
    for statement in allowed("StackRole"):
        if {action.partition(":")[0] for action in statement["Action"]} & {"iam", "s3", "sqs", "events", "states"}:
            assert all(STACK in json.dumps(one) or "PackageBucket" in json.dumps(one) for one in statement["Resource"])


def test_no_role_is_made_or_widened_without_the_boundary() -> None:
    bound = {"StringEquals": {"iam:PermissionsBoundary": {"Ref": "Boundary"}}}
    widening = {"iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"}

    for statement in allowed("StackRole"):
        for action in statement["Action"]:
            assert (statement["Condition"] == bound) == (action in widening)
            assert action not in ("iam:DeleteRolePermissionsBoundary", "iam:CreatePolicyVersion", "iam:*")


def test_the_variables_of_deploy_one_are_outputs_of_the_delivery_stack() -> None:
    outputs = read((ROOT / "infra/delivery.yaml").read_text(encoding="utf-8"))["Outputs"]
    used = set(re.findall(r"vars\.(\w+)", (ROOT / ".github/workflows/deploy-one.yml").read_text(encoding="utf-8")))

    assert used - {"AWS_REGION"} == {re.search(r"variable (\w+)", one["Description"])[1] for one in outputs.values()}
