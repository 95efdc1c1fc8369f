"""A newcomer's path from a clone to a deployed stack, with every AWS endpoint pointed at moto: how far it goes.

Three things of CloudFormation that moto lacks are lent to it here: the serverless transform, which is AWS's own open
code, the outputs of a stack that a change set made, and that AWS::NoValue leaves a list. docs/deploy.md says where the
path stops all the same.
"""

import base64
import hashlib
import io
import json
import os
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from cloud import Application, Cloud, Fault, cloud
from cloudformation import read, translated
from documents import commands
from moto.cloudformation import models, parsing, responses
from moto.s3.models import s3_backends
from s3_events import ACCOUNT
from sam import ENVIRONMENT, SAM
from stacks import Stack
from support import ROOT

pytest.importorskip("samtranslator")
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

PARAMETERS = read((ROOT / "template.yaml").read_text(encoding="utf-8"))["Parameters"]
AWS = ROOT / ".envs/aws/bin/aws"
BUCKET = "aws-sam-cli-managed-default"


def fetch(location: str) -> str:
    """A template that `sam` uploaded: s3://bucket/key or http://host/bucket/key."""
    place = urlparse(location)
    bucket, key = (place.netloc, place.path[1:]) if place.scheme == "s3" else place.path[1:].split("/", 1)
    return str(s3_backends[ACCOUNT]["aws"].get_object(bucket, key).value.decode())


@pytest.fixture(scope="module")
def aws() -> Iterator[Cloud]:
    def template_at(url: str, account_id: str, partition: str) -> str:  # noqa: ARG001
        return json.dumps(translated(read(fetch(url)), fetch))

    execute = models.CloudFormationBackend.execute_change_set

    def execute_change_set(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
        execute(self, change_set_name, stack_name)
        stack = self.stacks[self.describe_change_set(change_set_name).stack_id]
        stack._parse_template()
        stack.output_map = stack._create_output_map()

    clean = parsing.clean_json

    def clean_json(part: Any, resources: Any) -> Any:
        found = clean(part, resources)
        return [one for one in found if one is not None] if isinstance(found, list) else found

    with pytest.MonkeyPatch.context() as lent, cloud("localhost") as running:
        for module in (models, responses):
            lent.setattr(module, "get_stack_from_s3_url", template_at)
        lent.setattr(models.CloudFormationBackend, "execute_change_set", execute_change_set)
        lent.setattr(parsing, "clean_json", clean_json)
        yield running


@dataclass
class Walk:
    """What `sam deploy --guided` said, saved and left behind."""

    said: str
    settings: dict[str, Any]
    template: dict[str, Any]
    objects: dict[str, bytes]
    asked: set[str]


def written_down(asked: set[str]) -> Fault:
    """Notes what CloudFormation is asked for."""

    def fault(environ: dict[str, Any], _: Any, __: Application) -> None:
        if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = io.BytesIO(body)
            asked.update(parse_qs(body.decode())["Action"])

    return fault


@pytest.fixture(scope="module")
def walk(aws: Cloud, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Walk:  # noqa: ARG001
    # GIVEN what `sam build` made, and somebody who presses Enter at each question of `sam deploy --guided`:
    # name, region, each parameter, three permissions, where to save (three); and who then does not deploy
    settings = tmp_path_factory.mktemp("settings") / "samconfig.toml"
    shutil.copy(ROOT / "samconfig.toml", settings)
    asked: set[str] = set()
    aws.fault = written_down(asked)
    answers = "\n" * (2 + len(PARAMETERS) + 3 + 3) + "n\n"
    command = [SAM, "deploy", "--guided", "--config-file", settings]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=ENVIRONMENT | aws.environment,
        input=answers,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    aws.fault = None
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    s3 = aws.client("s3")
    (bucket,) = [one["Name"] for one in s3.list_buckets()["Buckets"] if one["Name"].startswith(BUCKET)]
    objects = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in aws.contents(bucket)}
    (main,) = [
        text for text in map(bytes.decode, filter(is_template, objects.values())) if "AWS::Serverless::Function" in text
    ]
    return Walk(said, tomllib.loads(settings.read_text(encoding="utf-8")), read(main), objects, asked)


def is_template(content: bytes) -> bool:
    return b"AWSTemplateFormatVersion" in content


def test_every_question_has_a_default_that_deploys(walk: Walk) -> None:
    for name, parameter in PARAMETERS.items():
        assert f"Parameter {name} [{parameter['Default']}]: " in walk.said
    assert "Deploy this changeset? [y/N]: " in walk.said


def test_the_answers_are_saved_for_the_next_time(walk: Walk) -> None:
    saved = walk.settings["default"]["deploy"]["parameters"]

    assert saved["stack_name"] == "fenlei"
    assert 'Deployment="Canary10Percent10Minutes"' in saved["parameter_overrides"]


def test_one_package_is_uploaded_for_all_functions(walk: Walk) -> None:
    # A second build of the same content has the same bytes, and is found to be there.
    functions = [one for one in walk.template["Resources"].values() if one["Type"] == "AWS::Serverless::Function"]

    assert len({one["Properties"]["CodeUri"] for one in functions}) == 1
    assert len(functions) == 3
    assert walk.said.count("File with same data already exists") == 2
    assert max(map(len, walk.objects.values())) < 50_000_000  # what Lambda takes in one upload


def test_what_was_packaged_is_valid(walk: Walk, tmp_path: Path) -> None:
    packaged = [content for content in walk.objects.values() if is_template(content)]
    for number, content in enumerate(packaged):
        (tmp_path / f"{number}.yaml").write_bytes(content)

    command = [SAM.parent / "cfn-lint", "--non-zero-exit-code", "error", *sorted(tmp_path.iterdir())]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)

    assert len(packaged) == 3
    assert checked.returncode == 0, checked.stdout


def test_the_change_set_shows_every_resource(aws: Cloud, walk: Walk) -> None:
    expected = translated(walk.template, fetch)["Resources"]
    cloudformation = aws.client("cloudformation")
    (stack,) = [one for one in cloudformation.describe_stacks()["Stacks"] if one["StackName"] == "fenlei"]

    assert stack["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert len(expected) > 40
    listed = walk.said.partition("CloudFormation stack changeset")[2]
    assert listed.count("+ Add ") == len(expected)


def test_the_role_of_github_may_ask_what_sam_asks(walk: Walk) -> None:
    delivery = read((ROOT / "infra/delivery.yaml").read_text(encoding="utf-8"))
    policy = json.dumps(delivery["Resources"]["DeployRole"]["Properties"]["Policies"])
    asked = walk.asked - {"GetCallerIdentity"}  # everybody may ask who they are

    assert {"CreateChangeSet", "DescribeChangeSet", "DescribeStacks"} <= asked
    assert [action for action in asked if f'"cloudformation:{action}"' not in policy] == []


def test_the_stack_for_delivery_is_made(aws: Cloud) -> None:
    if not AWS.exists():
        pytest.skip("the AWS command line is not installed; make .envs/aws/ready")
    deploy, describe = [one for one in commands(ROOT / "docs/deploy.md") if one.startswith("aws cloudformation")]
    environment = os.environ | aws.environment | {"PATH": f"{AWS.parent}:{os.environ['PATH']}", "AWS_PAGER": ""}

    for command in (deploy, describe):
        ran = subprocess.run(
            command,
            shell=True,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr

    outputs = {one["OutputKey"]: one["OutputValue"] for one in json.loads(ran.stdout)}
    role = aws.client("iam").get_role(RoleName=outputs["DeployRole"].rpartition("/")[2])["Role"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    subject = trust["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    assert subject == "repo:OWNER/NAME:environment:staging"
    most = aws.client("iam").get_policy(PolicyArn=outputs["Boundary"])["Policy"]
    assert most["Arn"] == outputs["Boundary"]
    aws.client("s3").head_bucket(Bucket=outputs["PackageBucket"])


def test_a_deployment_by_github_keeps_the_settings_of_its_environment() -> None:
    variables = [
        "PACKAGE_BUCKET=packages",
        "STACK_ROLE=arn:aws:iam::1:role/stack",
        "BOUNDARY=arn:aws:iam::1:policy/most",
    ]
    said = subprocess.run(
        ["make", "-n", "deploy-staging", *variables], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout.replace("\\\n", "")

    settings = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))["staging"]["deploy"]["parameters"]
    overrides = f"{settings['parameter_overrides']} PermissionsBoundaryArn=arn:aws:iam::1:policy/most"
    (deploy,) = [shlex.split(line) for line in said.splitlines() if "sam deploy" in line]
    assert deploy[1:4] == ["deploy", "--config-env", "staging"]
    assert deploy[4:9] == ["--no-resolve-s3", "--s3-bucket", "packages", "--role-arn", "arn:aws:iam::1:role/stack"]
    assert deploy[9:] == ["--parameter-overrides", overrides]


# The types of which moto makes something when they come in a stack. The others, aliases, deployments and what the API
# is made of among them, are only looked at in tests/integration/infra/test_stack.py.
MADE = (
    *("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Logs::LogGroup", "AWS::IAM::Role", "AWS::Events::Rule"),
    *("AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"),
)


def test_moto_makes_the_functions_of_the_uploaded_package(aws: Cloud, walk: Walk) -> None:
    # GIVEN what the change set would make, as far as moto makes it
    whole = Stack("template.yaml", "as-far-as-it-goes", {}, translated(walk.template, fetch)).settled
    resources = {name: one for name, one in whole["Resources"].items() if one["Type"] in MADE}
    # What names the deployment, which moto does not make.
    resources.pop("DeploymentRole")
    resources["ReplayFunctionRole"]["Properties"]["Policies"].clear()
    resources["ReplayFunction"]["Properties"]["Environment"]["Variables"].pop("NEW_VERSION")
    resources["BatchFunction"].pop("DependsOn")
    body = {"Resources": resources}
    cloudformation = aws.client("cloudformation")

    cloudformation.create_stack(StackName="as-far-as-it-goes", TemplateBody=json.dumps(body))

    (stack,) = cloudformation.describe_stacks(StackName="as-far-as-it-goes")["Stacks"]
    made = cloudformation.describe_stack_resources(StackName="as-far-as-it-goes")["StackResources"]
    physical = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in made}
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert set(physical) == set(resources)
    zipped = max(walk.objects.values(), key=len)
    for name, handler in (("ApiFunction", "api"), ("ReplayFunction", "hook"), ("BatchFunction", "s3")):
        function = aws.client("lambda").get_function(FunctionName=physical[name])["Configuration"]
        assert function["Handler"] == f"handler.{handler}.lambda_handler"
        assert function["CodeSha256"] == base64.b64encode(hashlib.sha256(zipped).digest()).decode()
    (mapping,) = aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert mapping["FunctionArn"].endswith(physical["BatchFunction"])
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
