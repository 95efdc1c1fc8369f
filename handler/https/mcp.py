"""The Model Context Protocol (https://modelcontextprotocol.io) over HTTP: how an agent finds and calls the API.

A message is one POST and its answer one JSON document: no session, no stream. Revisions up to 2025-11-25 begin with
`initialize`; that of 2026-07-28 says with each request what it speaks, in a header and in `_meta`, which have to agree.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from handler.errors import RequestError
from handler.https import exchange, pages, schema

Json = dict[str, Any]
Tools = Mapping[str, Callable[[str], Struct]]

WITH_HANDSHAKE = ("2025-03-26", "2025-06-18", "2025-11-25")
STATELESS = "2026-07-28"
VERSIONS = (*WITH_HANDSHAKE, STATELESS)
NO_REQUEST, NO_METHOD, BAD_PARAMS, OTHER_HEADER, OTHER_VERSION = -32600, -32601, -32602, -32020, -32022
META = "io.modelcontextprotocol/"
# Which call of the contract a tool is.
CALLS = {"classify": ("/v1/classify", "post"), "embed": ("/v1/embed", "post"), "list_models": ("/v1/models", "get")}
ABOUT: Json = {"capabilities": {"tools": {}}, "serverInfo": {"name": "fenlei", "version": "1"}}


class McpParams(Struct, rename="camel"):
    """What is read of a message's params: a tool and its arguments, or the version that a client asks for."""

    name: str = ""
    arguments: Raw = Raw(b"{}")
    protocol_version: str = ""
    meta: Json = msgspec.field(default_factory=dict, name="_meta")


class McpMessage(Struct):
    """A JSON-RPC request, or a notification if it has no id."""

    jsonrpc: Literal["2.0"]
    method: str
    id: int | str | UnsetType = UNSET
    params: McpParams = msgspec.field(default_factory=McpParams)


def answer(request: exchange.Request, tools: Tools, contract: str) -> pages.Page:
    """Answers a message; `tools` take arguments as JSON, `contract` is that of `pages.openapi`. Raises RequestError."""
    if not exchange.origin_allowed(request.headers.get("origin", "")):  # against DNS rebinding, as the protocol asks
        return _page(403, None, _error(NO_REQUEST, "Pages of this origin may not call."))
    message = schema.parse(request.json(), McpMessage)
    version = request.headers.get("mcp-protocol-version", WITH_HANDSHAKE[0])
    found = _refusal(version, message, request.headers)
    if message.id is UNSET:
        return _page(400, None, found) if found else pages.Page("application/json", "", {}, 202)
    found = found or _result(version, message, tools, contract)
    if "error" not in found:
        return _page(200, message.id, {"result": found})
    status = 200 if version in WITH_HANDSHAKE else 404 if found["error"]["code"] == NO_METHOD else 400
    return _page(status, message.id, found)


def _page(status: int, identity: int | str | None, content: Json) -> pages.Page:
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": identity} | content).decode()
    return pages.Page("application/json", body, {"Cache-Control": "no-store"}, status)


def _error(code: int, sentence: str, **data: Any) -> Json:
    return {"error": {"code": code, "message": sentence} | ({"data": data} if data else {})}


def _refusal(version: str, message: McpMessage, headers: Mapping[str, str]) -> Json:
    """An error if a version is not spoken here or, where there is no handshake, headers and body disagree."""
    if version not in VERSIONS:
        return _other_version(OTHER_VERSION, version)
    if version != STATELESS or message.id is UNSET:
        return {}
    if f"{META}clientCapabilities" not in message.params.meta:
        return _error(BAD_PARAMS, f"params/_meta needs {META}protocolVersion and {META}clientCapabilities.")
    named = {"mcp-name": message.params.name} if message.method == "tools/call" else {}
    wrong = [name for name, value in ({"mcp-method": message.method} | named).items() if headers.get(name) != value]
    if wrong or message.params.meta.get(f"{META}protocolVersion") != version:
        return _error(OTHER_HEADER, f"The header {(*wrong, 'mcp-protocol-version')[0]} says another than the body.")
    return {}


def _other_version(code: int, asked: str) -> Json:
    quoted = asked if re.fullmatch(r"[0-9-]{10}", asked) else ""  # anything else could be a text
    sentence = f"This protocol version is not spoken here; those that are: {', '.join(VERSIONS)}."
    return _error(code, sentence, supported=VERSIONS, requested=quoted)


def _result(version: str, message: McpMessage, tools: Tools, contract: str) -> Json:
    kept = {"resultType": "complete", "ttlMs": 300_000, "cacheScope": "private"}
    if message.method == "tools/list":
        document = msgspec.json.decode(pages.openapi(contract).body)
        return kept | {"tools": [_tool(name, document) for name in CALLS]}
    if message.method == "tools/call":
        return _called(message.params, tools)
    if message.method == "server/discover" and version == STATELESS:
        return kept | ABOUT | {"supportedVersions": VERSIONS, "_meta": {f"{META}serverInfo": ABOUT["serverInfo"]}}
    if message.method in ("initialize", "ping") and version != STATELESS:
        return _initialized(message.params.protocol_version) if message.method == "initialize" else {}
    return _error(NO_METHOD, "There is no such method here; call tools/list or tools/call.")


def _initialized(asked: str) -> Json:
    if asked < WITH_HANDSHAKE[0]:
        return _other_version(BAD_PARAMS, asked)
    # A newer client may know an older version.
    return ABOUT | {"protocolVersion": asked if asked in WITH_HANDSHAKE else WITH_HANDSHAKE[-1]}


def _called(params: McpParams, tools: Tools) -> Json:
    """A mistake in the arguments is told as the tool's result, for the model behind the agent to mend."""
    if params.name not in tools:
        return _error(BAD_PARAMS, f"There is no such tool; the tools are: {', '.join(tools)}.")
    try:
        text = msgspec.json.encode(tools[params.name](bytes(params.arguments).decode())).decode()
    except RequestError as error:
        if error.status >= 500:
            raise
        return {"resultType": "complete", "content": [{"type": "text", "text": error.detail}], "isError": True}
    content = [{"type": "text", "text": text}]
    return {"resultType": "complete", "content": content, "structuredContent": Raw(text.encode()), "isError": False}


def _tool(name: str, document: Json) -> Json:
    """A tool as the contract describes its call."""
    path, method = CALLS[name]
    call, schemas = document["paths"][path][method], document["components"]["schemas"]
    given = _inlined(call["responses"]["200"]["content"]["application/json"]["schema"], schemas)
    taken = {"type": "object", "additionalProperties": False}
    if "requestBody" in call:
        taken = _inlined(call["requestBody"]["content"]["application/json"]["schema"], schemas)
        taken.pop("not")  # models of some agents take no schema that has it; the tool itself says what is wrong
    described = {"name": name, "description": f"{call['summary']}. {call.get('description', '')}".strip()}
    return described | {"inputSchema": taken, "outputSchema": given, "annotations": {"readOnlyHint": True}}


def _inlined(part: Any, schemas: Json) -> Any:
    """A schema with those that it names in their places."""
    if isinstance(part, list):
        return [_inlined(inner, schemas) for inner in part]
    if not isinstance(part, dict):
        return part
    named = schemas[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    return {key: _inlined(inner, schemas) for key, inner in named.items()}
