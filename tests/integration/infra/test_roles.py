"""What each role of the stack may do and to what, decided as IAM decides it, with AWS's managed policies in it."""

import pytest
from policies import actions, allowed, many, statements, trusted
from reach import NEVER, UNNAMED, reach, roles
from stacks import ACCOUNT, REGION, SETS, Stack, stack

TRACES = {"xray:PutTelemetryRecords *", "xray:PutTraceSegments *"}
KEYS = {"kms:Decrypt KmsKey", "kms:Decrypt ModelKey", "s3:GetObject model"}
PUBLISHED = {"kms:Decrypt ModelKey", "kms:Verify SigningKey", "s3:GetObject published"}
LOADS_MODELS = ("ApiFunctionRole", "ReplayFunctionRole", "BatchFunctionRole")
LOG = ("logs:CreateLogStream", "logs:PutLogEvents")

# role: what it may do to what, by logical name; and what is added where there are keys and a ModelUri.
MAY: dict[str, tuple[set[str], set[str]]] = {
    "ApiFunctionRole": (
        TRACES | {f"{action} ApiLog" for action in LOG},
        KEYS | {"s3:PutObject feedback", "kms:GenerateDataKey KmsKey"},
    ),
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


@pytest.mark.parametrize("name", SETS)
def test_each_role_reaches_its_own_resources_only(name: str) -> None:
    found = {role: reach(properties, stack(name)) for role, properties in roles(stack(name)) if role != EVERYWHERE}

    added = {
        "options": {role: more for role, (_, more) in MAY.items()},
        "registry": dict.fromkeys(LOADS_MODELS, PUBLISHED),
    }.get(name, {})
    assert found == {role: own | added.get(role, set()) for role, (own, _) in MAY.items()}


@pytest.mark.parametrize("name", SETS)
def test_no_action_is_a_wildcard_and_no_policy_is_aws_s_but_the_gateway_s(name: str) -> None:
    for role, properties in roles(stack(name)):
        assert not [action for action in actions(statements(properties)) if "*" in action]
        assert bool(properties.get("ManagedPolicyArns")) == (role == EVERYWHERE)
        for one in statements(properties):
            assert "*" not in many(one["Resource"]) or role == EVERYWHERE or set(many(one["Action"])) <= UNNAMED


def test_the_image_s_function_reaches_its_log() -> None:
    image = Stack("infra/image.yaml", "fenlei-image", {})

    assert {role: reach(one, image) for role, one in roles(image)} == {"ApiFunctionRole": MAY["ApiFunctionRole"][0]}


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
