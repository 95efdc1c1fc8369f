"""A text that somebody sends is nobody else's business: it is in no log, no metric and no error."""

import gzip
import json
import logging
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handler import api
from handler.model.classifier import Classifier
from tests.proxy_events import KINDS, Asked
from training.commands.serve import Context

REQUESTS = 1000
JSON = {"Content-Type": "application/json"}


def secret_of(chance: random.Random) -> str:
    """Something that turns up nowhere by chance, as a text would be written: no whitespace, several scripts."""
    return "".join(chance.choice("秘密机要私人银行密码甲乙丙丁QZXJ0123456789") for _ in range(12))


def requests(secret: str, chance: random.Random) -> Iterator[Asked]:
    """The secret as a text that is answered, and wherever else a caller may have put it by mistake."""
    quoted = json.dumps(secret)
    yield Asked("POST", "/v1/classify", JSON, json.dumps({"texts": [secret, secret], "explain": True}).encode())
    yield Asked("POST", "/v1/embed", JSON, json.dumps({"text": secret}, ensure_ascii=False).encode())
    bodies = [
        f'{{"text": {quoted}',  # not closed
        f'{{"text": {quoted}, "top_k": 0}}',
        f'{{"text": {quoted}, "top_k": {quoted}}}',
        f'{{"text": {quoted}, "model": {quoted}}}',
        f'{{{quoted}: 1, "text": 2}}',
        f"{{{quoted}: 1e400}}",
        f'{{"texts": [{quoted}, 1, null]}}',
        f'{{"texts": {{{quoted}: 1}}}}',
        f"[{quoted}]",
        quoted,
        secret,
        json.dumps({"text": secret * 1000}),
        json.dumps({"texts": [secret] * 9, "explain": True}),
    ]
    for body in bodies:
        yield Asked("POST", chance.choice(["/v1/classify", "/v1/embed"]), JSON, body.encode())
    raw = json.dumps({"text": secret}, ensure_ascii=False)
    yield Asked("POST", "/v1/classify", JSON, raw.encode("gb18030"))
    yield Asked("POST", "/v1/classify", JSON, raw.encode("utf-16"))
    yield Asked("POST", "/v1/classify", {**JSON, "Content-Encoding": "gzip"}, gzip.compress(raw.encode())[:-4])
    yield Asked("POST", "/v1/classify", {"Content-Type": secret}, raw.encode())
    yield Asked("POST", "/v1/classify", {**JSON, "Content-Encoding": secret, "Origin": secret}, raw.encode())
    for method, name in (("tools/call", "classify"), ("tools/call", secret), (secret, "embed"), ("initialize", "")):
        params = {"name": name, "arguments": {"text": secret}, "protocolVersion": secret}
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        yield Asked("POST", "/mcp", JSON, json.dumps(message).encode())
        yield Asked("POST", "/mcp", {**JSON, "MCP-Protocol-Version": secret}, json.dumps(message).encode())
    yield Asked("POST", "/v1/feedback", JSON, json.dumps({"id": "A" * 32, "label": secret, "text": secret}).encode())
    yield Asked("POST", "/v1/feedback", JSON, json.dumps({"id": secret, "label": 1}).encode())
    yield Asked("GET", f"/v1/models/{secret}")
    yield Asked("GET", f"/{secret}")
    yield Asked("GET", "/health", query={"deep": secret})
    yield Asked(secret, "/v1/classify", JSON, raw.encode())


def answered(asked: Asked, chance: random.Random) -> str:
    """The response, whole."""
    return json.dumps(api.lambda_handler(chance.choice(KINDS)(asked), Context("r")), ensure_ascii=False)


@pytest.mark.usefixtures("served")
def test_a_thousand_secrets_leave_no_trace(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    chance = random.Random(4)
    secrets, sent = [], 0
    while sent < REQUESTS:
        secret = secret_of(chance)
        secrets.append(secret)
        for asked in requests(secret, chance):
            body = answered(asked, chance)
            assert secret not in body, asked
            assert json.dumps(secret)[1:-1] not in body, asked
            sent += 1

    written = capfd.readouterr()
    logged = written.out + written.err + "".join(repr(vars(record)) for record in caplog.records)
    assert sum('"Requests"' in line for line in written.out.splitlines()) == sent
    for secret in secrets:
        assert secret not in logged
        assert json.dumps(secret)[1:-1] not in logged


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("step", ["encode", "predict", "embed"])
def test_an_error_that_quotes_the_text_is_kept_to_itself(
    step: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    # GIVEN a library that puts what it was given into its error
    def fail(_: Classifier, given: Any, *__: Any) -> None:
        raise ValueError(f"cannot read {given!r}: a private matter")

    monkeypatch.setattr(Classifier, step, fail)
    call: Callable[[str], dict[str, Any]] = lambda path: api.lambda_handler(  # noqa: E731
        KINDS[0](Asked("POST", path, JSON, b'{"text": "a private matter"}')), Context("r")
    )

    response = call("/v1/embed" if step == "embed" else "/v1/classify")

    assert response["statusCode"] == 500
    written = capfd.readouterr()
    everything = json.dumps(response) + written.out + written.err + repr([vars(record) for record in caplog.records])
    assert "private" not in everything
    assert caplog.records[-1].kind == "ValueError"  # type: ignore[attr-defined]
