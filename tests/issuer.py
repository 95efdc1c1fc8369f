"""An OpenID Connect issuer on this machine: what it publishes over HTTP, and tokens that it really signs."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

AUDIENCE = "fenlei"
MAKE = {
    "RS256": lambda kid: RSAKey.generate_key(2048, {"kid": kid}),
    "PS256": lambda kid: RSAKey.generate_key(2048, {"kid": kid}),
    "ES256": lambda kid: ECKey.generate_key("P-256", {"kid": kid}),
    "Ed25519": lambda kid: OKPKey.generate_key("Ed25519", {"kid": kid}),
    "HS256": lambda kid: OctKey.generate_key(256, {"kid": kid}),
}


def make_key(algorithm: str, kid: str) -> Key:
    return MAKE[algorithm](kid)


class Issuer:
    """`keys` are what it publishes; with `down` it answers nothing but 503; `asked` are the paths that it was asked."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/realm"
        self.signing = ("ES256", make_key("ES256", "one"))
        self.keys: list[Any] = [self.signing[1].as_dict(private=False)]
        self.asked: list[str] = []
        self.down = False
        self.about: dict[str, Any] = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        found = {
            "/realm/.well-known/openid-configuration": self.about,
            "/realm/keys": {"keys": self.keys},
        }.get(path)
        if self.down or found is None:
            return 503 if self.down else 404, b"{}"
        return 200, json.dumps(found).encode()

    def token(
        self, key: Key | None = None, header: dict[str, Any] | None = None, without: str = "", **claims: Any
    ) -> str:
        """A token that is good for five minutes, but for what is said otherwise."""
        now = int(time.time())
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "somebody", "iat": now, "nbf": now, "exp": now + 300}
        algorithm, own = self.signing
        said = {name: value for name, value in (good | claims).items() if name != without}
        head = {"alg": algorithm, "kid": own.kid} | (header or {})
        registry = JWSRegistry(algorithms=[str(head["alg"])], strict_check_header=False)
        return jwt.encode({k: v for k, v in head.items() if v is not None}, said, key or own, registry=registry)


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer that answers until the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = one.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        one = Issuer(server.server_port)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield one
        server.shutdown()
