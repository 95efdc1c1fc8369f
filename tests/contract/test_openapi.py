"""infra/openapi.yaml, the handler's routes and the handler's types say the same."""

import json
from typing import Any

import msgspec
import pytest
from openapi_schema_validator import OAS30Validator, validate
from openapi_spec_validator import OpenAPIV30SpecValidator

from build import contract
from handler import api
from handler.https import feedback, mcp, schema
from handler.model import prediction
from training.commands.serve import proxy_event

SOURCE = contract.read()
SERVED: dict[str, Any] = json.loads(contract.served())
SCHEMAS = SOURCE["components"]["schemas"]
METHODS = {"get", "post", "options"}
TYPES = (
    schema.ClassifyRequest,
    schema.ClassifyResponse,
    prediction.Contribution,
    schema.EmbedRequest,
    feedback.FeedbackRequest,
    feedback.FeedbackResponse,
    schema.EmbedResponse,
    schema.HealthResponse,
    prediction.Level,
    schema.Limits,
    mcp.McpMessage,
    mcp.McpParams,
    schema.ModelInfo,
    prediction.ModelName,
    prediction.ModelVersion,
    schema.ModelsResponse,
    prediction.Prediction,
    schema.Problem,
    prediction.Replay,
    prediction.Score,
)


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV30SpecValidator(SERVED).validate()


def test_the_served_document_is_the_source_and_nothing_in_it_is_amazons() -> None:
    assert json.loads(contract.served()) == SOURCE | {"servers": [{"url": "."}]}
    assert "x-amazon" not in contract.served()
    assert "Fn::" not in contract.served()


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
