"""infra/gateway.yaml, which API Gateway imports: made from the contract, no stricter, and only of what AWS supports."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from cloudformation import AS_IT_COMES, chosen, read
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator
from support import ROOT

from build import contract, gateway
from handler.errors import InvalidRequest
from handler.https import feedback, mcp, schema

CONTRACT = contract.read()
SCHEMAS = CONTRACT["components"]["schemas"]
DOCUMENT: dict[str, Any] = chosen(yaml.safe_load(contract.GATEWAY.read_text(encoding="utf-8")), **AS_IT_COMES)
MODELS = DOCUMENT["components"]["schemas"]
OPERATIONS = [(path, method) for path, item in CONTRACT["paths"].items() for method in item if method != "parameters"]
ANY = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"

# What any edition of "Amazon API Gateway important notes" names, and `not`, under which less would refuse more.
UNSUPPORTED = {
    *(
        "additionalProperties",
        "allOf",
        "anyOf",
        "default",
        "deprecated",
        "discriminator",
        "example",
        "exclusiveMinimum",
    ),
    *("format", "maxItems", "minItems", "not", "nullable", "oneOf", "pattern", "readOnly"),
}


def test_the_committed_document_is_the_one_that_is_made() -> None:
    assert contract.GATEWAY.read_text(encoding="utf-8") == gateway.text(CONTRACT), "call: make contract"


def test_the_document_is_valid_openapi_without_aliases() -> None:
    OpenAPIV30SpecValidator(DOCUMENT).validate()
    assert not [
        event for event in yaml.parse(contract.GATEWAY.read_text(encoding="utf-8")) if getattr(event, "anchor", 0)
    ]


# --- what is imported -----------------------------------------------------------------------------


def keys(part: Any) -> Iterator[str]:
    """Every key of a document outside of what is Amazon's."""
    for key, value in part.items() if isinstance(part, dict) else [(None, one) for one in part]:
        if not str(key).startswith("x-amazon-"):
            yield from [key] if key else []
            yield from keys(value) if isinstance(value, dict | list) else ()


def test_nothing_is_imported_that_aws_does_not_support() -> None:
    assert UNSUPPORTED & set(keys(CONTRACT)) >= {"additionalProperties", "anyOf", "minItems", "not"}
    assert UNSUPPORTED & set(keys(DOCUMENT)) == set()
    assert all(name.isalnum() for name in MODELS)
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            for response in operation.get("responses", {}).values():
                assert set(response) <= {"description", "headers"}, (path, method)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_operation_is_there_with_its_key_its_parameters_and_its_body(path: str, method: str) -> None:
    asked, made = CONTRACT["paths"][path][method], DOCUMENT["paths"][path][method]

    assert made["security"] == asked["security"]
    assert made["operationId"] == asked["operationId"]
    expected = [*CONTRACT["paths"][path].get("parameters", []), *asked.get("parameters", [])]
    assert [(p["name"], p["in"], p["required"]) for p in made.get("parameters", [])] == [
        (p["name"], p["in"], p["required"]) for p in expected
    ]
    for media, content in asked.get("requestBody", {}).get("content", {}).items():
        assert made["requestBody"]["content"][media]["schema"] == content["schema"]
    assert made[INTEGRATION]["type"] == ("mock" if method == "options" else "aws_proxy")


@pytest.mark.parametrize("path", CONTRACT["paths"])
def test_any_other_method_goes_to_the_function_and_needs_the_same_key(path: str) -> None:
    other = DOCUMENT["paths"][path][ANY]

    assert other[INTEGRATION]["type"] == "aws_proxy"
    assert [other["security"]] == [o["security"] for m, o in CONTRACT["paths"][path].items() if m in ("get", "post")]


def test_a_template_chooses_how_much_is_checked() -> None:
    parameter = read((ROOT / "template.yaml").read_text(encoding="utf-8"))["Parameters"]["RequestValidation"]

    assert DOCUMENT["x-amazon-apigateway-request-validator"] == {"Ref": "RequestValidation"}
    assert set(DOCUMENT["x-amazon-apigateway-request-validators"]) == set(parameter["AllowedValues"])


# --- which bodies pass ----------------------------------------------------------------------------

BODIES = {"ClassifyRequest": schema.ClassifyRequest, "EmbedRequest": schema.EmbedRequest}
OTHERS = {"FeedbackRequest": feedback.FeedbackRequest, "McpMessage": mcp.McpMessage}


def passes_contract(name: str) -> OAS30Validator:
    return OAS30Validator({"$ref": f"#/components/schemas/{name}", "components": CONTRACT["components"]})


def passes_gateway(name: str) -> Draft4Validator:
    return Draft4Validator(MODELS[name])


ODD = st.sampled_from([None, True, 0, -1, 1.5, "", "a", [], ["a"], [None], {}, {"text": "a"}])


def values(found: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema takes, and at its limits some that it does not."""
    found = SCHEMAS[found["$ref"].rpartition("/")[2]] if "$ref" in found else found
    if found["type"] == "string":
        longest = found.get("maxLength", 20)
        return st.sampled_from(
            ["好", "a b", "😀", " ", "", "\ufeff", "好" * longest, "😀" * longest, "好" * (longest + 1)]
        )
    if found["type"] == "integer":
        return st.integers(-1, 2**70)
    if found["type"] == "boolean":
        return st.booleans()
    assert found["type"] == "array"
    most = found.get("maxItems", 9)  # which takes long to validate, and is drawn seldom
    lengths = st.sampled_from([*[0, 1, 2, 8, 9] * 4, most, most + 1])
    short = st.sampled_from(["好", "a b"]) | values(found["items"])
    return st.tuples(lengths, short, short).map(lambda drawn: [drawn[2], *[drawn[1]] * drawn[0]][: drawn[0]])


def bodies(found: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Objects with some fields of a schema, seldom one that it lacks or that has another type."""
    fields = {name: values(inner) for name, inner in found["properties"].items()}
    right = st.fixed_dictionaries({}, optional=fields)
    wrong = st.dictionaries(st.sampled_from([*fields, "tekst", "Text"]), ODD, max_size=1)
    return right | right | st.tuples(right, wrong).map(lambda drawn: drawn[0] | drawn[1]) | ODD


@pytest.mark.parametrize("name", BODIES)
def test_the_gateway_lets_through_what_the_contract_accepts_and_the_function_refuses_the_rest(name: str) -> None:
    by_contract, by_gateway = passes_contract(name), passes_gateway(name)
    counts = {"accepted": 0, "left to the function": 0, "refused": 0}

    @settings(max_examples=1_000)
    @given(st.lists(bodies(SCHEMAS[name]) | bodies(MODELS[name]), min_size=10, max_size=10))
    def check(drawn: list[Any]) -> None:
        for body in drawn:
            right, let_through = by_contract.is_valid(body), by_gateway.is_valid(body)
            assert let_through or not right, body
            assert function_accepts(body, BODIES[name]) == right, body
            counts["accepted" if right else "left to the function" if let_through else "refused"] += 1

    check()
    assert sum(counts.values()) >= 10_000
    assert min(counts.values()) >= 500, counts


def function_accepts(body: Any, kind: Any) -> bool:
    """False only where it also says which field is wrong."""
    try:
        parsed = schema.parse(json.dumps(body).encode(), kind)
        if kind in BODIES.values():
            schema.texts_of(parsed)
    except InvalidRequest as refused:
        return not refused.errors
    return True


TEXT = "东西质量很好"
RIGHT: list[tuple[str, Any]] = [
    ("ClassifyRequest", {"texts": [TEXT], "explain": True}),  # what a dropped minItems under `not` would refuse
    ("ClassifyRequest", {"texts": [TEXT] * schema.MAX_EXPLAINED, "explain": True, "top_k": 1, "model": ""}),
    ("ClassifyRequest", {"texts": [TEXT] * schema.MAX_TEXTS, "explain": False}),
    ("ClassifyRequest", {"text": "😀" * schema.MAX_CHARACTERS, "explain": True}),  # twice as many UTF-16 units
    ("ClassifyRequest", {"text": TEXT, "top_k": 2**70}),
    ("EmbedRequest", {"texts": ["\u0000a", "a" * schema.MAX_CHARACTERS]}),
    *[
        (content["schema"]["$ref"].rpartition("/")[2], content["example"])
        for path, method in OPERATIONS
        for content in CONTRACT["paths"][path][method].get("requestBody", {}).get("content", {}).values()
    ],
]


@pytest.mark.parametrize(("name", "body"), RIGHT)
def test_a_right_body_gets_through(name: str, body: Any) -> None:
    assert passes_contract(name).is_valid(body)
    assert passes_gateway(name).is_valid(body)
    assert function_accepts(body, (BODIES | OTHERS)[name])


# How much each is worth: the gateway refuses what has the wrong type before the function is paid for.
@pytest.mark.parametrize("body", [[], "a", {"text": 1}, {"texts": "a"}, {"texts": [1]}, {"text": "a", "top_k": 0}])
def test_the_gateway_refuses_what_has_the_wrong_type(body: Any) -> None:
    assert not passes_gateway("ClassifyRequest").is_valid(body)


# Of any schema, not only of today's: assertions, negated and combined, over small values.
SMALL = st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["", "a", "ab"])
VALUES = st.recursive(
    SMALL,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
FLAT = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["object", "array", "string", "integer", "boolean"]),
        "nullable": st.booleans(),
        "enum": st.lists(VALUES, min_size=1, max_size=2),
        "minimum": st.integers(0, 1),
        "exclusiveMinimum": st.booleans(),
        "maximum": st.integers(0, 1),
        "maxLength": st.integers(0, 1),
        "minItems": st.integers(0, 2),
        "maxItems": st.integers(0, 1),
        "required": st.lists(st.sampled_from("ab"), min_size=1, unique=True),
        "additionalProperties": st.booleans(),
    },
)


def widened(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    nested = {
        "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        "items": inner,
        "not": inner,
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "allOf": st.lists(inner, min_size=1, max_size=2),
        "oneOf": st.lists(inner, min_size=1, max_size=2),
    }
    return st.tuples(FLAT, st.fixed_dictionaries({}, optional=nested)).map(lambda drawn: drawn[0] | drawn[1])


@settings(max_examples=500)
@given(st.recursive(FLAT, widened, max_leaves=4), st.lists(VALUES, min_size=5, max_size=5))
def test_a_model_accepts_all_that_its_schema_does(found: dict[str, Any], drawn: list[Any]) -> None:
    model = gateway.model({"$ref": "#/components/schemas/Found"}, {"Found": found})

    assert UNSUPPORTED.isdisjoint(keys(model))
    for value in drawn:
        assert Draft4Validator(model).is_valid(value) or not OAS30Validator(found).is_valid(value)
