"""What HTTP asks of a service: compression both ways, other origins, HEAD and OPTIONS, the pages and their policy."""

import base64
import gzip
import hashlib
import re
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest

from handler import api
from handler.errors import MalformedRequest, TooLarge, UnsupportedMediaType
from handler.https import exchange as http
from handler.https import pages
from handler.https.schema import MAX_BODY_BYTES
from training.commands.serve import Context

JSON = {"content-type": "application/json"}


def request(body: bytes, **headers: str) -> http.Request:
    sent = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
    return http.Request("POST", "/v1/classify", sent, base64.b64encode(body).decode(), True)


def respond(method: str = "GET", path: str = "/health", v2: bool = True, **headers: str) -> dict[str, Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if v2:
        context = {"stage": "$default", "http": {"method": method}}
        return api.lambda_handler({"rawPath": path, "headers": sent, "requestContext": context}, Context("r"))
    return api.lambda_handler({"path": path, "httpMethod": method, "headers": sent}, Context("r"))


# --- bodies ---------------------------------------------------------------------------------------


def test_a_compressed_body_is_read() -> None:
    assert request(gzip.compress(b'{"text": "a"}'), content_encoding="GZIP").json() == b'{"text": "a"}'


def test_a_body_that_the_gateway_has_unpacked_is_read_as_it_is() -> None:
    unpacked = http.Request("POST", "/", JSON | {"content-encoding": "gzip"}, '{"text": "a"}', False)

    assert unpacked.json() == b'{"text": "a"}'


def test_a_bomb_is_too_large_and_is_not_unpacked_past_the_limit() -> None:
    bomb = request(gzip.compress(bytes(100_000_000), 1), content_encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            bomb.json()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4 * MAX_BODY_BYTES


def test_the_limit_counts_after_decompression() -> None:
    assert len(request(gzip.compress(b"a" * MAX_BODY_BYTES), content_encoding="gzip").json()) == MAX_BODY_BYTES
    with pytest.raises(TooLarge):
        request(gzip.compress(b"a" * (MAX_BODY_BYTES + 1)), content_encoding="gzip").json()


@pytest.mark.parametrize(
    "body",
    [b"", b"plain", gzip.compress(b"a")[:-1], gzip.compress(b"a") + b"more", zlib.compress(b"a"), b"\x1f\x8b"],
    ids=["empty", "plain", "cut", "followed", "zlib", "magic"],
)
def test_what_is_not_one_whole_gzip_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequest, match="gzip"):
        request(body, content_encoding="gzip").json()


@pytest.mark.parametrize(
    "headers",
    [
        {"content_encoding": "br"},
        {"content_encoding": "gzip, gzip"},
        {"content_type": "application/json; charset=gbk"},
        {"content_type": "application/json; x=y; charset=utf-16"},
        {"content_type": "application/problem+json"},
    ],
)
def test_another_coding_or_charset_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType):
        request(b"{}", **headers).json()


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "utf8"])
def test_utf8_may_be_named(charset: str) -> None:
    assert request(b"{}", content_type=f"application/json;charset={charset}").json() == b"{}"


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("br", False),
        ("", False),
    ],
)
def test_an_answer_is_compressed_where_that_is_accepted(accepted: str, packed: bool) -> None:
    response = respond(path="/", accept_encoding=accepted)

    assert response["isBase64Encoded"] is packed
    assert response["headers"]["Vary"] == "Accept-Encoding"
    body = gzip.decompress(base64.b64decode(response["body"])).decode() if packed else response["body"]
    assert body == pages.html("playground.html").body


def test_a_rest_api_compresses_for_itself() -> None:
    assert respond(path="/", v2=False, accept_encoding="gzip")["isBase64Encoded"] is False


def test_head_is_get_without_the_body() -> None:
    get, head = respond("GET", "/"), respond("HEAD", "/")

    assert head == get | {"body": ""}


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("path", "allowed", "wrong"),
    [
        ("/v1/classify", "POST, OPTIONS", ("GET", "HEAD", "PATCH", "post", "")),
        ("/health", "GET, HEAD, OPTIONS", ("POST", "DELETE", "QUERY")),
        ("/v1/models/x", "GET, HEAD, OPTIONS", ("POST", "PUT")),
    ],
)
def test_options_and_a_wrong_method_name_the_right_ones(path: str, allowed: str, wrong: tuple[str, ...]) -> None:
    asked = respond("OPTIONS", path)

    assert (asked["statusCode"], asked["headers"]["Allow"], asked["body"]) == (204, allowed, "")
    for method in wrong:
        refused = respond(method, path)
        assert (refused["statusCode"], refused["headers"]["Allow"]) == (405, allowed)
        assert refused["headers"]["Content-Type"] == "application/problem+json"


# --- other origins --------------------------------------------------------------------------------

ORIGIN = "https://shop.example"


def cors(response: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in response["headers"].items() if name.startswith("Access-Control-")}


@pytest.mark.parametrize("allowed", ["", "https://other.example", "https://shop.example.evil", "shop.example", "null"])
def test_no_other_origin_is_let_in_unless_it_is_named(allowed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", allowed)

    for method in ("GET", "OPTIONS"):
        assert cors(respond(method, "/", origin=ORIGIN)) == {}


def test_a_named_origin_is_let_in_and_caches_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", f"https://other.example, {ORIGIN}")

    answered, preflight = respond("GET", "/", origin=ORIGIN), respond("OPTIONS", "/v1/classify", origin=ORIGIN)

    assert cors(answered) == {"Access-Control-Allow-Origin": ORIGIN}
    assert answered["headers"]["Vary"] == "Origin, Accept-Encoding"
    assert cors(preflight) == {
        "Access-Control-Allow-Origin": ORIGIN,
        "Access-Control-Allow-Methods": "POST, OPTIONS",
        "Access-Control-Allow-Headers": "authorization, content-type, content-encoding, x-api-key",
        "Access-Control-Max-Age": "86400",
    }


def test_a_star_lets_every_origin_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "*")

    assert cors(respond("GET", "/nowhere", origin=ORIGIN)) == {"Access-Control-Allow-Origin": "*"}


# --- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_pages_policy_allows_its_own_code_and_nothing_else(path: str) -> None:
    response = respond(path=path)
    policy = dict(rule.strip().split(" ", 1) for rule in response["headers"]["Content-Security-Policy"].split(";"))

    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert "unsafe" not in str(policy)
    for tag in ("style", "script"):
        (code,) = re.findall(f"<{tag}>(.*?)</{tag}>", response["body"], re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    assert re.search(r"\s(style|on\w+)=\"", response["body"]) is None
    assert re.search(r"(src|href)=\"(https?:)?//", response["body"]) is None


def test_the_contract_is_not_found_where_nothing_put_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pages, "HERE", tmp_path)
    assert respond(path="/openapi.json")["statusCode"] == 404

    (tmp_path / "openapi.json").write_text("{}", encoding="utf-8")
    assert respond(path="/openapi.json")["body"] == "{}"
