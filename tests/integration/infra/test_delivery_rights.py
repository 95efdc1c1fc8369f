"""What CloudFormation may do for GitHub, held against what it needs: the registry's schemas say so, by type.

cfn-lint carries the schemas. They list all that a handler could ever call, so what is not needed here is named below.
"""

import pytest
from policies import actions, allowed, statements
from reach import reach, roles, things
from stacks import ACCOUNT, KEY, MODEL_KEY, OPTIONS, REGION, Stack

ENVIRONMENT = "options"
DELIVERY = Stack(
    "infra/delivery.yaml",
    f"fenlei-delivery-{ENVIRONMENT}",
    {
        "Environment": ENVIRONMENT,
        "Repository": "owner/name",
        "KmsKeyArn": KEY,
        "ModelBucket": "models",
        "FeedbackBucket": "said-by-callers",
        "ModelKmsKeyArn": MODEL_KEY,
    },
)
BOUNDARY = DELIVERY.arns()["Boundary"]
# What deploy-staging and the like deploy, with every option taken.
STACK = Stack("template.yaml", f"fenlei-{ENVIRONMENT}", OPTIONS | {"PermissionsBoundaryArn": BOUNDARY})

# type: what its handlers list and this stack has no use for.
NOT_NEEDED = {
    # Stacks in the stack are made without a stack policy and without protection.
    "AWS::CloudFormation::Stack": {
        *("cloudformation:GetStackPolicy", "cloudformation:SetStackPolicy", "cloudformation:GetTemplate"),
        "cloudformation:UpdateTerminationProtection",
    },
    # Functions only.
    "AWS::CodeDeploy::DeploymentGroup": {"codedeploy:RegisterOnPremisesInstance"},
    # No role has a description, and none may lose its boundary.
    "AWS::IAM::Role": {"iam:UpdateRoleDescription", "iam:DeleteRolePermissionsBoundary"},
    # No network, file system, layer, signature or capacity provider; runtime, recursion and scaling as AWS sets them.
    "AWS::Lambda::Function": {
        *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"),
        *("elasticfilesystem:DescribeMountTargets", "s3files:ListMountTargets", "lambda:GetLayerVersion"),
        *("lambda:PutFunctionCodeSigningConfig", "lambda:DeleteFunctionCodeSigningConfig"),
        *("lambda:GetCodeSigningConfig", "lambda:PassCapacityProvider", "lambda:AssociateRuntimeAlias"),
        *("lambda:PutFunctionRecursionConfig", "lambda:PutFunctionScalingConfig", "lambda:PutRuntimeManagementConfig"),
    },
    "AWS::Lambda::Version": {"lambda:PutFunctionScalingConfig", "lambda:PutRuntimeManagementConfig"},
    # No deliveries, indexes, tokens, protection of data or from deletion.
    "AWS::Logs::LogGroup": {
        *("logs:CreateLogDelivery", "firehose:TagDeliveryStream", "s3:REST.PUT.OBJECT"),
        *("logs:PutResourcePolicy", "logs:DeleteResourcePolicy", "logs:PutIndexPolicy", "logs:DeleteIndexPolicy"),
        *("logs:PutDataProtectionPolicy", "logs:DeleteDataProtectionPolicy"),
        *("logs:PutBearerTokenAuthentication", "logs:PutLogGroupDeletionProtection"),
    },
    # Versions, encryption, lifecycle, ownership and notifications only; and nothing of what is in a bucket.
    "AWS::S3::Bucket": {
        *("s3:ListBucket", "s3:DeleteObject", "s3:PutObjectAcl", "s3:PutObjectLockConfiguration"),
        *("s3:CreateBucketMetadataTableConfiguration", "s3:DeleteBucketMetadataTableConfiguration"),
        *("s3:UpdateBucketMetadataInventoryTableConfiguration", "s3:UpdateBucketMetadataJournalTableConfiguration"),
        "s3:UpdateBucketMetadataAnnotationTableConfiguration",
        *("s3:DeleteBucketCors", "s3:DeleteBucketWebsite", "s3:DeleteBucketReplication", "s3:DeleteBucketEncryption"),
        *("s3:DeleteBucketLifecycle", "s3:DeleteBucketAnalyticsConfiguration", "s3:DeleteBucketMetricsConfiguration"),
        *("s3:PutAccelerateConfiguration", "s3:PutAnalyticsConfiguration", "s3:PutInventoryConfiguration"),
        *("s3:PutIntelligentTieringConfiguration", "s3:PutMetricsConfiguration", "s3:PutReplicationConfiguration"),
        *("s3tables:CreateNamespace", "s3tables:CreateTable", "s3tables:CreateTableBucket", "s3tables:GetTable"),
        *("s3tables:GetTableMetadataLocation", "s3tables:UpdateTableMetadataLocation", "s3tables:PutTablePolicy"),
        *("s3tables:PutTableBucketPolicy", "s3tables:PutTableEncryption"),
    },
    # Shared groups of rules.
    "AWS::WAFv2::WebACLAssociation": {"wafv2:GetPermissionPolicy", "wafv2:PutPermissionPolicy"},
}
# What is no resource of the stack and is needed for it: the package, the key, how CodeDeploy shifts.
BESIDE = [
    DELIVERY.arns()["PackageBucket"] + "/package",
    KEY,
    f"arn:aws:codedeploy:{REGION}:{ACCOUNT}:deploymentconfig:CodeDeployDefault.LambdaAllAtOnce",
]
# A web ACL is put before an API here, and before nothing else.
OTHER_FRONTS = ("amplify", "apprunner", "appsync", "bedrock-agentcore", "cognito-idp", "ec2", "elasticloadbalancing")


def needed(kind: str) -> set[str]:
    """The actions that CloudFormation takes to make, look at, change and delete a resource of this type."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["handlers"]
    listed = {
        action
        for name in ("create", "read", "update", "delete")
        for action in handlers.get(name, {}).get("permissions", [])
    }
    if kind == "AWS::WAFv2::WebACLAssociation":
        listed = {action for action in listed if action.partition(":")[0] not in OTHER_FRONTS}
    return listed


def types() -> dict[str, list[str]]:
    """The types of the stack and the stacks in it, with the ARNs of the resources that have one."""
    found: dict[str, list[str]] = {}
    for one in STACK.nested():
        for name, resource in one.resources.items():
            found.setdefault(resource["Type"], []).extend([one.arns()[name]] if name in one.arns() else [])
    return found


def may(action: str, resource: str) -> bool:
    context = {
        "iam:PermissionsBoundary": BOUNDARY,
        "iam:PassedToService": "lambda.amazonaws.com",
        "lambda:FunctionArn": STACK.arns()["BatchFunction"],
    }
    return allowed(statements(DELIVERY.resources["StackRole"]["Properties"]), action, resource, context)


def may_where_it_has_to(kind: str, action: str) -> bool:
    """Whether an action may be done to each of a type's own resources, or to what they need of another service."""
    service = action.partition(":")[0]
    own = [arn for arn in types()[kind] if arn.split(":")[2] == service]
    others = [arn for arns in types().values() for arn in arns if arn.split(":")[2] == service]
    if own and action != "codedeploy:GetDeploymentConfig":
        return all(may(action, arn) for arn in own)
    return any(may(action, arn) for arn in [*others, *BESIDE, "*"])


@pytest.mark.parametrize("kind", sorted(types()))
def test_cloudformation_may_do_what_a_type_needs(kind: str) -> None:
    missing = {action for action in needed(kind) if not may_where_it_has_to(kind, action)}

    assert missing == NOT_NEEDED.get(kind, set())


def test_cloudformation_may_do_nothing_to_another_stack() -> None:
    another = Stack("template.yaml", "fenlei-another", {})
    named = {
        name: arn
        for name, arn in another.arns().items()
        if "apigateway" not in arn and "fenlei-another" in arn  # APIs, plans and keys have numbers for names
    }
    stated = statements(DELIVERY.resources["StackRole"]["Properties"])

    assert len(named) > 20
    for name, arn in named.items():
        for action in actions(stated):
            assert not may(action, arn) or allowed(stated, action, "*"), (name, action)


def test_nothing_is_left_that_would_need_a_policy_of_its_own() -> None:
    # Whoever may make policies may make one without the boundary.
    assert "AWS::IAM::ManagedPolicy" not in types()
    assert not may("iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/fenlei-{ENVIRONMENT}-any")


# --- the boundary ---------------------------------------------------------------------------------


def bound(action: str, resource: str) -> bool:
    return allowed(DELIVERY.resources["Boundary"]["Properties"]["PolicyDocument"]["Statement"], action, resource)


@pytest.mark.parametrize("role", [name for name, _ in roles(STACK)])
def test_the_boundary_leaves_a_role_all_that_it_needs(role: str) -> None:
    own = things(STACK) | {"*": "*"}
    reached = [one.split(" ", 1) for one in reach(dict(roles(STACK))[role], STACK)]
    if role == "GatewayLogRole":  # which AWS's policy lets do it to anything, not to logs alone
        reached = [[action, name] for action, name in reached if name.endswith("Log")]

    assert reached
    assert [f"{action} {name}" for action, name in reached if not bound(action, own[name])] == []


def test_the_boundary_ends_where_the_environment_ends() -> None:
    another = things(Stack("template.yaml", "fenlei-another", {}))

    for action, name in (
        ("s3:GetObject", "InputBucket/object"),
        ("s3:PutObject", "OutputBucket/object"),
        ("sqs:ReceiveMessage", "TextsQueue"),
        ("lambda:InvokeFunction", "ApiFunction"),
        ("states:StartExecution", "StateMachine"),
        ("kms:Decrypt", "another key"),
        ("s3:PutObject", "model"),
    ):
        assert not bound(action, another[name]), (action, name)


def test_without_a_model_bucket_and_keys_the_boundary_names_none() -> None:
    plain = Stack("infra/delivery.yaml", "fenlei-delivery", {"Environment": ENVIRONMENT, "Repository": "owner/name"})

    for one in ("StackRole", "Boundary"):
        assert "kms" not in str(plain.resources[one])
        assert "models/" not in str(plain.resources[one])
