"""One request as each kind of event: a REST API's, an HTTP API's and a function URL's."""

import base64
from typing import Any

import msgspec

Event = dict[str, Any]


class Asked(msgspec.Struct):
    """A request before it is an event."""

    method: str
    path: str
    headers: dict[str, str] = {}
    body: bytes = b""
    query: dict[str, str] = {}

    def packed(self) -> tuple[str, bool]:
        try:
            return self.body.decode(), False
        except UnicodeDecodeError:
            return base64.b64encode(self.body).decode(), True


def rest_event(asked: Asked) -> Event:
    """As a REST API sends it."""
    text, is_base64 = asked.packed()
    return {
        "resource": asked.path,
        "path": asked.path,
        "httpMethod": asked.method,
        "headers": asked.headers or None,
        "multiValueHeaders": {name: [value] for name, value in asked.headers.items()} or None,
        "queryStringParameters": asked.query or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in asked.query.items()} or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"stage": "live", "path": f"/live{asked.path}", "httpMethod": asked.method},
        "body": text or None,
        "isBase64Encoded": is_base64,
    }


def http_event(asked: Asked, stage: str = "live") -> Event:
    """As an HTTP API sends it, from a stage that has a name."""
    text, is_base64 = asked.packed()
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": asked.path if stage == "$default" else f"/{stage}{asked.path}",
        "rawQueryString": "&".join(f"{name}={value}" for name, value in asked.query.items()),
        "headers": {name.lower(): value for name, value in asked.headers.items()},
        "requestContext": {"stage": stage, "http": {"method": asked.method, "path": asked.path}},
        "isBase64Encoded": is_base64,
    }
    return event | ({"queryStringParameters": asked.query} if asked.query else {}) | ({"body": text} if text else {})


def function_url_event(asked: Asked) -> Event:
    """As a function URL sends it."""
    return http_event(asked, "$default")


KINDS = (rest_event, http_event, function_url_event)
