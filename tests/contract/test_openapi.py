"""infra/openapi.yaml, the handler's routes and the handler's types say the same."""

import json
from typing import Any

import msgspec
import pytest
import yaml
from openapi_schema_validator import OAS30Validator, validate
from openapi_spec_validator import OpenAPIV30SpecValidator

from build import contract
from handler import api, schema
from training.serve import proxy_event

SOURCE: dict[str, Any] = yaml.safe_load(contract.SOURCE.read_text(encoding="utf-8"))
SERVED: dict[str, Any] = json.loads(contract.served())
SCHEMAS = SOURCE["components"]["schemas"]
METHODS = {"get", "post", "options"}
TYPES = (
    schema.ClassifyRequest,
    schema.ClassifyResponse,
    schema.Contribution,
    schema.EmbedRequest,
    schema.EmbedResponse,
    schema.HealthResponse,
    schema.Limits,
    schema.ModelInfo,
    schema.ModelName,
    schema.ModelsResponse,
    schema.Prediction,
    schema.Problem,
    schema.Replay,
    schema.Score,
)


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV30SpecValidator(SERVED).validate()


def test_the_served_document_is_the_source_without_what_is_amazons() -> None:
    assert "amazon" not in json.dumps(SERVED)
    assert SERVED["components"] == SOURCE["components"]
    assert list(SERVED["paths"]) == list(SOURCE["paths"])


def test_every_route_of_the_document_is_answered_and_no_other() -> None:
    documented = {
        (path, method.upper()) for path, item in SOURCE["paths"].items() for method in item if method in METHODS
    }
    routed = {(path, method) for path, methods in api.ROUTES.items() for method in (*methods, "OPTIONS")}
    assert routed == documented


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_each_type_has_the_fields_of_its_schema(kind: type[msgspec.Struct]) -> None:
    documented = SCHEMAS[kind.__name__]
    fields = msgspec.structs.fields(kind)
    assert {field.encode_name for field in fields} == set(documented["properties"])
    if kind is not schema.Limits:  # whose values are set by the type itself
        assert {field.encode_name for field in fields if field.required} == set(documented.get("required", []))


def test_the_limits_of_the_document_are_those_that_are_enforced() -> None:
    texts = SCHEMAS["ClassifyRequest"]["properties"]["texts"]
    assert SCHEMAS["Text"]["maxLength"] == schema.MAX_CHARACTERS
    assert SCHEMAS["Text"]["pattern"] == schema.NOT_BLANK
    assert texts["maxItems"] == SCHEMAS["EmbedRequest"]["properties"]["texts"]["maxItems"] == schema.MAX_TEXTS
    assert SCHEMAS["ClassifyRequest"]["not"]["anyOf"][-1]["properties"]["texts"] == {
        "minItems": schema.MAX_EXPLAINED + 1
    }
    assert f"{schema.MAX_BODY_BYTES:,} bytes" in SOURCE["info"]["description"]


ANSWERS = [
    ("POST", "/v1/classify", {"text": "东西质量很好"}, "ClassifyResponse"),
    ("POST", "/v1/classify", {"texts": ["东西质量很好", "bad"], "top_k": 1, "explain": True}, "ClassifyResponse"),
    ("POST", "/v1/embed", {"texts": ["东西质量很好", "bad"]}, "EmbedResponse"),
    ("GET", "/v1/models", None, "ModelsResponse"),
    ("GET", "/v1/models/reviews-zh", None, "ModelInfo"),
    ("GET", "/health", None, "HealthResponse"),
    ("GET", "/health?deep=true", None, "HealthResponse"),
    ("GET", "/health?deep=perhaps", None, "Problem"),
    ("POST", "/v1/classify", {"texts": ["", 3]}, "Problem"),
    ("POST", "/v1/classify", {"text": "a", "model": "none of that name"}, "Problem"),
    ("POST", "/v1/classify", {"texts": ["a"] * 9, "explain": True}, "Problem"),
    ("GET", "/v1/models/none-of-that-name", None, "Problem"),
    ("DELETE", "/health", None, "Problem"),
    ("GET", "/nowhere", None, "Problem"),
]


@pytest.mark.parametrize(("method", "path", "body", "expected"), ANSWERS)
def test_answers_fit_their_schema(served: Any, method: str, path: str, body: object, expected: str) -> None:
    content = b"" if body is None else json.dumps(body).encode()
    answer = served(proxy_event(method, path, {"content-type": "application/json"}, content))

    validate(
        answer.body,
        {"$ref": f"#/components/schemas/{expected}", "components": SOURCE["components"]},
        cls=OAS30Validator,
    )
    assert answer.headers["Content-Type"] == (
        "application/problem+json" if expected == "Problem" else "application/json"
    )


# --- what only the gateway reads ------------------------------------------------------------------


OPEN = {"/", "/docs", "/openapi.json", "/health"}
HTTP = {*METHODS, "x-amazon-apigateway-any-method"}


@pytest.mark.parametrize("path", SOURCE["paths"])
def test_the_gateway_asks_for_a_key_on_all_but_the_open_pages_and_preflights(path: str) -> None:
    for method, operation in SOURCE["paths"][path].items():
        if method in HTTP:
            keyless = path in OPEN or method == "options"
            assert operation["security"] == ([] if keyless else [{"api_key": []}]), method
            assert operation["x-amazon-apigateway-integration"]["type"] == "aws_proxy"


def test_every_error_of_the_gateway_is_a_problem_document_that_quotes_nothing() -> None:
    responses = SOURCE["x-amazon-apigateway-gateway-responses"]
    assert {"DEFAULT_4XX", "DEFAULT_5XX", "INVALID_API_KEY", "THROTTLED", "QUOTA_EXCEEDED"} <= set(responses)
    assert {"REQUEST_TOO_LARGE", "BAD_REQUEST_BODY", "INTEGRATION_TIMEOUT"} <= set(responses)
    for kind, response in responses.items():
        assert response["responseParameters"]["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        body = response["responseTemplates"]["application/json"]
        assert "$context.error" not in body, kind
        problem = json.loads(body.replace("$context.requestId", "a-request"))
        validate(problem, {"$ref": "#/components/schemas/Problem", "components": SOURCE["components"]})
        assert problem["status"] == response["statusCode"], kind
