"""HTTP as API Gateway and function URLs speak it: event -> Request, content -> response."""

import base64
import binascii
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from handler.errors import MalformedRequest, MethodNotAllowed, RequestError, TooLarge, UnsupportedMediaType
from handler.schema import MAX_BODY_BYTES, Problem

Event = Mapping[str, Any]
Response = dict[str, Any]


class Request(NamedTuple):
    """One HTTP request; header names are lower case, `body` is still as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: str
    is_base64: bool

    def json(self) -> bytes:
        """Gives the body of a JSON request as bytes.

        Raises UnsupportedMediaType, TooLarge or MalformedRequest.
        """
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise UnsupportedMediaType("Send the body as content-type: application/json.")
        # A character is at least one byte, and base64 makes four characters of three bytes, the last two maybe padding.
        if len(self.body) * (3 if self.is_base64 else 4) > 4 * (MAX_BODY_BYTES + 2):
            raise TooLarge(f"The body is over {MAX_BODY_BYTES:,} bytes; send fewer texts per call.")
        content = self._decoded()
        if len(content) > MAX_BODY_BYTES:
            raise TooLarge(f"The body is over {MAX_BODY_BYTES:,} bytes; send fewer texts per call.")
        return content

    def _decoded(self) -> bytes:
        try:
            if self.is_base64:
                return base64.b64decode(self.body, validate=True)
            return self.body.encode()
        except (binascii.Error, ValueError):
            raise MalformedRequest("The body is not valid UTF-8 JSON: its encoding is broken.") from None


def read(event: Event) -> Request:
    """Understands REST API (v1) events, and HTTP API and function URL (v2) events."""
    event = _mapping(event)
    http = _mapping(_mapping(event.get("requestContext")).get("http"))
    headers = _mapping(event.get("headers"))
    body = event.get("body")
    return Request(
        method=str(event.get("httpMethod") or http.get("method") or ""),
        path=str(event.get("path") or event.get("rawPath") or ""),
        headers={str(name).lower(): str(value) for name, value in headers.items()},
        body=body if isinstance(body, str) else "",
        is_base64=event.get("isBase64Encoded") is True,
    )


def respond(status: int, content: msgspec.Struct, media_type: str = "application/json") -> Response:
    """Gives the response that API Gateway understands."""
    return {
        "statusCode": int(status),
        "headers": {"Content-Type": media_type, "Cache-Control": "no-store"},
        "body": msgspec.json.encode(content).decode(),
        "isBase64Encoded": False,
    }


def problem(error: RequestError, request_id: str) -> Response:
    """Gives the RFC 9457 response for an error."""
    response = respond(
        error.status,
        Problem(
            title=HTTPStatus(error.status).phrase,
            status=int(error.status),
            detail=error.detail,
            request_id=request_id,
            errors=[{"pointer": pointer, "detail": detail} for pointer, detail in error.errors],
        ),
        "application/problem+json",
    )
    if isinstance(error, MethodNotAllowed):
        response["headers"]["Allow"] = ", ".join(error.allow)
    return response


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
