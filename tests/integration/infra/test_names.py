"""Names, tags, descriptions and numbers of every stack, held against the models of the services that get them."""

import json

import pytest
from service_models import CALLS, against, call, complaints, listed
from stacks import SETS, Stack, pairs, settings, stack
from support import ROOT

DELIVERY = {"Environment": "staging", "Repository": "owner/name", "KmsKeyArn": "", "CreateProvider": "true"}
# Beside the stacks of the environments, what is deployed apart from them.
TOKENS = {"TokenIssuer": "https://login.example.com/", "TokenAudience": "fenlei"}
APART = {"authorizer": TOKENS, "delivery": DELIVERY, "image": {}}


def stacks(name: str) -> list[Stack]:
    if name in APART:
        return [Stack(f"infra/{name}.yaml", f"fenlei-{name}", APART[name])]
    return stack(name).nested()


@pytest.mark.parametrize("name", [*SETS, *APART])
def test_every_service_takes_what_cloudformation_passes_on(name: str) -> None:
    wrong = [
        f"{one.path}, {logical}: {complaint}"
        for one in stacks(name)
        for logical, resource in one.resources.items()
        for complaint in complaints(resource)
    ]

    assert wrong == []


@pytest.mark.parametrize("name", settings())
def test_the_tags_of_a_stack_can_be_put_on_everything_in_it(name: str) -> None:
    tags = listed(pairs(settings()[name]["tags"]))

    assert list(against(call("iam:TagRole").members["Tags"], tags, "tags")) == []


def test_the_longest_name_that_is_documented_fits() -> None:
    # Lambda's limit for a function's name, 64, is not in its model, which also takes ARNs.
    (name,) = [one for one in stack("options").arns().values() if "CodeDeployHook_" in one]

    assert len(name.rpartition(":")[2]) == 64
    assert f"at most {len(stack('options').name)} characters" in (ROOT / "docs/deploy.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SETS)
def test_the_template_s_own_rules_let_the_parameters_through(name: str) -> None:
    assert stack(name).refused() == []


def test_the_models_complain_of_what_services_refuse() -> None:
    stage = {"Type": "AWS::ApiGateway::Stage", "Properties": {"Tags": [{"Key": "log-role", "Value": "the account's"}]}}
    role = {"Type": "AWS::IAM::Role", "Properties": {"Description": "分类", "MaxSessionDuration": 60, "Tags": []}}
    function = {"Type": "AWS::Lambda::Function", "Properties": {"Handler": "a b", "MemorySize": 64, "Runtime": "py"}}

    assert len(list(complaints(stage))) == 1
    assert len(list(complaints(role))) == 2
    assert len(list(complaints(function))) == 3


@pytest.mark.parametrize("name", [*SETS, *APART])
def test_policies_are_no_longer_than_iam_takes(name: str) -> None:
    # IAM counts no white space: 10,240 letters of a role's inline policies in all, 6,144 of a managed one.
    for one in stacks(name):
        for logical, resource in one.resources.items():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::IAM::Role":
                own = properties.get("Policies", [])
                length = sum(len(json.dumps(policy["PolicyDocument"], separators=(",", ":"))) for policy in own)
                assert length <= 10_240, logical
            if resource["Type"] == "AWS::IAM::ManagedPolicy":
                assert len(json.dumps(properties["PolicyDocument"], separators=(",", ":"))) <= 6_144


@pytest.mark.parametrize("name", SETS)
def test_every_type_is_looked_at(name: str) -> None:
    assert {resource["Type"] for one in stacks(name) for resource in one.resources.values()} <= set(CALLS)
