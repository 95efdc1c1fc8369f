"""`fenlei serve`, over real HTTP: what is deployed, and what HTTP itself can get wrong."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from handler.model.models import models
from training.commands.serve import GATEWAY_BODY_BYTES, Context, make_server, proxy_event
from training.errors import InputError

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def log() -> list[str]:
    """The lines that the server tells."""
    return []


@pytest.fixture(scope="module")
def server(bundle_path: Path, log: list[str]) -> Iterator[ThreadingHTTPServer]:
    with pytest.MonkeyPatch.context() as environment:
        for name in ("MODEL_DIR", "POWERTOOLS_METRICS_DISABLED"):
            environment.setenv(name, "false")  # the server sets them: have them put back
        environment.delenv("FENLEI_API_KEY", raising=False)
        server = make_server([bundle_path], "127.0.0.1", 0, log.append)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
        server.server_close()
    models.cache_clear()


@pytest.fixture
def connection(server: ThreadingHTTPServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    yield connection
    connection.close()


def exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[http.client.HTTPResponse, Any]:
    connection.request(method, path, body or None, JSON | headers)
    response = connection.getresponse()
    content = response.read()
    return response, json.loads(content) if content else None


def raw(server: ThreadingHTTPServer, request: bytes) -> bytes:
    """Sends bytes as they are, says that there are no more, and gives all that comes back."""
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def split(answered: bytes, count: int) -> list[bytes]:
    """Several answers on one connection, each of headers only."""
    *answers, rest = answered.split(b"\r\n\r\n")
    assert (len(answers), rest) == (count, b""), answered
    return answers


def post(body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST /v1/classify HTTP/1.1", b"Host: x", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*lines, b"", body])


def test_a_text_is_classified(connection: http.client.HTTPConnection, log: list[str]) -> None:
    body = '{"texts": ["东西质量很好，非常满意", "太差了，第二天就坏了"]}'.encode()

    response, answer = exchange(connection, "POST", "/v1/classify", body)

    assert response.status == 200
    assert [prediction["label"] for prediction in answer["predictions"]] == ["positive", "negative"]
    # WHEN the next request is answered THEN the line about this one was told
    exchange(connection, "GET", "/health")
    assert "POST /v1/classify 200" in log


def test_errors_are_those_of_the_handler(connection: http.client.HTTPConnection) -> None:
    for method, path, body, status in [
        ("POST", "/v1/classify", b"{", 400),
        ("GET", "/nowhere?a=b", b"", 404),
        ("DELETE", "/v1/classify", b"", 405),
        ("POST", "/v1/classify", b'{"text": 1}', 422),
    ]:
        response, problem = exchange(connection, method, path, body)
        assert (response.status, response.headers["Content-Type"]) == (status, "application/problem+json")
        assert problem["status"] == status


def test_a_body_that_is_not_utf8_is_400(connection: http.client.HTTPConnection) -> None:
    response, problem = exchange(connection, "POST", "/v1/classify", b'{"text": "\xff"}')

    assert response.status == 400
    assert "UTF-8" in problem["detail"]


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/nowhere", 404), ("/v1/classify", 405)])
def test_a_head_has_headers_only(server: ThreadingHTTPServer, path: str, status: int) -> None:
    request = b"HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()

    first, second = split(raw(server, request * 2), 2)

    assert first.startswith(b"HTTP/1.1 %d " % status)
    assert second.startswith(b"HTTP/1.1 %d " % status)
    # It would have to be that of GET (RFC 9110, 8.6), which is not made.
    assert b"content-length" not in first.lower()


def test_options_has_neither_content_nor_its_length(server: ThreadingHTTPServer) -> None:
    first, second = split(raw(server, b"OPTIONS /v1/classify HTTP/1.1\r\nHost: x\r\n\r\n" * 2), 2)

    assert first.startswith(b"HTTP/1.1 204 ")
    assert second.startswith(b"HTTP/1.1 204 ")
    assert b"\r\nAllow: POST, OPTIONS\r\n" in first
    assert b"content-length" not in first.lower()


def test_a_kept_connection_answers_in_milliseconds(connection: http.client.HTTPConnection) -> None:
    taken = []
    for _ in range(20):
        started = time.perf_counter()
        response, _ = exchange(connection, "POST", "/v1/classify", b'{"text": "ok"}')
        taken.append(time.perf_counter() - started)
        assert response.status == 200

    # 40 ms is what a delayed acknowledgement costs; the work itself takes less than one.
    assert median(taken) < 0.02


def test_many_callers_at_once_each_get_their_own_answer(server: ThreadingHTTPServer) -> None:
    answers: dict[int, int] = {}

    def call(count: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
        _, answer = exchange(connection, "POST", "/v1/classify", json.dumps({"texts": ["ok"] * count}).encode())
        answers[count] = len(answer["predictions"])
        connection.close()

    threads = [threading.Thread(target=call, args=(count,)) for count in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {count: count for count in range(1, 21)}


def test_a_body_over_the_handler_s_limit_is_413(connection: http.client.HTTPConnection) -> None:
    response, problem = exchange(connection, "POST", "/v1/classify", b'"%s"' % (b"a" * 2**20))

    assert response.status == problem["status"] == 413


def test_a_body_over_the_gateway_s_limit_is_413_and_not_read(server: ThreadingHTTPServer) -> None:
    request = post(b"", b"Content-Length: %d" % (GATEWAY_BODY_BYTES + 1))

    assert raw(server, request).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_waits_to_be_told_to_continue_is_told_so(server: ThreadingHTTPServer) -> None:
    # curl does that with bodies over a megabyte
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as client:
        client.sendall(post(b"", b"Content-Length: 14", b"Expect: 100-continue"))
        assert client.recv(65536).startswith(b"HTTP/1.1 100 Continue")
        client.sendall(b'{"text": "ok"}')
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


MALFORMED = {
    "no request line": b"\x00\x01\x02\r\n\r\n",
    "no version": b"GET\r\n\r\n",
    "a target that is no URL": b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a length that is no number": post(b"{}", b"Content-Length: two"),
    "a negative length": post(b"{}", b"Content-Length: -1"),
    "an endless length": post(b"{}", b"Content-Length: " + b"9" * 5000),
    "a body that ends too early": post(b'{"text": "o', b"Content-Length: 1000"),
    "chunks": post(b'e\r\n{"text": "ok"}\r\n0\r\n\r\n', b"Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_http_is_400_and_ends_the_connection(
    server: ThreadingHTTPServer, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    # WHEN a good request follows on the same connection
    answered = raw(server, MALFORMED[name] + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")

    # THEN one answer comes: the server's own, for the handler's has a request id; and nothing is quoted
    head, _, body = answered.partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    assert status == b"HTTP/1.1 400 Bad Request"
    assert {b"Content-Type: application/problem+json", b"Connection: close"} <= set(headers)
    assert b"Content-Length: %d" % len(body) in headers
    assert json.loads(body) == {"title": "Bad Request", "status": 400, "detail": "This cannot be handed on."}
    assert "Traceback" not in capfd.readouterr().err


def test_a_caller_who_hangs_up_harms_nobody(
    server: ThreadingHTTPServer, connection: http.client.HTTPConnection, capfd: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps({"texts": ["ok" * 4000] * 128}).encode()
    for _ in range(5):
        client = socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10)
        client.sendall(post(body, b"Content-Length: %d" % len(body)))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset, not farewell
        client.close()

    assert exchange(connection, "GET", "/health")[0].status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_port_that_is_taken_is_refused_in_one_sentence(server: ThreadingHTTPServer, bundle_path: Path) -> None:
    port = server.server_address[1]

    with pytest.raises(InputError, match=rf"127\.0\.0\.1:{port} cannot be used: Address already in use; choose"):
        make_server([bundle_path], "127.0.0.1", port, print)


def test_a_request_becomes_the_event_that_a_function_url_sends() -> None:
    event = proxy_event("POST", "/v1/classify?deep=true&a=1&a=2&b=", {"X-Y": "Z"}, '{"text": "好"}'.encode())

    assert event == {
        "version": "2.0",
        "rawPath": "/v1/classify",
        "rawQueryString": "deep=true&a=1&a=2&b=",
        "headers": {"x-y": "Z"},
        "queryStringParameters": {"deep": "true", "a": "1,2", "b": ""},
        "requestContext": {"stage": "$default", "http": {"method": "POST", "path": "/v1/classify"}},
        "body": '{"text": "好"}',
        "isBase64Encoded": False,
    }
    assert json.loads(json.dumps(event)) == event


def test_a_body_that_is_not_utf8_becomes_base64() -> None:
    event = proxy_event("POST", "/", {}, b"\xff\x00")

    assert (event["body"], event["isBase64Encoded"]) == ("/wA=", True)


def test_each_call_has_a_request_id_of_its_own(connection: http.client.HTTPConnection) -> None:
    ids = {exchange(connection, "GET", "/nowhere")[1]["request_id"] for _ in range(3)}

    assert len(ids) == 3
    assert Context("a").aws_request_id == "a"
