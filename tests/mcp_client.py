"""An agent's side of /mcp, by the protocol's own client: python mcp_client.py URL KEY MODE..., run by .envs/mcp.

It connects, lists the tools and calls each of them, and prints what came of it as JSON, by mode. A MODE is the
client's: `auto` asks what the server speaks, `legacy` begins with a handshake, a version is spoken without asking.
"""

import asyncio
import json
import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

TEXTS = ["东西质量很好，非常满意", "太差了，第二天就坏了"]
CALLS: dict[str, dict[str, Any]] = {
    "classify": {"texts": TEXTS, "top_k": 1},
    "embed": {"text": TEXTS[0]},
    "list_models": {},
}


async def asked(url: str, key: str, mode: str) -> dict[str, Any]:
    async with (
        httpx2.AsyncClient(headers={"x-api-key": key}, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        tools = (await client.list_tools()).tools
        called = {name: await client.call_tool(name, arguments) for name, arguments in CALLS.items()}
        refused = await client.call_tool("classify", {"texts": [" "]})
        return {
            "version": client.protocol_version,
            "tools": {tool.name: tool.input_schema for tool in tools},
            "results": {name: result.structured_content for name, result in called.items()},
            "errors": [name for name, result in called.items() if result.is_error],
            "refused": [refused.is_error, refused.content[0].text],
        }


if __name__ == "__main__":
    url, key, *modes = sys.argv[1:]
    print(json.dumps({mode: asyncio.run(asked(url, key, mode)) for mode in modes}))
