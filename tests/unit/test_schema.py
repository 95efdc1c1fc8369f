"""How the body of a request becomes a typed value, and what is said of one that does not fit."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.errors import InvalidRequest, MalformedRequest
from handler.https.schema import MAX_CHARACTERS, MAX_ERRORS, MAX_TEXTS, ClassifyRequest, parse, texts_of

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
# Objects that are nearly right: the known fields with any value, and others beside them.
nearly_right = st.dictionaries(st.sampled_from(["text", "texts", "model", "top_k", "Text", "a/b~c"]), any_json)


def refused(content: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        texts_of(parse(json.dumps(content).encode(), ClassifyRequest))
    return caught.value


def pointers(content: object) -> dict[str, str]:
    return dict(refused(content).errors)


def resolve(document: Any, pointer: str) -> Any:
    """What a pointer without escapes points at; KeyError or IndexError if at nothing."""
    for part in pointer.split("/")[1:]:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def test_one_text_is_a_list_of_one() -> None:
    assert texts_of(parse('{"text": "好"}'.encode(), ClassifyRequest)) == ["好"]


def test_many_texts_keep_their_order() -> None:
    assert texts_of(parse(b'{"texts": ["b", "a", "b"], "top_k": 1}', ClassifyRequest)) == ["b", "a", "b"]


FIELDS = {
    "text is no string": ({"text": 5}, {"/text": "expected 'str', got 'int'"}),
    "text is null": ({"text": None}, {"/text": "expected 'str', got 'null'"}),
    "text is empty": ({"text": ""}, {"/text": "expected 'str' of length >= 1"}),
    "text is blank": ({"text": " \u3000\n"}, {"/text": "the text is blank"}),
    "text is too long": ({"text": "a" * (MAX_CHARACTERS + 1)}, {"/text": "expected 'str' of length <= 10000"}),
    "texts is no list": ({"texts": "a"}, {"/texts": "expected 'array', got 'str'"}),
    "texts is empty": ({"texts": []}, {"/texts": "expected 'array' of length >= 1"}),
    "texts are too many": ({"texts": ["a"] * (MAX_TEXTS + 1)}, {"/texts": "expected 'array' of length <= 128"}),
    "some texts are bad": (
        {"texts": ["a", 1, "b", "\t", None]},
        {
            "/texts/1": "expected 'str', got 'int'",
            "/texts/3": "the text is blank",
            "/texts/4": "expected 'str', got 'null'",
        },
    ),
    "a field is unknown": ({"text": "a", "tekst": 1}, {"/tekst": "unknown field"}),
    # A name that is none of a field could be a text that went astray: it is not sent back.
    "an unknown name is a path": ({"text": "a", "a/b~c": 1}, {"": "unknown field"}),
    "an unknown name is a text": ({"text": "a", "很好": 1}, {"": "unknown field"}),
    "an unknown name has capitals": ({"text": "a", "Text": 1}, {"": "unknown field"}),
    "an unknown name is as long as one may be": ({"text": "a", "t" * 20: 1}, {f"/{'t' * 20}": "unknown field"}),
    "an unknown name is too long": ({"text": "a", "t" * 21: 1}, {"": "unknown field"}),
    "an unknown name ends its line": ({"text": "a", "tekst\n": 1}, {"": "unknown field"}),
    "several fields are bad": (
        {"text": 1, "top_k": 0, "model": 2},
        {
            "/text": "expected 'str', got 'int'",
            "/top_k": "expected 'int' >= 1",
            "/model": "expected 'str', got 'int'",
        },
    ),
    "top_k is no integer": ({"text": "a", "top_k": "1"}, {"/top_k": "expected 'int', got 'str'"}),
    "no text at all": ({}, {"": "exactly one of 'text' and 'texts' is needed"}),
    "both": ({"text": "a", "texts": ["b"]}, {"": "exactly one of 'text' and 'texts' is needed"}),
    "a list": (["a"], {"": "expected 'object', got 'array'"}),
    "a string": ("a", {"": "expected 'object', got 'str'"}),
    "null": (None, {"": "expected 'object', got 'null'"}),
}


@pytest.mark.parametrize("name", FIELDS)
def test_each_bad_field_is_pointed_at_with_its_reason(name: str) -> None:
    content, expected = FIELDS[name]

    assert pointers(content) == expected


def test_the_limits_themselves_are_allowed() -> None:
    longest = "好" * MAX_CHARACTERS

    request = parse(json.dumps({"texts": [longest] * MAX_TEXTS, "top_k": 1}).encode(), ClassifyRequest)

    assert texts_of(request) == [longest] * MAX_TEXTS


def test_the_sentence_names_the_first_bad_field() -> None:
    assert refused({"texts": ["a", 1]}).detail == "/texts/1: expected 'str', got 'int'."


def test_at_most_twenty_fields_are_listed() -> None:
    assert len(refused({"texts": [1] * 100}).errors) == MAX_ERRORS


@pytest.mark.parametrize("number", ["1e400", "9" * 5000])
def test_a_number_that_no_type_holds_is_refused(number: str) -> None:
    with pytest.raises(InvalidRequest, match="out of range"):
        parse(b'{"text": "a", "top_k": %s}' % number.encode(), ClassifyRequest)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"text=a",
        b"{'text': 'a'}",
        b'{"text": "a"} and more',
        b'{"text": "\xff"}',
        b'{"text": "\\ud83d"}',
        '{"text": "好"}'.encode("gb18030"),
        '{"text": "a"}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"text": ' * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_not_utf8_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequest, match=r"^The body is not valid UTF-8 JSON: .*\.$"):
        parse(body, ClassifyRequest)


@given(any_json | nearly_right)
def test_any_json_is_a_request_or_is_refused_with_pointers_into_it(content: object) -> None:
    texts, refusal = None, None
    try:
        texts = texts_of(parse(json.dumps(content).encode(), ClassifyRequest))
    except InvalidRequest as error:
        refusal = error

    if refusal:
        assert refusal.detail
        assert refusal.errors
        for pointer, reason in refusal.errors:
            resolve(content, pointer)
            assert reason
    else:
        assert isinstance(content, dict)
        assert texts == content.get("texts", [content.get("text")])
        assert all(isinstance(text, str) and text.strip() for text in texts)


@given(st.binary())
def test_any_bytes_are_malformed_or_do_not_fit(body: bytes) -> None:
    with pytest.raises((MalformedRequest, InvalidRequest)):
        parse(body + b"\0", ClassifyRequest)


@given(st.lists(st.text(min_size=1).filter(lambda text: text.strip()), min_size=1, max_size=MAX_TEXTS))
def test_any_texts_arrive_unchanged(texts: list[str]) -> None:
    assert texts_of(parse(json.dumps({"texts": texts}).encode(), ClassifyRequest)) == texts
