"""The template, translated as AWS translates it: what reaches what. And what moto can make of it, made."""

import json
import re
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from cloud import Cloud
from cloudformation import read, translated
from support import ROOT

pytest.importorskip("samtranslator")


@cache
def translate(code: str = "s3://packages/first") -> dict[str, Any]:
    """What CloudFormation gets after `sam package` put the code at a place, which is named after its content."""
    source = read((ROOT / "template.yaml").read_text(encoding="utf-8"))
    for resource in source["Resources"].values():
        properties = resource.get("Properties", {})
        if "CodeUri" in properties:
            properties["CodeUri"] = code
        if resource["Type"] == "AWS::Serverless::Application":
            properties["Location"] = "https://packages.s3.amazonaws.com/bulk.yaml"
    return translated(source, lambda location: (ROOT / location).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    import os

    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
    found: dict[str, Any] = deepcopy(translate()["Resources"])
    return found


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a role's own policies, those under a condition too."""
    found = []
    for policy in role["Properties"].get("Policies", []):
        for one in policy.get("Fn::If", [None, policy])[1:2]:
            found += one["PolicyDocument"]["Statement"]
    return found


def reached(role: dict[str, Any]) -> set[str]:
    """The resources and parameters that a role's own statements name."""
    return named([statement["Resource"] for statement in statements(role)])


def named(part: Any) -> set[str]:
    """The resources and parameters that a part of the template names."""
    names = re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)"|\$\{(\w+)(?:\.Arn)?\}', json.dumps(part))
    return {one or other for one, other in names}


def test_each_function_s_role_reaches_only_what_is_its_own(resources: dict[str, Any]) -> None:
    assert reached(resources["ApiFunctionRole"]) == set()
    assert reached(resources["ReplayFunctionRole"]) == {"ApiFunction", "ServerlessDeploymentApplication"}
    assert reached(resources["BatchFunctionRole"]) == {
        *("InputBucket", "OutputBucket", "TextsQueue", "DeadLetterQueue", "KmsKeyArn")
    }
    for name in ("ApiFunctionRole", "ReplayFunctionRole", "BatchFunctionRole"):
        for statement in statements(resources[name]):
            assert statement["Resource"] != "*"
            assert not any(action.endswith(":*") for action in [statement["Action"]] if isinstance(action, str))


def test_the_function_for_files_reads_one_bucket_and_writes_the_other(resources: dict[str, Any]) -> None:
    writing = [s for s in statements(resources["BatchFunctionRole"]) if "s3:PutObject" in s["Action"]]

    assert [json.dumps(statement["Resource"]) for statement in writing] == ['{"Fn::Sub": "${OutputBucket.Arn}/*"}']


def test_a_deployment_replays_first_and_is_taken_back_by_an_alarm(resources: dict[str, Any]) -> None:
    alias = resources["ApiFunctionAliaslive"]
    group = resources["ApiFunctionDeploymentGroup"]["Properties"]

    assert alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["BeforeAllowTrafficHook"] == {"Ref": "ReplayFunction"}
    assert group["AlarmConfiguration"]["Alarms"] == [{"Name": {"Ref": "NewVersionFails"}}]
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert resources["BatchFunction"]["DependsOn"] == "ApiFunctionAliaslive"


def test_another_model_publishes_another_version(resources: dict[str, Any]) -> None:
    # The bundle is in the package, and the package's place is named after its content.
    def version(found: dict[str, Any]) -> str:
        (name,) = [name for name, one in found.items() if one["Type"] == "AWS::Lambda::Version"]
        return name

    assert version(translate()["Resources"]) == version(resources)
    assert version(translate("s3://packages/second")["Resources"]) != version(resources)


def test_calls_need_a_key_and_queues_have_a_dead_letter_queue(resources: dict[str, Any]) -> None:
    paths = resources["Api"]["Properties"]["Body"]["paths"]

    assert all(paths[path]["post"]["security"] for path in ("/v1/classify", "/v1/embed"))
    redrive = resources["TextsQueue"]["Properties"]["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}


# What moto makes of CloudFormation's resources; the others are only looked at above.
MADE = ("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Logs::LogGroup", "AWS::IAM::Role", "AWS::Events::Rule")


def test_moto_makes_the_parts_of_the_stack_that_it_knows(aws: Cloud, resources: dict[str, Any]) -> None:
    template = translate()
    made = {name: one for name, one in resources.items() if one["Type"] in MADE}
    for one in made.values():
        one.pop("Condition", None)
        for kind in ("Policies", "ManagedPolicyArns"):
            policies = one["Properties"].get(kind, [])
            policies[:] = [policy for policy in policies if "Fn::If" not in policy]  # moto keeps AWS::NoValue in a list
    known = set(made) | set(template["Parameters"])
    made = {name: one for name, one in made.items() if named(one) <= known}
    body = {key: template[key] for key in ("Parameters", "Mappings", "Conditions")} | {"Resources": made}
    cloudformation = aws.client("cloudformation")

    cloudformation.create_stack(StackName="fenlei", TemplateBody=json.dumps(body))

    found = cloudformation.describe_stack_resources(StackName="fenlei")["StackResources"]
    assert cloudformation.describe_stacks(StackName="fenlei")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    assert {one["LogicalResourceId"] for one in found} == set(made)
    assert {"InputBucket", "OutputBucket", "TextsQueue", "DeadLetterQueue", "ApiLog", "BatchFunctionRole"} <= set(made)
    url = next(one["PhysicalResourceId"] for one in found if one["LogicalResourceId"] == "TextsQueue")
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] in (5, "5")
    assert attributes["VisibilityTimeout"] == "5400"
