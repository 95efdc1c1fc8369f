"""The API on this machine: HTTP -> proxy events -> handler.api.lambda_handler, the code that is deployed."""

import base64
import os
import sys
import threading
import uuid
from collections.abc import Callable, Sequence
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
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:local:000000000000:function:fenlei-local"


def make_server(
    bundles: Sequence[Path], host: str, port: int, on_request: Callable[[str], None]
) -> ThreadingHTTPServer:
    """Loads the bundles and binds the port; `serve_forever` then answers.

    Raises BundleError, or InputError if the port cannot be bound.
    """
    os.environ["METRICS_DISABLED"] = "true"
    os.environ["MODEL_DIR"] = os.pathsep.join(str(path) for path in bundles)
    from handler import api
    from handler.models import models

    models.cache_clear()
    models()

    class Handler(_Handler):
        lambda_handler = staticmethod(api.lambda_handler)
        tell = staticmethod(on_request)

    try:
        return _Server((host, port), Handler)
    except OSError as error:
        raise InputError(f"{host}:{port} cannot be used: {error.strerror}; choose another --port.") from None


class _Server(ThreadingHTTPServer):
    def handle_error(self, *request: Any) -> None:
        """Somebody who hangs up before the answer is nothing to report."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True  # else each answer on a kept connection waits 40 ms for an acknowledgement
    lambda_handler: Callable[[dict[str, Any], Context], dict[str, Any]]
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
        with _ONE_AT_A_TIME:
            response = self.lambda_handler(event, Context(str(uuid.uuid4())))
        body = response["body"].encode()
        if response.get("isBase64Encoded"):
            body = base64.b64decode(body)
        self.send_response(response["statusCode"])
        for name, value in response["headers"].items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.tell(f"{self.command} {event['path']} {response['statusCode']}")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_: Any) -> None:
        """The line of `answer` says it."""


def proxy_event(method: str, target: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """An HTTP request as API Gateway's REST API hands it to Lambda; a body that is not UTF-8 goes as base64."""
    url = urlsplit(target)
    query = parse_qs(url.query, keep_blank_values=True)
    try:
        text, is_base64 = body.decode(), False
    except UnicodeDecodeError:
        text, is_base64 = base64.b64encode(body).decode(), True
    return {
        "resource": url.path,
        "path": url.path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"stage": "local", "httpMethod": method, "path": url.path},
        "body": text if body else None,
        "isBase64Encoded": is_base64,
    }
