"""HTTP as API Gateway and function URLs speak it: event -> Request, content -> response."""

import base64
import binascii
import os
import re
import zlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from handler.errors import MalformedRequest, MethodNotAllowed, RequestError, TooLarge, UnsupportedMediaType
from handler.https.pages import Page
from handler.https.schema import MAX_BODY_BYTES, Problem

Event = Mapping[str, Any]
Response = dict[str, Any]
Content = msgspec.Struct | Page

# Below this a compressed body is hardly smaller.
COMPRESS_FROM = 1024
_ID = re.compile(r"[A-Za-z0-9=_-]{1,64}")
_GZIP = 16 + zlib.MAX_WBITS


class Request(NamedTuple):
    """One HTTP request; header names are lower case, `body` is still as it came.

    `resource` is the route as the gateway has it, where it says so: unlike the path it holds no base path of a domain,
    and no stage. `compress` says whether the answer may go out compressed: a REST API does that itself, while an HTTP
    API and a function URL leave it to the function. `several` is whether the event has lists of header values only, as
    a load balancer's can: then its answer must have them too. `gateway_id` is the gateway's own name for the request.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: str
    is_base64: bool
    query: Mapping[str, Any] = {}
    resource: str = ""
    compress: bool = False
    several: bool = False
    gateway_id: str = ""

    def json(self) -> bytes:
        """Gives the body of a JSON request as bytes, decompressed.

        Raises UnsupportedMediaType, TooLarge or MalformedRequest.
        """
        media_type, *parameters = self.headers.get("content-type", "").replace(" ", "").lower().split(";")
        if media_type != "application/json":
            raise UnsupportedMediaType("Send the body as content-type: application/json.")
        charset = next((p[8:].strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
        if charset not in ("utf-8", "utf8"):
            raise UnsupportedMediaType("Send the body as UTF-8; no other charset is read.")
        coding = self.headers.get("content-encoding", "").strip().lower()
        if coding not in ("", "identity", "gzip"):
            raise UnsupportedMediaType("Send the body as it is, or with content-encoding: gzip.")
        # A character is at least one byte, and base64 makes four characters of three bytes, the last two maybe padding.
        if len(self.body) * (3 if self.is_base64 else 4) > 4 * (MAX_BODY_BYTES + 2):
            raise TooLarge(_TOO_LARGE)
        content = self._decoded()
        # A REST API decompresses on its own and leaves the header; then the body is text already.
        if coding == "gzip" and self.is_base64:
            content = _decompress(content)
        if len(content) > MAX_BODY_BYTES:
            raise TooLarge(_TOO_LARGE)
        return content

    def _decoded(self) -> bytes:
        try:
            if self.is_base64:
                return base64.b64decode(self.body, validate=True)
            return self.body.encode()
        except (binascii.Error, ValueError):
            raise MalformedRequest("The body is not valid UTF-8 JSON: its encoding is broken.") from None


_TOO_LARGE = f"The body is over {MAX_BODY_BYTES:,} bytes; send fewer texts per call."


def _decompress(content: bytes) -> bytes:
    """Stops one byte past the limit, however much more a small body would unfold to."""
    stream = zlib.decompressobj(_GZIP)
    try:
        result = stream.decompress(content, MAX_BODY_BYTES + 1)
    except zlib.error:
        raise MalformedRequest("The body is not the gzip that its content-encoding says.") from None
    if len(result) <= MAX_BODY_BYTES and (not stream.eof or stream.unused_data):
        raise MalformedRequest("The body is not one whole gzip stream.")
    return result


def read(event: Event) -> Request:
    """Understands events of REST APIs (v1), HTTP APIs and function URLs (v2), and load balancers."""
    event = _mapping(event)
    context = _mapping(event.get("requestContext"))
    http = _mapping(context.get("http"))
    headers, several = _single(event, "headers", "multiValueHeaders")
    body = event.get("body")
    path = str(event.get("path") or event.get("rawPath") or "")
    if http and path.startswith(stage := f"/{context.get('stage')}/"):  # only an HTTP API has it in its path
        path = path[len(stage) - 1 :]
    return Request(
        method=str(event.get("httpMethod") or http.get("method") or ""),
        path=path,
        headers={name.lower(): value for name, value in headers.items()},
        body=body if isinstance(body, str) else "",
        is_base64=event.get("isBase64Encoded") is True,
        query=_single(event, "queryStringParameters", "multiValueQueryStringParameters")[0],
        resource=str(event.get("resource") or str(event.get("routeKey") or "").partition(" ")[2]),
        compress=bool(http),
        several=several,
        gateway_id=found if _ID.fullmatch(found := str(context.get("requestId") or "")) else "",
    )


def _single(event: Event, one: str, many: str) -> tuple[dict[str, str], bool]:
    """One value for each name, and whether the event has lists of values only; these are joined as RFC 9110 says."""
    if found := _mapping(event.get(one)):
        return {str(name): str(value) for name, value in found.items()}, False
    lists = {str(name): values for name, values in _mapping(event.get(many)).items() if isinstance(values, list)}
    return {name: ", ".join(map(str, values)) for name, values in lists.items()}, bool(lists)


def respond(status: int, content: Content, media_type: str = "application/json") -> Response:
    """Gives the response that API Gateway understands; a page brings its own status and media type."""
    if isinstance(content, Page):
        return {
            "statusCode": content.status,
            "headers": {"Content-Type": content.media_type, **content.headers},
            "body": content.body,
            "isBase64Encoded": False,
        }
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


def options(methods: tuple[str, ...]) -> Response:
    """Tells which methods a route has."""
    return {"statusCode": 204, "headers": {"Allow": ", ".join(methods)}, "body": "", "isBase64Encoded": False}


def finish(response: Response, request: Request) -> Response:
    """Adds what depends on who asks: leave for other origins, no body for HEAD, compression."""
    headers = response["headers"]
    headers["X-Content-Type-Options"] = "nosniff"
    if "origin" in request.headers:
        _allow_origin(response, request)
    if request.method == "HEAD":
        response["body"] = ""
    if request.compress:
        headers["Vary"] = f"{headers['Vary']}, Accept-Encoding" if "Vary" in headers else "Accept-Encoding"
        if len(response["body"]) >= COMPRESS_FROM and _accepts_gzip(request.headers.get("accept-encoding", "")):
            stream = zlib.compressobj(level=6, wbits=_GZIP)
            packed = stream.compress(response["body"].encode()) + stream.flush()
            headers["Content-Encoding"] = "gzip"
            response["body"] = base64.b64encode(packed).decode()
            response["isBase64Encoded"] = True
    if request.several:
        response["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    return response


def _origins() -> list[str]:
    """The origins that the environment variable CORS_ORIGINS names: none, a list with commas, or `*`."""
    return os.environ.get("CORS_ORIGINS", "").replace(" ", "").split(",")


def origin_allowed(origin: str) -> bool:
    """Whether a request may come from a page of this origin; programs other than browsers have none."""
    allowed = _origins()
    return not origin or "*" in allowed or origin in allowed


def _allow_origin(response: Response, request: Request) -> None:
    """CORS: tells a browser whether the page that asks may read the answer."""
    headers, origin = response["headers"], request.headers["origin"]
    everybody = "*" in _origins()
    if not everybody:
        headers["Vary"] = "Origin"
    if everybody or (origin and origin_allowed(origin)):
        headers["Access-Control-Allow-Origin"] = "*" if everybody else origin
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = headers.get("Allow", "")
            headers["Access-Control-Allow-Headers"] = "authorization, content-type, content-encoding, x-api-key"
            headers["Access-Control-Max-Age"] = "86400"


def _accepts_gzip(header: str) -> bool:
    """Reads Accept-Encoding: `gzip` or `*`, unless with a weight of nought."""
    weights = {}
    for part in header.lower().replace(" ", "").split(","):
        name, _, weight = part.partition(";q=")
        weights[name] = weight.strip("0.") != "" or weight == ""
    return weights.get("gzip", weights.get("*", False))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
