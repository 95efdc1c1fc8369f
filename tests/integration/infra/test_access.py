"""Who may call, by the parameters of template.yaml: what each stack has API Gateway ask, and of whom."""

import re
from typing import Any

import pytest
from issuer import issuing
from policies import allowed, many
from reach import reach, roles
from stacks import ACCESS, ACCOUNT, OPTIONS, Stack, stack

from build import contract

SECURED = {
    "default": [{"api_key": []}],
    "iam": [{"signature": []}],
    "jwt": [{"token": ["fenlei/classify"]}],
    "tokens": [{"token": [], "api_key": []}],
    "private": [{"signature": []}],
}
PATHS = contract.read()["paths"]
ANONYMOUS, ROOT_OF_THE_ACCOUNT = "*", f"arn:aws:iam::{ACCOUNT}:root"


def body(of: Stack) -> dict[str, Any]:
    found: dict[str, Any] = of.settled["Resources"]["Api"]["Properties"]["Body"]
    return found


@pytest.mark.parametrize("name", SECURED)
def test_each_call_asks_for_what_auth_says_and_pages_only_if_they_are_not_open(name: str) -> None:
    pages = SECURED[name] if stack(name).parameters["OpenPages"] == "false" else []
    for path, item in body(stack(name))["paths"].items():
        keyed = any(operation["security"] for method, operation in PATHS[path].items() if method in ("get", "post"))
        for method, operation in item.items():
            expected = [] if method == "options" else SECURED[name] if keyed else pages
            assert operation["security"] == expected, (path, method)


@pytest.mark.parametrize("name", SECURED)
def test_what_is_asked_for_is_declared_and_nothing_else_but_keys(name: str) -> None:
    (asked,) = SECURED[name]
    schemes = body(stack(name))["components"]["securitySchemes"]

    assert set(schemes) == {"api_key", *asked}
    if name == "jwt":
        authorizer = schemes["token"]["x-amazon-apigateway-authorizer"]
        assert authorizer == {"type": "cognito_user_pools", "providerARNs": [ACCESS["jwt"]["UserPoolArn"]]}
    if name == "tokens":
        assert schemes["token"]["x-amazon-apigateway-authtype"] == "custom"
        assert ACCESS["tokens"]["AuthorizerArn"] in schemes["token"]["x-amazon-apigateway-authorizer"]["authorizerUri"]
    if "signature" in schemes:
        assert schemes["signature"]["x-amazon-apigateway-authtype"] == "awsSigv4"


def test_without_a_scope_id_tokens_are_taken() -> None:
    given = {key: value for key, value in ACCESS["jwt"].items() if key != "TokenScope"}

    assert body(Stack("template.yaml", "fenlei", given))["paths"]["/v1/classify"]["post"]["security"] == [{"token": []}]


def test_what_cannot_be_a_token_costs_no_call_of_the_function() -> None:
    scheme = body(stack("tokens"))["components"]["securitySchemes"]["token"]
    pattern = re.compile(scheme["x-amazon-apigateway-authorizer"]["identityValidationExpression"])

    with issuing() as issuer:
        assert pattern.match(f"Bearer {issuer.token()}")
    assert not [one for one in ("", "Bearer ", "Basic YTpi", "Bearer a.b", "a.b.c") if pattern.match(one)]


def test_where_tokens_have_plans_the_authorizer_says_the_key() -> None:
    assert body(stack("tokens"))["x-amazon-apigateway-api-key-source"] == "AUTHORIZER"
    assert {body(stack(name))["x-amazon-apigateway-api-key-source"] for name in SECURED if name != "tokens"} == {
        "HEADER"
    }
    without = Stack("template.yaml", "fenlei", ACCESS["tokens"] | {"TokenPlans": "false"})
    assert body(without)["paths"]["/v1/classify"]["post"]["security"] == [{"token": []}]
    assert "AWS::ApiGateway::UsagePlan" not in {one["Type"] for one in without.resources.values()}


@pytest.mark.parametrize("name", SECURED)
def test_keys_and_plans_are_made_where_they_are_asked_for(name: str) -> None:
    kinds = {one["Type"] for one in stack(name).resources.values()}

    assert ("AWS::ApiGateway::ApiKey" in kinds) == (name == "default")
    assert ("AWS::ApiGateway::UsagePlan" in kinds) == (name in ("default", "tokens"))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"Auth": "jwt"}, "Auth=jwt needs a UserPoolArn or an AuthorizerArn."),
        (ACCESS["tokens"] | {"UserPoolArn": "arn:a"}, "takes either a UserPoolArn or an AuthorizerArn."),
        (ACCESS["tokens"] | {"TokenScope": "a"}, "is told to infra/authorizer.yaml."),
        (ACCESS["jwt"] | {"TokenPlans": "true"}, "TokenPlans=true needs Auth=jwt and an AuthorizerArn."),
        ({key: OPTIONS[key] for key in ("DomainName", "CertificateArn")} | {"VpcEndpointId": "vpce-1"}, "DomainName"),
        ({"ModelRegistry": "s3://a/b/", "ModelUri": "s3://a/b.tar.gz", "ModelSha256": "0"}, "either from ModelUri or"),
        ({"ModelSigningKeyArn": "arn:aws:kms:a:1:key/b"}, "is for the pointer of a ModelRegistry."),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_sentence(given: dict[str, str], sentence: str) -> None:
    (said,) = Stack("template.yaml", "fenlei", given).refused()

    assert sentence in said


@pytest.mark.parametrize("path", ["template.yaml", "infra/image.yaml"])
@pytest.mark.parametrize("name", ["iam", "jwt", "private"])
def test_the_image_has_the_same_ways(path: str, name: str) -> None:
    one = Stack(path, "fenlei", ACCESS[name])

    assert body(one)["paths"]["/v1/classify"]["post"]["security"] == SECURED[name]
    assert one.refused() == []


# --- a private API ----------------------------------------------------------------------------------


def may(of: Stack, principal: str, call: str, endpoint: str) -> bool:
    """Whether the API's resource policy by itself lets a principal make a call through a VPC endpoint."""
    stated = []
    for one in body(of)["x-amazon-apigateway-policy"]["Statement"]:
        if principal in many(one["Principal"] if isinstance(one["Principal"], str) else one["Principal"]["AWS"]):
            other = one.get("Condition", {}).get("StringNotEquals", {}).get("aws:SourceVpce", "")
            if not other or other != endpoint:
                stated.append({key: one[key] for key in ("Effect", "Action", "Resource")})
        elif one["Principal"] == "*":  # everybody, and so this one too
            stated.append({key: one[key] for key in ("Effect", "Action", "Resource")} if "Condition" not in one else {})
    return allowed([one for one in stated if one], "execute-api:Invoke", f"execute-api:/live/{call}")


def test_a_private_api_is_called_through_its_endpoint_only() -> None:
    given = {"VpcEndpointId": ACCESS["private"]["VpcEndpointId"]}
    private = Stack("template.yaml", "fenlei", given)
    properties = private.settled["Resources"]["Api"]["Properties"]

    assert properties["EndpointConfiguration"] == {"Types": ["PRIVATE"], "VpcEndpointIds": [given["VpcEndpointId"]]}
    for call in ("POST/v1/classify", "GET/health", "OPTIONS/v1/classify"):
        assert may(private, ANONYMOUS, call, given["VpcEndpointId"])
        assert not may(private, ANONYMOUS, call, "vpce-another")
    assert "x-amazon-apigateway-policy" not in body(stack("default"))
    assert stack("default").settled["Resources"]["Api"]["Properties"]["EndpointConfiguration"] == {
        "Types": ["REGIONAL"]
    }


def test_with_signatures_the_policy_leaves_calls_to_iam_and_opens_only_what_is_open() -> None:
    private, endpoint = stack("private"), ACCESS["private"]["VpcEndpointId"]
    closed = Stack("template.yaml", "fenlei", ACCESS["private"] | {"OpenPages": "false"})

    assert not may(private, ANONYMOUS, "POST/v1/classify", endpoint)
    assert may(private, ROOT_OF_THE_ACCOUNT, "POST/v1/classify", endpoint)
    for one, opened in ((private, True), (closed, False)):
        assert may(one, ANONYMOUS, "GET/health", endpoint) is opened
        assert may(one, ANONYMOUS, "GET/", endpoint) is opened
        assert may(one, ANONYMOUS, "OPTIONS/v1/classify", endpoint)
        assert not may(one, ANONYMOUS, "GET/v1/models", endpoint)


# --- what decides on tokens ---------------------------------------------------------------------------


def test_apis_of_this_account_may_ask_the_authorizer_and_it_reaches_its_log_only() -> None:
    one = Stack("infra/authorizer.yaml", "fenlei-tokens", {"TokenIssuer": "https://a.example", "TokenAudience": "a"})
    permission = one.resources["ApisMayAsk"]["Properties"]

    assert (permission["Principal"], permission["SourceAccount"]) == ("apigateway.amazonaws.com", ACCOUNT)
    assert permission["SourceArn"].endswith(f":{ACCOUNT}:*/authorizers/*")
    assert {role: reach(properties, one) for role, properties in roles(one)} == {
        "AuthorizerFunctionRole": {
            *("logs:CreateLogStream AuthorizerLog", "logs:PutLogEvents AuthorizerLog"),
            *("xray:PutTelemetryRecords *", "xray:PutTraceSegments *"),
        }
    }


def test_an_image_s_api_asks_it_too() -> None:
    given = {key: ACCESS["tokens"][key] for key in ("Auth", "AuthorizerArn")}
    image = Stack("infra/image.yaml", "fenlei", given)

    assert body(image)["paths"]["/v1/classify"]["post"]["security"] == [{"token": []}]
    assert image.refused() == []
