"""Resources of CloudFormation, held against what the services themselves take, as botocore's models of them say.

CloudFormation passes most properties on as they are, so that a tag with a wrong letter shows only when a stack is made.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import regex
from botocore.model import Shape

# The calls that CloudFormation makes of a type. What has none here is a policy or stands for an association.
CALLS = {
    "AWS::ApiGateway::Account": "apigateway:UpdateAccount",
    "AWS::ApiGateway::ApiKey": "apigateway:CreateApiKey",
    "AWS::ApiGateway::BasePathMapping": "apigateway:CreateBasePathMapping",
    "AWS::ApiGateway::Deployment": "apigateway:CreateDeployment",
    "AWS::ApiGateway::DomainName": "apigateway:CreateDomainName",
    "AWS::ApiGateway::RestApi": "apigateway:CreateRestApi",
    "AWS::ApiGateway::Stage": "apigateway:CreateStage",
    "AWS::ApiGateway::UsagePlan": "apigateway:CreateUsagePlan",
    "AWS::ApiGateway::UsagePlanKey": "apigateway:CreateUsagePlanKey",
    "AWS::CloudFormation::Stack": "cloudformation:CreateStack",
    "AWS::CloudWatch::Alarm": "cloudwatch:PutMetricAlarm",
    "AWS::CloudWatch::Dashboard": "cloudwatch:PutDashboard",
    "AWS::CodeDeploy::Application": "codedeploy:CreateApplication",
    "AWS::CodeDeploy::DeploymentGroup": "codedeploy:CreateDeploymentGroup",
    "AWS::Events::Rule": "events:PutRule events:PutTargets",
    "AWS::IAM::ManagedPolicy": "iam:CreatePolicy",
    "AWS::IAM::OIDCProvider": "iam:CreateOpenIDConnectProvider",
    "AWS::IAM::Role": "iam:CreateRole",
    "AWS::Lambda::Alias": "lambda:CreateAlias",
    "AWS::Lambda::EventInvokeConfig": "lambda:PutFunctionEventInvokeConfig",
    "AWS::Lambda::EventSourceMapping": "lambda:CreateEventSourceMapping",
    "AWS::Lambda::Function": "lambda:CreateFunction lambda:PutFunctionConcurrency",
    "AWS::Lambda::Permission": "lambda:AddPermission",
    "AWS::Lambda::Version": "lambda:PublishVersion",
    "AWS::Logs::LogGroup": "logs:CreateLogGroup logs:PutRetentionPolicy",
    "AWS::Logs::QueryDefinition": "logs:PutQueryDefinition",
    "AWS::S3::Bucket": "s3:CreateBucket s3:PutBucketLifecycleConfiguration s3:PutBucketEncryption",
    "AWS::S3::BucketPolicy": "s3:PutBucketPolicy",
    "AWS::SQS::Queue": "sqs:CreateQueue",
    "AWS::SQS::QueuePolicy": "sqs:SetQueueAttributes",
    "AWS::StepFunctions::StateMachine": "stepfunctions:CreateStateMachine",
    "AWS::WAFv2::WebACLAssociation": "wafv2:AssociateWebACL",
}
# Properties that have another name in the call.
RENAMED = {"UsagePlanName": "name", "StateMachineName": "name", "DefinitionString": "definition"}


@cache
def call(name: str) -> Shape:
    """What `service:Operation` takes."""
    service, _, operation = name.partition(":")
    return botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape


def complaints(resource: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a resource's properties, as far as a service's model says."""
    properties = resource.get("Properties", {})
    for name in CALLS[resource["Type"]].split():
        yield from against(call(name), properties, name)
    # The same letters may be in the tags of all services; the models of API Gateway and Lambda do not say so.
    yield from against(call("iam:TagRole").members["Tags"], listed(properties.get("Tags", [])), "Tags")


def listed(tags: Any) -> Any:
    return tags if isinstance(tags, list) else [{"Key": key, "Value": value} for key, value in tags.items()]


def against(shape: Shape, value: Any, where: str) -> Iterator[str]:
    """The complaints of one model about a value and all that is in it."""
    if shape.type_name == "structure" and isinstance(value, dict):
        members = {name.lower(): member for name, member in shape.members.items()}
        for key, one in value.items():
            member = members.get(RENAMED.get(key, key).lower())
            if member is not None:
                yield from against(member, one, f"{where}.{key}")
    elif shape.type_name == "list" and isinstance(value, list):
        yield from lengths(shape, len(value), where)
        for number, one in enumerate(value):
            yield from against(shape.member, one, f"{where}[{number}]")
    elif shape.type_name == "map":
        tags = {one["Key"]: one["Value"] for one in value} if isinstance(value, list) else value
        for key, one in tags.items():
            yield from against(shape.key, key, f"{where}: the key {key}")
            yield from against(shape.value, one, f"{where}.{key}")
    elif shape.type_name == "string":
        yield from letters(shape, value if isinstance(value, str) else json.dumps(value), where)
    elif shape.type_name in ("integer", "long", "float", "double") and isinstance(value, (int, float)):
        yield from lengths(shape, value, where)


def lengths(shape: Shape, found: float, where: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and found < least) or (most is not None and found > most):
        yield f"{where}: {found} is not from {least} to {most}"


def letters(shape: Shape, value: str, where: str) -> Iterator[str]:
    yield from lengths(shape, len(value), where)
    pattern, choices = shape.metadata.get("pattern"), shape.metadata.get("enum")
    if pattern and not regex.fullmatch(pattern, value):
        yield f"{where}: {value!r} does not match {pattern}"
    if choices and value not in choices:
        yield f"{where}: {value!r} is none of {', '.join(choices)}"
