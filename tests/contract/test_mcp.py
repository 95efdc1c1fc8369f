"""/mcp, as an agent meets it: the protocol's own client against `fenlei serve`, and what no right client would send."""

import html
import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support import ROOT

from build import contract
from handler import api
from handler.https import mcp
from handler.https.schema import ClassifyRequest
from tests.local_server import serving
from training.commands.serve import Context, proxy_event

PYTHON = ROOT / ".envs/mcp/bin/python"
API_KEY = "a-key-for-tests"
JSON = {"content-type": "application/json"}
META = {f"{mcp.META}protocolVersion": mcp.STATELESS, f"{mcp.META}clientCapabilities": {}}


@pytest.fixture(scope="module")
def url(bundle_path: Path) -> Iterator[str]:
    with serving(bundle_path, FENLEI_API_KEY=API_KEY) as found:
        yield found


MODES = {"auto": mcp.STATELESS, "legacy": mcp.WITH_HANDSHAKE[-1], mcp.STATELESS: mcp.STATELESS}


@pytest.fixture(scope="module")
def agent(url: str) -> dict[str, Any]:
    """What the client found in each of its modes; it starts once, as that takes long."""
    if not PYTHON.exists():
        pytest.skip("the protocol's client is not installed; make .envs/mcp/ready")
    command = [PYTHON, "-X", "utf8", ROOT / "tests/mcp_client.py", f"{url}/mcp", API_KEY, *MODES]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_an_agent_lists_the_tools_and_calls_each(agent: dict[str, Any], mode: str) -> None:
    found = agent[mode]

    assert found["version"] == MODES[mode]
    assert sorted(found["tools"]) == ["classify", "embed", "list_models"]
    assert set(found["tools"]["classify"]["properties"]) == set(ClassifyRequest.__struct_fields__)
    # The client holds each result against the tool's own schema.
    assert found["errors"] == []
    labels = [prediction["label"] for prediction in found["results"]["classify"]["predictions"]]
    assert labels == ["positive", "negative"]
    (model,) = found["results"]["list_models"]["models"]
    assert len(found["results"]["embed"]["embeddings"][0]) == model["embedding_width"]
    assert found["refused"] == [True, "/texts/0: the text is blank."]


@pytest.mark.parametrize(
    ("document", "block"),
    [
        ("handler/https/static/docs.html", r'data-example="json">(.*?)</pre>'),
        ("docs/api.md", r"^```json\n(.*?)^```"),
    ],
)
def test_the_settings_that_the_documents_show_lead_there(url: str, document: str, block: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    (shown,) = [one for one in re.findall(block, text, re.DOTALL | re.MULTILINE) if "mcpServers" in one]
    settings = json.loads(html.unescape(shown))["mcpServers"]["fenlei"]

    place = re.sub(r"^https?://[^/]+", url, settings["url"])
    statuses = [
        ping(place, {name: text.replace("YOUR-KEY", key) for name, text in settings["headers"].items()})
        for key in (API_KEY, "another")
    ]

    assert (settings["type"], statuses) == ("http", [200, 403])


def ping(url: str, headers: dict[str, str]) -> int:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, JSON | headers)) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


# --- what no right client sends ---------------------------------------------------------------------


class Answered(NamedTuple):
    """A response whose body, if there is one, is JSON."""

    status: int
    media_type: str
    body: Any


Say = Callable[..., Answered]


@pytest.fixture
def say(served: object) -> Say:  # noqa: ARG001
    """`say(method, params, id=..., **headers)` sends a message; `raw=` another body."""
    document = contract.served()
    routes = {**api.ROUTES, "/mcp": {"POST": lambda request, record: api.agents(request, record, document)}}

    def said(method: str = "", params: object = None, raw: object = None, **more: Any) -> Answered:
        message = {"jsonrpc": "2.0", "id": 7, "method": method} | ({} if params is None else {"params": params})
        message |= {"id": more.pop("id")} if "id" in more else {}
        headers = JSON | {name.replace("_", "-"): value for name, value in more.items()}
        body = json.dumps(raw or {key: value for key, value in message.items() if value is not None}).encode()
        response = api.respond(proxy_event("POST", "/mcp", headers, body), Context("a-request"), routes)
        content = json.loads(response["body"]) if response["body"] else None
        return Answered(response["statusCode"], response["headers"]["Content-Type"], content)

    return said


def stateless(method: str, name: str = "") -> dict[str, str]:
    """The headers of revision 2026-07-28."""
    return {"mcp_protocol_version": mcp.STATELESS, "mcp_method": method} | ({"mcp_name": name} if name else {})


@pytest.mark.parametrize("asked", mcp.WITH_HANDSHAKE)
def test_a_handshake_is_answered_in_the_version_that_was_asked_for(say: Say, asked: str) -> None:
    status, _, body = say("initialize", {"protocolVersion": asked})

    assert (status, body["id"], body["result"]["protocolVersion"]) == (200, 7, asked)


def test_a_newer_client_is_offered_what_is_spoken_and_an_older_one_is_told(say: Say) -> None:
    newer = say("initialize", {"protocolVersion": "2031-01-01"})
    older = say("initialize", {"protocolVersion": "2024-11-05"})

    assert newer.body["result"]["protocolVersion"] == mcp.WITH_HANDSHAKE[-1]
    assert older.body["error"]["code"] == mcp.BAD_PARAMS
    assert older.body["error"]["data"] == {"supported": list(mcp.VERSIONS), "requested": "2024-11-05"}
    assert "2025-03-26" in older.body["error"]["message"]


@pytest.mark.parametrize("version", ["2024-11-05", "a private matter", ""])
@pytest.mark.parametrize("identity", [7, None])
def test_a_header_with_another_version_is_400_and_quotes_nothing_but_dates(
    say: Say, version: str, identity: int | None
) -> None:
    status, _, body = say("tools/list", id=identity, mcp_protocol_version=version)

    assert (status, body["id"], body["error"]["code"]) == (400, identity, mcp.OTHER_VERSION)
    assert body["error"]["data"]["requested"] == (version if version[:2] == "20" else "")


def test_a_notification_is_received_without_a_word(say: Say) -> None:
    assert say("notifications/initialized", id=None) == (202, "application/json", None)
    assert say("notifications/cancelled", id=None, mcp_protocol_version=mcp.STATELESS).status == 202


@pytest.mark.parametrize(
    ("method", "params", "headers", "code"),
    [
        ("tools/list", {}, stateless("tools/list"), mcp.BAD_PARAMS),
        ("tools/list", {"_meta": META}, stateless("tools/call"), mcp.OTHER_HEADER),
        ("tools/list", {"_meta": META}, {"mcp_protocol_version": mcp.STATELESS}, mcp.OTHER_HEADER),
        ("tools/call", {"_meta": META, "name": "embed"}, stateless("tools/call", "classify"), mcp.OTHER_HEADER),
        (
            "tools/list",
            {"_meta": META | {f"{mcp.META}protocolVersion": "2025-11-25"}},
            stateless("tools/list"),
            mcp.OTHER_HEADER,
        ),
        ("tools/call", {"_meta": META, "name": "none"}, stateless("tools/call", "none"), mcp.BAD_PARAMS),
    ],
)
def test_without_a_handshake_headers_and_body_have_to_agree(
    say: Say, method: str, params: object, headers: dict[str, str], code: int
) -> None:
    status, _, body = say(method, params, **headers)

    assert (status, body["error"]["code"]) == (400, code)


@pytest.mark.parametrize("method", ["resources/list", "a private matter", "initialize", "ping"])
def test_a_method_that_is_not_there_is_404_without_a_handshake(say: Say, method: str) -> None:
    status, _, body = say(method, {"_meta": META}, **stateless(method))

    assert (status, body["error"]["code"]) == (404, mcp.NO_METHOD)
    assert "private" not in json.dumps(body)


def test_with_a_handshake_all_that_is_understood_is_200(say: Say) -> None:
    assert say("ping").body == {"jsonrpc": "2.0", "id": 7, "result": {}}
    assert say("server/discover").body["error"]["code"] == mcp.NO_METHOD
    found = say("tools/call", {"name": "none"})
    assert (found.status, found.body["error"]["code"]) == (200, mcp.BAD_PARAMS)


@pytest.mark.parametrize("identity", ["", "a", 0, 2**63])
def test_an_id_comes_back_as_it_was(say: Say, identity: int | str) -> None:
    assert say("ping", id=identity).body["id"] == identity


@pytest.mark.parametrize("arguments", [[], 3, "a", {"texts": []}, {"tekst": "a"}, {}])
def test_wrong_arguments_are_told_as_the_tool_s_result(say: Say, arguments: object) -> None:
    status, _, body = say("tools/call", {"name": "classify", "arguments": arguments})

    assert (status, body["result"]["isError"]) == (200, True)
    assert body["result"]["content"][0]["text"].endswith(".")


@pytest.mark.parametrize(
    "raw",
    [
        [{"jsonrpc": "2.0", "id": 1, "method": "ping"}],  # a batch
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []},
    ],
)
def test_what_is_no_message_is_a_problem(say: Say, raw: object) -> None:
    status, media_type, body = say(raw=raw)

    assert (status, media_type) == (422, "application/problem+json")
    assert body["errors"]


def test_a_page_may_call_only_if_its_origin_may(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = say("ping", origin="https://elsewhere.example")
    monkeypatch.setenv("CORS_ORIGINS", "https://shop.example")

    assert (refused.status, refused.body["error"]["code"]) == (403, mcp.NO_REQUEST)
    assert say("ping", origin="https://shop.example").status == 200


def test_a_tool_s_schema_is_that_of_its_call_with_nothing_left_to_look_up(say: Say) -> None:
    tools = say("tools/list").body["result"]["tools"]

    assert "$ref" not in json.dumps(tools)
    # Several agents' models refuse a schema that begins with one of these.
    assert all({"not", "oneOf", "anyOf", "allOf"}.isdisjoint(tool["inputSchema"]) for tool in tools)
    by_name = {tool["name"]: tool for tool in tools}
    document = contract.read()["components"]["schemas"]
    assert by_name["classify"]["inputSchema"]["properties"]["texts"]["items"] == document["Text"]
    assert by_name["list_models"]["inputSchema"] == {"type": "object", "additionalProperties": False}
