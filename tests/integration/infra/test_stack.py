"""The template, translated as AWS translates it: what reaches what. And what moto can make of it, made."""

import json
import re
from typing import Any

import pytest
from cloud import Cloud
from cloudformation import translated_file
from stacks import ACCESS, stack


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    found: dict[str, Any] = translated_file("template.yaml")["Resources"]
    return found


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

    assert version(translated_file("template.yaml", "s3://packages/second")["Resources"]) != version(resources)


def test_calls_need_a_key_and_queues_have_a_dead_letter_queue(resources: dict[str, Any]) -> None:
    paths = resources["Api"]["Properties"]["Body"]["paths"]

    assert all(paths[path]["post"]["security"] for path in ("/v1/classify", "/v1/embed", "/mcp"))
    redrive = resources["TextsQueue"]["Properties"]["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}


def named(part: Any) -> set[str]:
    """The resources that a part of the template names."""
    names = re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)"|\$\{(\w+)(?:\.Arn)?\}', json.dumps(part))
    return {one or other for one, other in names}


# What moto makes of CloudFormation's resources; the others are only looked at above.
MADE = ("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Logs::LogGroup", "AWS::IAM::Role", "AWS::Events::Rule")


@pytest.mark.parametrize("name", ["default", *ACCESS])
def test_moto_makes_the_parts_of_the_stack_that_it_knows(aws: Cloud, name: str) -> None:
    resources = stack(name).settled["Resources"]
    made = {name: one for name, one in resources.items() if one["Type"] in MADE}
    made = {name: one for name, one in made.items() if named(one) <= set(made)}
    body = {"Resources": made}
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
