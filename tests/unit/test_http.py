"""HTTP as API Gateway speaks it: events of both versions in, responses out."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.errors import (
    FieldError,
    InvalidRequest,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    UnsupportedMediaType,
)
from handler.https import exchange as http
from handler.https.schema import MAX_BODY_BYTES
from handler.model.prediction import ModelName

JSON = {"content-type": "application/json"}


def request(body: str, is_base64: bool = False, headers: dict[str, str] = JSON) -> http.Request:
    return http.Request("POST", "/v1/classify", headers, body, is_base64)


def test_a_rest_api_event_is_understood() -> None:
    event = {"httpMethod": "POST", "path": "/a", "headers": {"X-Api-Key": "k"}, "body": "b", "isBase64Encoded": False}

    assert http.read(event) == http.Request("POST", "/a", {"x-api-key": "k"}, "b", False)


def test_an_http_api_or_function_url_event_is_understood() -> None:
    event = {
        "version": "2.0",
        "rawPath": "/a",
        "headers": {"x-api-key": "k"},
        "requestContext": {"http": {"method": "GET", "path": "/a"}},
        "isBase64Encoded": True,
        "body": "Yg==",
    }

    # A REST API compresses for itself; these leave it to the function.
    assert http.read(event) == http.Request("GET", "/a", {"x-api-key": "k"}, "Yg==", True, compress=True)


def test_what_is_missing_or_null_counts_as_empty() -> None:
    empty = http.Request("", "", {}, "", False)

    assert http.read({}) == empty
    assert http.read({"headers": None, "body": None, "requestContext": None, "httpMethod": None}) == empty


@pytest.mark.parametrize(
    "value",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", " application/json ;charset=UTF-8"],
)
def test_the_media_type_is_json_whatever_its_parameters(value: str) -> None:
    assert request("{}", headers={"content-type": value}).json() == b"{}"


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/jsonl"}])
def test_another_media_type_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType, match="application/json"):
        request("{}", headers=headers).json()


@given(st.text())
def test_a_body_is_given_as_utf8_whether_it_comes_as_text_or_as_base64(text: str) -> None:
    packed = base64.b64encode(text.encode()).decode()

    assert request(text).json() == request(packed, is_base64=True).json() == text.encode()


@pytest.mark.parametrize("body", ["a", "====", "好", "YQ==YQ", "Y Q=="])
def test_broken_base64_is_malformed(body: str) -> None:
    with pytest.raises(MalformedRequest, match="encoding is broken"):
        request(body, is_base64=True).json()


def test_half_a_surrogate_pair_is_malformed() -> None:
    with pytest.raises(MalformedRequest, match="encoding is broken"):
        request('"\ud83d"').json()


@pytest.mark.parametrize("character", ["a", "好", "\U0001f600"])
def test_the_limit_is_in_bytes_and_the_same_for_both_ways_to_send_a_body(character: str) -> None:
    size = len(character.encode())
    fits = "a" * (MAX_BODY_BYTES % size) + character * (MAX_BODY_BYTES // size)

    for body in (fits, fits + "a"):
        packed = base64.b64encode(body.encode()).decode()
        for sent in (request(body), request(packed, is_base64=True)):
            if body is fits:
                assert len(sent.json()) == MAX_BODY_BYTES
            else:
                with pytest.raises(TooLarge, match="over 1,048,576 bytes"):
                    sent.json()


def test_an_answer_is_json_that_nobody_stores() -> None:
    assert http.respond(200, ModelName("名", "1")) == {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": '{"name":"名","version":"1"}',
        "isBase64Encoded": False,
    }


def test_an_error_is_a_problem_document() -> None:
    response = http.problem(InvalidRequest("No.", (FieldError("/text", "the text is blank"),)), "r-1")

    assert response["statusCode"] == 422
    assert response["headers"]["Content-Type"] == "application/problem+json"
    assert json.loads(response["body"]) == {
        "title": "Unprocessable Content" if "Content" in response["body"] else "Unprocessable Entity",
        "status": 422,
        "detail": "No.",
        "request_id": "r-1",
        "errors": [{"pointer": "/text", "detail": "the text is blank"}],
    }


def test_a_problem_without_bad_fields_lists_none() -> None:
    assert "errors" not in json.loads(http.problem(NotFound("No."), "r-1")["body"])


def test_a_wrong_method_is_told_the_right_ones() -> None:
    assert http.problem(MethodNotAllowed("No.", ("GET", "POST")), "r-1")["headers"]["Allow"] == "GET, POST"
