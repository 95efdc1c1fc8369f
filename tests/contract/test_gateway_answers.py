"""What API Gateway answers of itself, by infra/gateway.yaml: preflights as the function would, and errors."""

import json
import re
from typing import Any

import pytest
import yaml
from cloudformation import AS_IT_COMES, chosen, read
from moto.cloudformation.parsing import ResourceMap, clean_json
from openapi_schema_validator import validate
from support import ROOT

from build import contract
from handler import api
from training.commands.serve import Context, proxy_event

CONTRACT = contract.read()
IMPORTED = yaml.safe_load(contract.GATEWAY.read_text(encoding="utf-8"))
DOCUMENT: dict[str, Any] = chosen(IMPORTED, **AS_IT_COMES)
INTEGRATION = "x-amazon-apigateway-integration"
ORIGIN = "https://shop.example"


def deployed(origins: str, template: str = "template.yaml") -> dict[str, Any]:
    """The document as a stack imports it that was made with CorsOrigins."""
    stack = read((ROOT / template).read_text(encoding="utf-8"))
    stack["Conditions"] = {name: one for name, one in stack["Conditions"].items() if name.startswith("Allows")}
    known = ResourceMap("id", "fenlei", {"CorsOrigins": origins}, {}, "eu-central-1", "1" * 12, stack, {})
    known.load_parameters()
    known.load_conditions()
    parts = {path: item["options"] for path, item in DOCUMENT["paths"].items()}
    errors = DOCUMENT["x-amazon-apigateway-gateway-responses"]
    found: dict[str, Any] = clean_json({"preflights": parts, "errors": errors}, known)
    return found


def headers(mapped: dict[str, str]) -> dict[str, str]:
    """Of `method.response.header.Allow: "'GET'"` the name and the value."""
    assert all(value[0] == value[-1] == "'" and "'" not in value[1:-1] for value in mapped.values())
    return {name.rpartition(".")[2]: value[1:-1] for name, value in mapped.items()}


@pytest.mark.parametrize("template", ["template.yaml", "infra/image.yaml"])
@pytest.mark.parametrize("origins", ["", "*", ORIGIN])
def test_a_preflight_is_answered_as_the_function_would(
    origins: str, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", origins)
    for path, operation in deployed(origins, template)["preflights"].items():
        event = proxy_event("OPTIONS", path.replace("{name}", "reviews-zh"), {"origin": ORIGIN}, b"")
        function = api.lambda_handler(event, Context("a-request"))

        mock = operation[INTEGRATION]
        (answered,) = mock["responses"].values()
        assert json.loads(mock["requestTemplates"]["application/json"]) == {"statusCode": function["statusCode"]}
        assert answered["statusCode"] == str(function["statusCode"])
        expected = {name: value for name, value in function["headers"].items() if name != "Vary"}
        assert headers(answered["responseParameters"]) == expected
        assert set(expected) <= set(operation["responses"]["204"]["headers"])


@pytest.mark.parametrize("template", ["template.yaml", "infra/image.yaml"])
def test_a_template_takes_origins_only_as_browsers_write_them(template: str) -> None:
    parameter = read((ROOT / template).read_text(encoding="utf-8"))["Parameters"]["CorsOrigins"]
    right = ["", "*", ORIGIN, "http://localhost:5173", f"{ORIGIN},https://[::1]:8000", f"{ORIGIN}, http://a.example"]
    wrong = ["shop.example", f"{ORIGIN}/", f"*,{ORIGIN}", f"{ORIGIN} {ORIGIN}", f"{ORIGIN},", "https://a'b", "null"]

    assert all(re.fullmatch(parameter["AllowedPattern"], origins) for origins in right)
    assert not any(re.fullmatch(parameter["AllowedPattern"], origins) for origins in wrong)


@pytest.mark.parametrize(
    ("origins", "named"),
    [("", None), ("*", "*"), (ORIGIN, ORIGIN), (f"https://other.example, {ORIGIN}", "*")],
)
def test_pages_of_allowed_origins_may_read_the_gateway_s_own_errors(origins: str, named: str | None) -> None:
    found = deployed(origins)

    for response in found["errors"].values():
        assert headers(response["responseParameters"]).get("Access-Control-Allow-Origin") == named
    # A header that is written down names one origin or all; the function's answers name the one that asks.
    for operation in found["preflights"].values():
        mapped = operation[INTEGRATION]["responses"]["default"]["responseParameters"]
        assert headers(mapped).get("Access-Control-Allow-Origin") == named


@pytest.mark.parametrize("signed", [False, True])
def test_every_error_of_the_gateway_is_a_problem_document_that_quotes_nothing(signed: bool) -> None:
    document = chosen(IMPORTED, **AS_IT_COMES | {"UsesSignatures": signed})
    responses = document["x-amazon-apigateway-gateway-responses"]
    assert responses["MISSING_AUTHENTICATION_TOKEN"]["statusCode"] == (403 if signed else 404)
    assert {"DEFAULT_4XX", "DEFAULT_5XX", "INVALID_API_KEY", "THROTTLED", "QUOTA_EXCEEDED"} <= set(responses)
    assert {"REQUEST_TOO_LARGE", "BAD_REQUEST_BODY", "INTEGRATION_TIMEOUT"} <= set(responses)
    for kind, response in responses.items():
        assert response["responseParameters"]["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        body = response["responseTemplates"]["application/json"]
        assert "$context.error" not in body, kind
        problem = json.loads(body.replace("$context.requestId", "a-request"))
        validate(problem, {"$ref": "#/components/schemas/Problem", "components": CONTRACT["components"]})
        assert problem["status"] == response["statusCode"], kind
