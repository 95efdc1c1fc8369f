"""infra/openapi.yaml, the handler's routes and the handler's types say the same."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from openapi_schema_validator import OAS30Validator, validate
from openapi_spec_validator import OpenAPIV30SpecValidator

from handler import api, schema
from handler.bundle import load
from training.serve import Context, proxy_event

ROOT = Path(__file__).parents[2]
DOCUMENT = yaml.safe_load((ROOT / "infra/openapi.yaml").read_text(encoding="utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
TYPES = (
    schema.ClassifyRequest,
    schema.ClassifyResponse,
    schema.HealthResponse,
    schema.ModelInfo,
    schema.ModelName,
    schema.ModelsResponse,
    schema.Prediction,
    schema.Problem,
    schema.Score,
)


@pytest.fixture(autouse=True)
def served_bundle(bundle_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_DIR", str(bundle_path))
    api.models.cache_clear()


def call(method: str, path: str, body: object = None) -> dict[str, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    event = proxy_event(method, path, {"content-type": "application/json"}, content)
    return api.lambda_handler(event, Context("contract"))


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV30SpecValidator(DOCUMENT).validate()


def test_every_route_of_the_document_is_answered_and_no_other() -> None:
    documented = {(path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods}
    routed = {(path, method) for path, methods in api.ROUTES.items() for method in methods}
    assert routed == documented


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_each_type_has_the_fields_of_its_schema(kind: type[msgspec.Struct]) -> None:
    documented = SCHEMAS[kind.__name__]
    fields = msgspec.structs.fields(kind)
    assert {field.encode_name for field in fields} == set(documented["properties"])
    assert {field.encode_name for field in fields if field.required} == set(documented.get("required", []))


def test_the_limits_of_the_document_are_those_that_are_enforced() -> None:
    assert SCHEMAS["Text"]["maxLength"] == schema.MAX_CHARACTERS
    assert SCHEMAS["ClassifyRequest"]["properties"]["texts"]["maxItems"] == schema.MAX_TEXTS


@pytest.mark.parametrize(
    ("method", "path", "body", "answer"),
    [
        ("POST", "/v1/classify", {"text": "东西质量很好"}, "ClassifyResponse"),
        ("POST", "/v1/classify", {"texts": ["东西质量很好", "bad"], "top_k": 1}, "ClassifyResponse"),
        ("GET", "/v1/models", None, "ModelsResponse"),
        ("GET", "/health", None, "HealthResponse"),
        ("POST", "/v1/classify", {"texts": ["", 3]}, "Problem"),
        ("POST", "/v1/classify", {"text": "a", "model": "none of that name"}, "Problem"),
        ("DELETE", "/health", None, "Problem"),
        ("GET", "/nowhere", None, "Problem"),
    ],
)
def test_answers_fit_their_schema(method: str, path: str, body: object, answer: str) -> None:
    response = call(method, path, body)
    document = {"$ref": f"#/components/schemas/{answer}", "components": DOCUMENT["components"]}
    validate(json.loads(response["body"]), document, cls=OAS30Validator)
    expected = "application/problem+json" if answer == "Problem" else "application/json"
    assert response["headers"]["Content-Type"] == expected


def test_models_tell_what_the_bundle_says(bundle_path: Path) -> None:
    manifest = load(bundle_path).manifest
    (model,) = json.loads(call("GET", "/v1/models")["body"])["models"]
    assert (model["name"], model["labels"], model["default"]) == (manifest.name, manifest.labels, True)
