"""What each role of the stack may do and to what, decided as IAM decides it, with AWS's managed policies in it."""

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("samtranslator")

from policies import actions, allowed, many, statements, trusted
from stacks import ACCOUNT, KEY, MODEL_KEY, REGION, SETS, Stack, stack

# Nobody may do these, whatever they are asked of; wildcards in a policy would let them.
NEVER = {
    *(
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:PutBucketPolicy",
        "s3:PutObjectAcl",
        "s3:BypassGovernanceRetention",
    ),
    *("sqs:PurgeQueue", "sqs:SetQueueAttributes", "sqs:DeleteQueue"),
    *("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:AddPermission", "iam:PassRole"),
    *("logs:DeleteLogGroup", "logs:DeleteLogStream", "kms:ScheduleKeyDeletion", "kms:Encrypt", "kms:CreateGrant"),
    *("states:UpdateStateMachine", "apigateway:GET", "sts:AssumeRole", "codedeploy:StopDeployment"),
}
# The services have nothing to name for these.
UNNAMED = {
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"),
    "cloudwatch:DescribeAlarms",
}
TRACES = {"xray:PutTelemetryRecords *", "xray:PutTraceSegments *"}
KEYS = {"kms:Decrypt KmsKey", "kms:Decrypt ModelKey", "s3:GetObject model"}
LOG = ("logs:CreateLogStream", "logs:PutLogEvents")

# role: what it may do to what, by logical name; and what is added where there are keys and a ModelUri.
MAY: dict[str, tuple[set[str], set[str]]] = {
    "ApiFunctionRole": (TRACES | {f"{action} ApiLog" for action in LOG}, KEYS),
    "ReplayFunctionRole": (
        TRACES
        | {f"{action} ReplayLog" for action in LOG}
        | {
            "lambda:InvokeFunction ApiFunction:version",
            "codedeploy:PutLifecycleEventHookExecutionStatus ApiFunctionDeploymentGroup",
        },
        KEYS,
    ),
    "BatchFunctionRole": (
        TRACES
        | {f"{action} BatchLog" for action in LOG}
        | {
            *("s3:ListBucket InputBucket", "s3:ListBucket OutputBucket"),
            *("s3:GetObject InputBucket/object", "s3:GetObjectVersion InputBucket/object"),
            *("s3:GetObject OutputBucket/object", "s3:PutObject OutputBucket/object"),
            *("s3:AbortMultipartUpload OutputBucket/object", "s3:ListMultipartUploadParts OutputBucket/object"),
            *("sqs:ReceiveMessage TextsQueue", "sqs:DeleteMessage TextsQueue", "sqs:GetQueueAttributes TextsQueue"),
            *("sqs:ChangeMessageVisibility TextsQueue", "sqs:SendMessage DeadLetterQueue"),
            "states:StartExecution StateMachine",
        },
        KEYS | {"kms:GenerateDataKey KmsKey"},
    ),
    "DeploymentRole": (
        {
            *("lambda:GetAlias ApiFunction", "lambda:UpdateAlias ApiFunction"),
            *("lambda:GetAlias ApiFunction:version", "lambda:UpdateAlias ApiFunction:version"),
            "lambda:GetProvisionedConcurrencyConfig ApiFunction",
            "lambda:GetProvisionedConcurrencyConfig ApiFunction:version",
            *("lambda:InvokeFunction ReplayFunction", "cloudwatch:DescribeAlarms *"),
        },
        set(),
    ),
    "Role": (
        TRACES
        | {
            *("xray:GetSamplingRules *", "xray:GetSamplingTargets *", "s3:ListBucket InputBucket"),
            *("lambda:InvokeFunction BatchFunction", "lambda:InvokeFunction BatchFunction:version"),
            *("s3:GetObject InputBucket/object", "s3:GetObjectVersion InputBucket/object"),
            *("s3:GetObject OutputBucket/object", "s3:PutObject OutputBucket/object"),
            *("s3:AbortMultipartUpload OutputBucket/object", "s3:ListMultipartUploadParts OutputBucket/object"),
            "states:StartExecution StateMachine",
            *("states:DescribeExecution StateMachine:execution", "states:DescribeExecution StateMachine:child"),
            *("states:StopExecution StateMachine:execution", "states:StopExecution StateMachine:child"),
            *("states:RedriveExecution StateMachine:execution", "states:RedriveExecution StateMachine:child"),
        },
        {"kms:Decrypt KmsKey", "kms:GenerateDataKey KmsKey"},
    ),
}
# Its policy is AWS's, which every log group of the account is open to: test_the_gateway_s_role_….
EVERYWHERE = "GatewayLogRole"


def roles(of: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in of.nested():
        for name, resource in one.resources.items():
            if resource["Type"] == "AWS::IAM::Role":
                yield name, resource["Properties"]


def things(of: Stack) -> dict[str, str]:
    """ARNs by name: all that the stack makes, the parts of it that policies tell apart, and what is another's."""
    found = {
        name: arn
        for one in of.nested()
        for name, arn in one.arns().items()
        if one.resources[name]["Type"] not in ("AWS::Lambda::Alias", "AWS::Lambda::Version")
    }
    for name, arn in list(found.items()):
        service, region, account, rest = arn.split(":", 5)[2:]
        if service == "s3":
            found[f"{name}/object"] = f"{arn}/texts/一.jsonl"
            found[f"another {name}/object"] = "arn:aws:s3:::somebody-s-own/texts.jsonl"
        if service == "lambda" and rest.count(":") == 1:
            found[f"{name}:version"] = f"{arn}:7"
        if service == "states":
            found[f"{name}:execution"] = arn.replace(":stateMachine:", ":execution:") + ":run"
            found[f"{name}:child"] = arn.replace(":stateMachine:", ":execution:") + "/EachObject:run"
        other = rest.replace(of.name[:24], "another")
        found[f"another {name}"] = ":".join(["arn:aws", service, region, account, other])
    return found | {
        "KmsKey": KEY,
        "ModelKey": MODEL_KEY,
        "another key": KEY.replace("0a1b2c3d-", "33333333-"),
        "model": "arn:aws:s3:::models/large.tar.gz",
        "another model": "arn:aws:s3:::models/other.tar.gz",
    }


def reach(role: dict[str, Any], of: Stack) -> set[str]:
    """What a role may do to what; `*` stands for actions that no service tells the resources of."""
    stated = statements(role)
    found = {
        f"{action} {name}"
        for action in (actions(stated) | NEVER) - UNNAMED
        for name, arn in things(of).items()
        if allowed(stated, action, arn)
    }
    return found | {f"{action} *" for action in UNNAMED if allowed(stated, action, "*")}


@pytest.mark.parametrize("name", SETS)
def test_each_role_reaches_its_own_resources_only(name: str) -> None:
    found = {role: reach(properties, stack(name)) for role, properties in roles(stack(name)) if role != EVERYWHERE}

    assert found == {role: own | (more if name == "options" else set()) for role, (own, more) in MAY.items()}


@pytest.mark.parametrize("name", SETS)
def test_no_action_is_a_wildcard_and_no_policy_is_aws_s_but_the_gateway_s(name: str) -> None:
    for role, properties in roles(stack(name)):
        assert not [action for action in actions(statements(properties)) if "*" in action]
        assert bool(properties.get("ManagedPolicyArns")) == (role == EVERYWHERE)
        for one in statements(properties):
            assert "*" not in many(one["Resource"]) or role == EVERYWHERE or set(many(one["Action"])) <= UNNAMED


def test_the_gateway_s_role_writes_every_log_and_nothing_else() -> None:
    # API Gateway refuses a role for access logs that may do less than AWS's policy says.
    properties = dict(roles(stack("default")))[EVERYWHERE]

    assert {action.partition(":")[0] for action in actions(statements(properties))} == {"logs"}
    assert not {action for action in NEVER if allowed(statements(properties), action, "*")}


@pytest.mark.parametrize("name", SETS)
def test_every_role_has_the_boundary_where_there_is_one(name: str) -> None:
    expected = {stack(name).parameters["PermissionsBoundaryArn"] or None}

    assert {properties.get("PermissionsBoundary") for _, properties in roles(stack(name))} == expected


# --- who may take a role, or send to the queue ------------------------------------------------------


def source(arn: str, account: str = ACCOUNT) -> dict[str, str]:
    return {"aws:SourceArn": arn, "aws:SourceAccount": account}


def test_codedeploy_takes_its_role_for_this_deployment_group_only() -> None:
    trust = dict(roles(stack("default")))["DeploymentRole"]["AssumeRolePolicyDocument"]
    own = stack("default").arns()["ApiFunctionDeploymentGroup"]

    assert trusted(trust, "codedeploy.amazonaws.com", source(own))
    assert not trusted(trust, "codedeploy.amazonaws.com", source(own.replace("deploymentgroup:", "deploymentgroup:x")))
    assert not trusted(trust, "codedeploy.amazonaws.com", source(own, "999999999999"))
    assert not trusted(trust, "lambda.amazonaws.com", source(own))


def test_step_functions_takes_its_role_for_this_machine_and_its_maps_only() -> None:
    trust = dict(roles(stack("default")))["Role"]["AssumeRolePolicyDocument"]
    machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:fenlei-bulk"

    assert trusted(trust, "states.amazonaws.com", source(machine))
    assert trusted(trust, "states.amazonaws.com", source(f"{machine}/EachObject"))
    assert not trusted(trust, "states.amazonaws.com", source(f"{machine}-of-another"))
    assert not trusted(trust, "states.amazonaws.com", source(machine, "999999999999"))


@pytest.mark.parametrize("name", ["ApiFunctionRole", "ReplayFunctionRole", "BatchFunctionRole"])
def test_lambda_alone_takes_a_function_s_role(name: str) -> None:
    (statement,) = dict(roles(stack("default")))[name]["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_the_rules_of_this_stack_alone_send_to_the_queues() -> None:
    policy = stack("default").resources["QueuePolicy"]["Properties"]["PolicyDocument"]
    rules = [arn for name, arn in stack("default").arns().items() if name in ("TextsArrived", "OthersArrived")]

    assert len(rules) == 2
    assert all(trusted(policy, "events.amazonaws.com", source(rule)) for rule in rules)
    assert not trusted(policy, "events.amazonaws.com", source(f"arn:aws:events:{REGION}:{ACCOUNT}:rule/another"))
    assert not trusted(policy, "events.amazonaws.com", source(rules[0], "999999999999"))
    assert not trusted(policy, "s3.amazonaws.com", source(rules[0]))
