"""One request as each kind of event: a REST API's, an HTTP API's, a function URL's and a load balancer's."""

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

    @property
    def resource(self) -> str:
        """The route as a gateway names it."""
        path = self.path.removesuffix("/") or self.path
        return "/v1/models/{name}" if path.startswith("/v1/models/") else path

    def packed(self) -> tuple[str, bool]:
        try:
            return self.body.decode(), False
        except UnicodeDecodeError:
            return base64.b64encode(self.body).decode(), True


def rest_event(asked: Asked) -> Event:
    """As a REST API sends it."""
    text, is_base64 = asked.packed()
    return {
        "resource": asked.resource,
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


def domain_event(asked: Asked) -> Event:
    """As a REST API sends it for a domain of one's own with a base path, and from another stage."""
    event = rest_event(asked)
    path = f"/texts{asked.path}"
    return event | {"path": path, "requestContext": event["requestContext"] | {"stage": "blue", "path": path}}


def http_domain_event(asked: Asked) -> Event:
    """As an HTTP API with a route for each path sends it, for a domain of one's own with a base path."""
    return http_event(asked, "$default") | {
        "routeKey": f"{asked.method} {asked.resource}",
        "rawPath": f"/texts{asked.path}",
    }


def balancer_event(asked: Asked) -> Event:
    """As a load balancer sends it."""
    text, is_base64 = asked.packed()
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:t"}},
        "httpMethod": asked.method,
        "path": asked.path,
        "queryStringParameters": asked.query,
        "headers": {name.lower(): value for name, value in asked.headers.items()},
        "body": text,
        "isBase64Encoded": is_base64,
    }


def balancer_lists_event(asked: Asked) -> Event:
    """As a load balancer sends it whose target group has multi-value headers on."""
    event = balancer_event(asked)
    headers, query = event.pop("headers"), event.pop("queryStringParameters")
    lists = {"multiValueHeaders": headers | {"x-forwarded-for": "127.0.0.1"}, "multiValueQueryStringParameters": query}
    return event | {name: {key: [value] for key, value in found.items()} for name, found in lists.items()}


KINDS = (
    rest_event,
    domain_event,
    http_event,
    http_domain_event,
    function_url_event,
    balancer_event,
    balancer_lists_event,
)
