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

from handler.models import models
from training.errors import InputError
from training.serve import GATEWAY_BODY_BYTES, Context, make_server, proxy_event

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def log() -> list[str]:
    """The lines that the server tells."""
    return []


@pytest.fixture(scope="module")
def server(bundle_path: Path, log: list[str]) -> Iterator[ThreadingHTTPServer]:
    with pytest.MonkeyPatch.context() as environment:
        for name in ("MODEL_DIR", "METRICS_DISABLED"):
            environment.setenv(name, "")  # the server sets them: have them put back
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


def test_a_head_has_headers_only(connection: http.client.HTTPConnection) -> None:
    response, content = exchange(connection, "HEAD", "/health")

    assert response.status == 200
    assert response.headers["Content-Type"] == "application/json"
    assert content is None


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
    "a body that ends too early": post(b'{"text": "o', b"Content-Length: 14"),
    "chunks": post(b'e\r\n{"text": "ok"}\r\n0\r\n\r\n', b"Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_http_is_400_and_ends_the_connection(
    server: ThreadingHTTPServer, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answered = raw(server, MALFORMED[name])

    # Whoever names no version of HTTP gets a body alone.
    assert b" 400 " in answered.splitlines()[0] or answered.startswith(b"{")
    assert answered.count(b"HTTP/1.1 ") <= 1
    assert json.loads(answered.splitlines()[-1])["status"] == 400
    assert b"request_id" not in answered  # the handler never saw it
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
    event = proxy_event("POST", "/v1/classify?deep=true&a=1&a=2", {"X": "y"}, '{"text": "好"}'.encode())

    assert event["rawPath"] == "/v1/classify"
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["headers"] == {"x": "y"}
    assert event["queryStringParameters"] == {"deep": "true", "a": "1,2"}
    assert event["rawQueryString"] == "deep=true&a=1&a=2"
    assert event["body"] == '{"text": "好"}'
    assert event["isBase64Encoded"] is False
    assert json.loads(json.dumps(event)) == event


def test_each_call_has_a_request_id_of_its_own(connection: http.client.HTTPConnection) -> None:
    ids = {exchange(connection, "GET", "/nowhere")[1]["request_id"] for _ in range(3)}

    assert len(ids) == 3
    assert Context("a").aws_request_id == "a"
