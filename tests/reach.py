"""What the roles of a stack reach: every action that a policy names, on all that the stack makes, and on others'."""

from collections.abc import Iterator
from typing import Any

from policies import actions, allowed, statements
from stacks import KEY, MODEL_KEY, SIGNING_KEY, Stack

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
        "SigningKey": SIGNING_KEY,
        "another key": KEY.replace("0a1b2c3d-", "33333333-"),
        "model": "arn:aws:s3:::models/large.tar.gz",
        "another model": "arn:aws:s3:::models/other.tar.gz",
        "feedback": "arn:aws:s3:::said-by-callers/fenlei/2026-11-28/one.jsonl",
        "another feedback": "arn:aws:s3:::said-by-callers/other/2026-11-28/one.jsonl",
        "published": "arn:aws:s3:::models/reviews/bundles/one.tar.gz",
        "another published": "arn:aws:s3:::models/reviews-2/live.json",
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
