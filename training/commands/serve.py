"""The API on this machine: HTTP -> proxy events -> handler.api, the code that is deployed."""

import base64
import json
import os
import sys
import threading
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from training.errors import InputError

# Lambda answers one request at a time per instance; so does this server.
_ONE_AT_A_TIME = threading.Lock()
# API Gateway refuses larger bodies; the handler's own limit is far below.
GATEWAY_BODY_BYTES = 10 * 1024 * 1024


class Context(NamedTuple):
    """What the handler uses of Lambda's context object."""

    aws_request_id: str
    function_name: str = "fenlei-local"
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:local:000000000000:function:fenlei-local"


def make_server(
    bundles: Sequence[Path], host: str, port: int, on_request: Callable[[str], None]
) -> ThreadingHTTPServer:
    """Loads the bundles and binds the port; `serve_forever` then answers.

    The environment variable FENLEI_API_KEY makes it ask for that key wherever the gateway would ask for one. Raises
    BundleError, or InputError if the port cannot be bound.
    """
    for path in bundles:
        if os.pathsep in str(path):
            raise InputError(f"{path} cannot be served: its name holds a {os.pathsep!r}, which stands between names.")
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
    os.environ["MODEL_DIR"] = os.pathsep.join(str(path) for path in bundles)
    from build import contract
    from handler import api
    from handler.https import pages
    from handler.model.models import models

    document = contract.served()
    agents: api.Function = partial(api.agents, contract=document)
    routes = {**api.ROUTES, "/openapi.json": {"GET": lambda *_: pages.openapi(document)}, "/mcp": {"POST": agents}}
    models.cache_clear()
    models()

    paths = json.loads(document)["paths"]

    class Handler(_Handler):
        respond = staticmethod(partial(api.respond, routes=routes))
        find = staticmethod(api.find)
        label = staticmethod(api.label)
        api_key = os.environ.get("FENLEI_API_KEY", "")
        keyed = frozenset(
            path for path, item in paths.items() if any("security" in o and o["security"] for o in item.values())
        )
        tell = staticmethod(on_request)

    try:
        return _Server((host, port), Handler)
    except OSError as error:
        raise InputError(f"{host}:{port} cannot be used: {error.strerror}; choose another --port.") from None


class _Server(ThreadingHTTPServer):
    # With it Windows lets several servers listen on one port; elsewhere it lets one begin where one has just ended.
    allow_reuse_address = os.name == "posix"
    request_queue_size = 128  # callers who wait to be accepted; the default, 5, turns others away

    def handle_error(self, *request: Any) -> None:
        """Somebody who hangs up before the answer is nothing to report."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True  # else each answer on a kept connection waits 40 ms for an acknowledgement
    server_version, sys_version = "fenlei", ""
    respond: Callable[[dict[str, Any], Context], dict[str, Any]]
    find: Callable[[str], str]
    label: Callable[[str, str], str]
    api_key: str
    keyed: frozenset[str]
    tell: Callable[[str], None]

    def answer(self) -> None:
        try:
            length = int(self.headers.get("Content-Length") or 0)
            if length > GATEWAY_BODY_BYTES:
                self.send_error(413)
                return
            body = self.rfile.read(length) if length >= 0 else b""
            if len(body) != length or "Transfer-Encoding" in self.headers:
                raise ValueError
            event = proxy_event(self.command, self.path, dict(self.headers.items()), body)
        except ValueError:  # also what int() and urlsplit() raise
            self.send_error(400)
            return
        route = self.find(event["rawPath"])
        needs_key = self.api_key and route in self.keyed and self.command != "OPTIONS"
        if needs_key and self.headers.get("x-api-key") != self.api_key:
            self.send_error(403)
            return
        with _ONE_AT_A_TIME:
            response = self.respond(event, Context(str(uuid.uuid4())))
        body = base64.b64decode(response["body"]) if response["isBase64Encoded"] else response["body"].encode()
        self.send_response(response["statusCode"])
        for name, value in response["headers"].items():
            self.send_header(name, value)
        if response["statusCode"] != 204 and self.command != "HEAD":  # whose length would have to be that of GET
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.tell(f"{self.label(self.command, route)} {response['statusCode']}")

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method is the handler's to answer, whatever it is called."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def send_error(self, code: int, *_: Any) -> None:
        """What cannot be handed on is refused as the gateway does it: a problem document, nothing quoted."""
        detail = "Send a valid API key in the header x-api-key." if code == 403 else "This cannot be handed on."
        problem = {"title": HTTPStatus(code).phrase, "status": code, "detail": detail}
        body = json.dumps(problem).encode()
        self.request_version = self.protocol_version  # else what names no version gets no status line either
        self.send_response(code)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")  # what is left of the request is not read
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """The line of `answer` says it."""


def proxy_event(method: str, target: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """An HTTP request as a function URL hands it to Lambda; a body that is not UTF-8 goes as base64."""
    url = urlsplit(target)
    query = parse_qs(url.query, keep_blank_values=True)
    try:
        text, is_base64 = body.decode(), False
    except UnicodeDecodeError:
        text, is_base64 = base64.b64encode(body).decode(), True
    return {
        "version": "2.0",
        "rawPath": url.path,
        "rawQueryString": url.query,
        "headers": {name.lower(): value for name, value in headers.items()},
        "queryStringParameters": {name: ",".join(values) for name, values in query.items()},
        "requestContext": {"stage": "$default", "http": {"method": method, "path": url.path}},
        "body": text,
        "isBase64Encoded": is_base64,
    }
