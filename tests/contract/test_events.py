"""Events of every kind and of no kind: gateways, function URLs and load balancers say the same in different words."""

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from build import contract
from handler import api
from handler.https import pages
from tests.proxy_events import KINDS, Asked, Event, balancer_lists_event, function_url_event, rest_event
from training.commands.serve import Context

JSON = {"Content-Type": "application/json"}
CONTEXT = Context("a-request")


@pytest.fixture(autouse=True)
def whole_api(served: object, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Every route answers, the contract too."""
    document = contract.served()
    monkeypatch.setattr(api, "ROUTES", {**api.ROUTES, "/openapi.json": {"GET": lambda *_: pages.openapi(document)}})


def body_of(response: dict[str, Any]) -> Any:
    return json.loads(response["body"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (Asked("POST", "/v1/classify", JSON, '{"text": "很好"}'.encode()), 200),
        (Asked("POST", "/v1/embed", JSON, b'{"text": "ok"}'), 200),
        (Asked("POST", "/v1/classify", {**JSON, "Content-Encoding": "gzip"}, gzip.compress(b'{"text": "ok"}')), 200),
        (Asked("POST", "/v1/classify", JSON, b'{"text": "\xff"}'), 400),
        (Asked("POST", "/v1/classify/", JSON, b'{"text": "ok"}'), 200),
        (Asked("GET", "/health", query={"deep": "true"}), 200),
        (Asked("GET", "/health", query={"deep": "1"}), 422),
        (Asked("GET", "/v1/models"), 200),
        (Asked("GET", "/v1/models/reviews-zh"), 200),
        (Asked("GET", "/v1/models/reviews%2Dzh"), 200),
        (Asked("GET", "/v1/models/"), 200),
        (Asked("GET", "/v1/models/{name}"), 404),
        (Asked("GET", "/openapi.json"), 200),
        (Asked("GET", "/"), 200),
        (Asked("GET", "/docs"), 200),
        (Asked("HEAD", "/health"), 200),
        (Asked("OPTIONS", "/v1/classify"), 204),
        (Asked("PATCH", "/v1/classify"), 405),
        (Asked("GET", "/nowhere"), 404),
    ],
    ids=lambda value: f"{value.method} {value.path}" if isinstance(value, Asked) else str(value),
)
def test_every_kind_of_event_is_understood(kind: Callable[[Asked], Event], asked: Asked, status: int) -> None:
    response = api.lambda_handler(kind(asked), CONTEXT)

    assert response["statusCode"] == status
    if kind is balancer_lists_event:
        assert response.pop("multiValueHeaders") == {name: [value] for name, value in response["headers"].items()}
    assert response == api.lambda_handler(rest_event(asked), CONTEXT) | (
        {"headers": response["headers"]} if kind is not rest_event else {}
    )


# --- any shape ------------------------------------------------------------------------------------

any_string = st.text(st.characters(codec=None), max_size=20)
any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_string,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_string, inner, max_size=3),
    max_leaves=6,
)
asked_of = st.builds(
    Asked,
    method=st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "QUERY"]),
    path=st.sampled_from([*api.ROUTES, "/v1/models/x", "//", "/v1/classify/"]) | st.text(max_size=10),
    headers=st.dictionaries(
        st.sampled_from(["Content-Type", "content-encoding", "Accept-Encoding", "Origin", "x"]),
        st.sampled_from(["application/json", "gzip", "*", "gzip;q=0", ";;q=", "application/json;charset=x"])
        | any_string,
    ),
    body=st.sampled_from([b"", b"{", b'{"text": "a"}', gzip.compress(b'{"text": "a"}')]) | st.binary(max_size=30),
    query=st.dictionaries(st.sampled_from(["deep", "x"]), st.sampled_from(["true", "false"]) | any_string),
)


field_names = sorted({name for kind in KINDS for name in kind(Asked("POST", "/", JSON, b"a", {"a": "b"}))})
damage_of = st.dictionaries(st.sampled_from(field_names) | any_string, any_value, max_size=3)


@given(asked=asked_of, kind=st.sampled_from(KINDS), damage=damage_of)
def test_an_event_with_anything_in_it_is_answered(
    asked: Asked, kind: Callable[[Asked], Event], damage: dict[str, Any]
) -> None:
    check(kind(asked) | damage)


@given(event=any_value)
def test_anything_for_an_event_is_answered(event: object) -> None:
    assert check(event) == 404


def check(event: Any) -> int:
    """Calls the handler, and holds the response against what API Gateway takes."""
    response = api.lambda_handler(event, CONTEXT)
    status = response["statusCode"]
    assert set(response) - {"multiValueHeaders"} == {"statusCode", "headers", "body", "isBase64Encoded"}
    assert all(isinstance(v, str) and "\n" not in v and "\r" not in v for v in response["headers"].values())
    json.dumps(response, ensure_ascii=False).encode()  # Lambda sends it as UTF-8
    assert status < 500
    if status >= 400:
        assert response["headers"]["Content-Type"] == "application/problem+json"
        if response["body"] and not response["isBase64Encoded"]:  # HEAD has none
            problem = body_of(response)
            assert problem["status"] == status
            assert problem["request_id"] == CONTEXT.aws_request_id
            assert {"title", "detail"} <= set(problem)
    return int(status)


# --- twenty thousand malformed ones ---------------------------------------------------------------

EVENTS = 20_000
JUNK: list[Any] = [
    None, True, 0, -1, 1e308, float("nan"), "", " ", "\0", "\ud800", "🏽", "a" * 5000, [], [[]], {}, {"": {}}, [None],
    "{", "]", '{"text":', '{"text":"a"}', '{"texts":[]}', "H4sIAAAAAAAA", "====", "\r\nSet-Cookie: a=b", "../../etc",
    "%00", "%ff", "gzip", "application/json; charset=utf-16", "null", "9" * 400, "POST", "/v1/classify", "true",
]  # fmt: skip


def damaged(value: Any, chance: random.Random) -> Any:
    """A copy with something replaced, dropped, doubled, cut or turned round, somewhere within."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        copy = dict(value)
        fate = chance.random()
        if fate < 0.2:
            del copy[key]
        elif fate < 0.3:
            copy[chance.choice(["", "TEXT", "texts", "\ud800", "headers"])] = copy.pop(key)
        else:
            copy[key] = damaged(copy[key], chance)
        return copy
    if isinstance(value, str) and value and chance.random() < 0.6:
        at = chance.randrange(len(value))
        return chance.choice(
            [value[:at], value[at:], value[:at] + chr(chance.randrange(0x11000)) + value[at:], value * 2]
        )
    return chance.choice(JUNK)


def test_twenty_thousand_malformed_events_are_answered_and_never_with_a_500(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example,https://b.example")
    chance = random.Random(0)
    bodies = [b'{"texts": ["\xe5\xa5\xbd", "b"], "top_k": 1, "explain": true}', b'{"text": "a", "model": "reviews-zh"}']
    headers = {**JSON, "Accept-Encoding": "gzip", "Origin": "https://a.example"}
    asked = [Asked("POST", path, headers, body) for path in ("/v1/classify", "/v1/embed") for body in bodies]
    asked.append(Asked("POST", "/v1/classify", {**headers, "Content-Encoding": "gzip"}, gzip.compress(bodies[0])))
    asked += [Asked("GET", path, headers, query={"deep": "true"}) for path in ("/health", "/v1/models/reviews-zh", "/")]
    events = [kind(one) for one in asked for kind in KINDS]

    statuses: dict[int, int] = {}
    for _ in range(EVENTS):
        event: Any = chance.choice(events)
        for _ in range(chance.choice([1, 1, 2, 4])):
            event = damaged(event, chance)
        status = check(event)
        statuses[status] = statuses.get(status, 0) + 1

    # Every way to refuse was taken, and some were not damaged enough to be refused.
    assert {200, 204, 400, 404, 405, 415, 422} - {204} <= set(statuses), statuses
    written = capfd.readouterr()
    assert "Traceback" not in written.out + written.err
    lines = written.out.splitlines()
    assert sum('"Requests"' in line for line in lines) == EVENTS
    assert sum('"Problems"' in line for line in lines) == EVENTS - statuses.get(200, 0) - statuses.get(204, 0)


# --- compressed -----------------------------------------------------------------------------------


def test_only_where_nothing_else_compresses_does_the_function() -> None:
    asked = Asked("GET", "/v1/models", {"Accept-Encoding": "br, gzip"})
    plain = Asked("POST", "/v1/embed", {**JSON, "Accept-Encoding": "gzip"}, json.dumps({"texts": ["好"] * 20}).encode())

    assert not api.lambda_handler(rest_event(plain), CONTEXT)["isBase64Encoded"]
    packed = api.lambda_handler(function_url_event(plain), CONTEXT)
    assert packed["isBase64Encoded"]
    assert packed["headers"]["Content-Encoding"] == "gzip"
    small = api.lambda_handler(function_url_event(asked), CONTEXT)
    assert small["isBase64Encoded"] is (len(rest_body(asked)) >= 1024)


def rest_body(asked: Asked) -> str:
    return str(api.lambda_handler(rest_event(asked), CONTEXT)["body"])
