"""The contract as API Gateway imports it: which bodies it refuses, what it calls, and what it answers of itself.

A REST API understands less than OpenAPI. AWS lists what it leaves out ("Amazon API Gateway important notes"), and the
editions of that list differ; so a model holds only what the models in AWS's own guide hold ("Data models for REST
APIs", "Additional mapping template example for REST APIs"). Without an assertion a schema accepts more, never less,
unless it stood under `not`, which is left out whole. The function refuses the rest.
"""

import json
from typing import Any

import yaml

from build import access

Json = dict[str, Any]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
# The keywords of a model. Each narrows what is accepted, whatever stands beside it.
KEYWORDS = ("type", "properties", "required", "items", "enum", "minimum", "maximum")

LAMBDA = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions"
# Answers are the function's own: the gateway gets no models of them, which it would neither need nor understand.
CALL = {
    "responses": {"200": {"description": "What the function answers"}},
    "x-amazon-apigateway-integration": {
        "type": "aws_proxy",
        "httpMethod": "POST",
        "uri": {"Fn::Sub": f"{LAMBDA}/${{ApiFunction.Alias}}/invocations"},
    },
}
# The function names the origin that asks; the gateway says what is written here, and a header can name one origin or
# all. Of several it therefore names all: its answers hold no secret, and a preflight gives nobody a key.
ORIGIN = {"Fn::If": ["AllowsSeveralOrigins", "'*'", {"Fn::Sub": "'${CorsOrigins}'"}]}
# Status, title and sentence of each of the gateway's own errors. AWS's sentences are not used: that of a failed
# validation quotes the body.
ERRORS = {
    "DEFAULT_4XX": (400, "Bad Request", "The gateway refused the request."),
    "DEFAULT_5XX": (500, "Internal Server Error", "Something went wrong here; try again."),
    "MISSING_AUTHENTICATION_TOKEN": (404, "Not Found", "There is nothing at this path; see /docs."),
    "RESOURCE_NOT_FOUND": (404, "Not Found", "There is nothing at this path; see /docs."),
    "ACCESS_DENIED": (403, "Forbidden", "You may not call this."),
    "UNAUTHORIZED": (401, "Unauthorized", "Send a token that is valid now in the header authorization."),
    "AUTHORIZER_CONFIGURATION_ERROR": (500, "Internal Server Error", "Tokens cannot be checked here; tell the owner."),
    "AUTHORIZER_FAILURE": (503, "Service Unavailable", "Tokens cannot be checked now; wait a moment and try again."),
    "INVALID_SIGNATURE": (403, "Forbidden", "The signature is not that of this request and of a known access key."),
    "EXPIRED_TOKEN": (403, "Forbidden", "The signature or its token is out of date; renew it, and look at the clock."),
    "INVALID_API_KEY": (403, "Forbidden", "Send a valid API key in the header x-api-key."),
    "WAF_FILTERED": (403, "Forbidden", "The firewall refused the request."),
    "THROTTLED": (429, "Too Many Requests", "Too many requests at once; wait a moment and try again."),
    "QUOTA_EXCEEDED": (429, "Too Many Requests", "The quota of this API key is used up."),
    "REQUEST_TOO_LARGE": (413, "Content Too Large", "The body is too large; send fewer texts per call."),
    "UNSUPPORTED_MEDIA_TYPE": (415, "Unsupported Media Type", "Send the body as content-type: application/json."),
    "BAD_REQUEST_BODY": (422, "Unprocessable Content", "The body does not fit the contract; see /docs."),
    "BAD_REQUEST_PARAMETERS": (422, "Unprocessable Content", "A parameter does not fit the contract; see /docs."),
    "INTEGRATION_TIMEOUT": (504, "Gateway Timeout", "The answer took too long; send fewer texts per call."),
    "INTEGRATION_FAILURE": (503, "Service Unavailable", "The service is busy; wait a moment and try again."),
}
# Where calls are signed, this is also said of a call that is not.
UNSIGNED = (403, "Forbidden", "Sign the call with AWS Signature Version 4, unless there is nothing at this path.")


def text(contract: Json) -> str:
    """The gateway's document as the file that templates include; without YAML aliases, which CloudFormation refuses."""
    body = yaml.dump(document(contract), Dumper=_Plain, default_flow_style=None, sort_keys=False, width=120)
    return f"# Made from infra/openapi.yaml by `make contract`: change that, or build/gateway.py.\n{body}"


def document(contract: Json) -> Json:
    """The gateway's document: of the contract the paths, keys and bodies, and around them what is Amazon's."""
    schemas = contract["components"]["schemas"]
    return {
        "openapi": contract["openapi"],
        "info": {key: contract["info"][key] for key in ("title", "version")},
        "paths": {path: _path(item) for path, item in contract["paths"].items()},
        "components": {
            "securitySchemes": access.schemes(contract),
            "schemas": {name: model(schemas[name], schemas) for name in _bodies(contract["paths"])},
        },
        "x-amazon-apigateway-api-key-source": access.KEY_SOURCE,
        "x-amazon-apigateway-policy": access.network(contract),
        "x-amazon-apigateway-request-validators": {
            "full": {"validateRequestBody": True, "validateRequestParameters": True},
            "parameters": {"validateRequestBody": False, "validateRequestParameters": True},
        },
        "x-amazon-apigateway-request-validator": {"Ref": "RequestValidation"},
        "x-amazon-apigateway-gateway-responses": {kind: _error(kind, *said) for kind, said in ERRORS.items()}
        | {"MISSING_AUTHENTICATION_TOKEN": _unsigned("MISSING_AUTHENTICATION_TOKEN")},
    }


def model(schema: Json, schemas: Json) -> Json:
    """Gives a schema that the gateway can check, and that accepts all that `schema` does; it may name `schemas`."""
    if "$ref" in schema:
        return model(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if schema.get("nullable"):  # the one keyword that widens; a model cannot say it
        return {}
    kept = {keyword: schema[keyword] for keyword in KEYWORDS if keyword in schema}
    if "properties" in kept:
        kept["properties"] = {name: model(inner, schemas) for name, inner in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = model(kept["items"], schemas)
    return kept


def _bodies(paths: Json) -> list[str]:
    """The names of the schemas of bodies. AWS takes letters and digits only."""
    operations = [operation for item in paths.values() for operation in item.values() if "requestBody" in operation]
    contents = [content for operation in operations for content in operation["requestBody"]["content"].values()]
    return [content["schema"]["$ref"].rpartition("/")[2] for content in contents]


def _path(item: Json) -> Json:
    operations = {method: operation for method, operation in item.items() if method in METHODS}
    made = {
        method: _asked(operation, method, item.get("parameters", []))
        | (_preflight(tuple(operations)) if method == "options" else CALL)
        for method, operation in operations.items()
    }
    # Whatever else is asked goes to the function too, which knows HEAD and refuses the others.
    security = next(access.security(one, method) for method, one in operations.items() if method != "options")
    return made | {"x-amazon-apigateway-any-method": {"security": security} | CALL}


def _asked(operation: Json, method: str, shared: list[Json]) -> Json:
    """What the gateway looks at in a request."""
    made: Json = {"operationId": operation["operationId"], "security": access.security(operation, method)}
    parameters = [
        {key: parameter[key] for key in ("name", "in", "required")} | {"schema": {"type": parameter["schema"]["type"]}}
        for parameter in (*shared, *operation.get("parameters", []))
    ]
    if parameters:
        made["parameters"] = parameters
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]
        made["requestBody"] = {
            "required": operation["requestBody"].get("required", False),
            "content": {media: {"schema": content[media]["schema"]} for media in content},
        }
    return made


def _preflight(methods: tuple[str, ...]) -> Json:
    """What the function would say to OPTIONS, said without calling it."""
    names = [name for method in methods for name in ((method, "head") if method == "get" else (method,))]
    allow = f"'{', '.join(name.upper() for name in names)}'"
    headers: Json = {"Allow": allow, "X-Content-Type-Options": "'nosniff'"}
    cors: Json = {
        "Access-Control-Allow-Origin": ORIGIN,
        "Access-Control-Allow-Methods": allow,
        "Access-Control-Allow-Headers": "'authorization, content-type, content-encoding, x-api-key'",
        "Access-Control-Max-Age": "'86400'",
    }
    everywhere, elsewhere = (
        {f"method.response.header.{name}": value for name, value in found.items()}
        for found in (headers, headers | cors)
    )
    declared = {name: {"schema": {"type": "string"}} for name in headers | cors}
    return {
        "responses": {"204": {"description": "The methods", "headers": declared}},
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "passthroughBehavior": "never",
            "requestTemplates": {"application/json": '{"statusCode": 204}'},
            "responses": {
                "default": {
                    "statusCode": "204",
                    "responseParameters": {"Fn::If": ["AllowsOrigins", elsewhere, everywhere]},
                }
            },
        },
    }


def _unsigned(kind: str) -> Json:
    return {"Fn::If": ["UsesSignatures", _error(kind, *UNSIGNED), _error(kind, *ERRORS[kind])]}


def _error(kind: str, status: int, title: str, detail: str) -> Json:
    headers: Json = {"Content-Type": "'application/problem+json'"}
    headers["Access-Control-Allow-Origin"] = {"Fn::If": ["AllowsOrigins", ORIGIN, {"Ref": "AWS::NoValue"}]}
    if kind == "THROTTLED":
        headers["Retry-After"] = "'1'"
    problem = {"title": title, "status": status, "detail": detail, "request_id": "$context.requestId"}
    return {
        "statusCode": status,
        "responseParameters": {f"gatewayresponse.header.{name}": value for name, value in headers.items()},
        "responseTemplates": {"application/json": json.dumps(problem)},
    }


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True
