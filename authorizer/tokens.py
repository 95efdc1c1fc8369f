"""Decides on tokens of an OpenID Connect issuer, for API Gateway; infra/authorizer.yaml deploys it, by itself.

What a token must be: signed by a key that the issuer publishes now, with an algorithm of two keys; from this issuer,
for this audience, within its time, of somebody (RFC 7519, sections 4.1 and 7.2; OpenID Connect Core, section 3.1.3.7).
API Gateway makes a 401 of an exception whose message is "Unauthorized", a 403 of a policy that denies, and a 500 of any
other exception ("Output from an API Gateway Lambda authorizer").
"""

import hashlib
import json
import logging
import os
import time
import urllib.request
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from joserfc.jws import JWSRegistry

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
KEY_TYPES = ("RSA", "EC", "OKP")
LEEWAY_SECONDS = 60  # that two clocks may differ by
# Keys are fetched anew when they are an hour old or a token names another one, but never oftener than this, so that
# made-up tokens cannot make this function call the issuer as often as they like.
LOOK_SECONDS = 30.0
FRESH_SECONDS = 3600.0
# An issuer that is down is no reason to refuse tokens that were good a moment ago; after a day it is.
KEPT_SECONDS = 86_400.0
TIMEOUT_SECONDS = 3.0
DOCUMENT_BYTES = 256 * 1024
TOKEN_LETTERS = 10_240  # all headers of a request that API Gateway takes

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


class Unauthorized(Exception):
    """A token that is not good; its message is the word that API Gateway looks for."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class IssuerUnavailable(Exception):
    """The issuer's keys cannot be had, and none are kept."""


class Issuer:
    """The keys of one issuer, as it publishes them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._keys = KeySet([])
        self._fetched = self._looked = float("-inf")

    def key(self, kid: str | None) -> Key:
        """The key of that name, or the only one. Raises IssuerUnavailable, or JoseError if there is no such key."""
        now = time.monotonic()
        if now - self._fetched >= FRESH_SECONDS:
            self._look()
        if now - self._fetched >= KEPT_SECONDS:
            raise IssuerUnavailable(f"The keys of {self.url} cannot be had; this is tried again in half a minute.")
        try:
            return self._keys.get_by_kid(kid)
        except JoseError:
            self._look()
            return self._keys.get_by_kid(kid)

    def _look(self) -> None:
        """Fetches the keys, unless that was tried just now; what goes wrong is logged, and changes nothing."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            about = _fetched(f"{self.url.removesuffix('/')}/.well-known/openid-configuration")
            if about.get("issuer") != self.url:
                raise ValueError("its discovery document names another issuer")
            keys = KeySet([key for one in _fetched(str(about.get("jwks_uri")))["keys"] for key in _imported(one)])
            if not keys:
                raise ValueError("it publishes no key that signs")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.error("The keys of %s cannot be had: %s", self.url, error)
            return
        self._keys, self._fetched = keys, time.monotonic()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def _fetched(url: str) -> dict[str, Any]:
    """A JSON document. Raises OSError or ValueError; over plain HTTP only from this machine, for tests."""
    place = urlsplit(url)
    if place.scheme != "https" and (place.scheme, place.hostname) != ("http", "127.0.0.1"):
        raise ValueError(f"{url} is not https")
    with _opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
        content = answer.read(DOCUMENT_BYTES + 1)
    if len(content) > DOCUMENT_BYTES:
        raise ValueError(f"{url} is over {DOCUMENT_BYTES:,} bytes")
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError(f"{url} is no JSON object")
    return document


def _imported(one: Any) -> list[Key]:
    """A published key, if it is one that signs and that is understood here; issuers publish others beside it."""
    if not isinstance(one, dict) or one.get("kty") not in KEY_TYPES or one.get("use", "sig") != "sig":
        return []
    with suppress(JoseError, ValueError, TypeError, KeyError):
        return [JWKRegistry.import_key(one)]
    return []


@cache
def issuer(url: str) -> Issuer:
    """The issuer of that URL, whose keys this process keeps."""
    return Issuer(url)


def claims_of(token: str, url: str, audiences: list[str]) -> dict[str, Any]:
    """The claims of a token that is good. Raises Unauthorized, with the reason in the log, or IssuerUnavailable."""
    if len(token) > TOKEN_LETTERS:
        raise Unauthorized
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    required = jwt.JWTClaimsRegistry(
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": url},
        aud={"essential": True, "values": [*audiences]},
        exp={"essential": True},
        sub={"essential": True},
    )
    try:
        claims = jwt.decode(token, lambda seen: issuer(url).key(seen.headers().get("kid")), registry=registry).claims
        required.validate(claims)
    except (JoseError, ValueError, TypeError, AttributeError) as error:
        # Its class alone: a message may quote the token.
        logger.info("A token was refused: %s", type(error).__name__)
        raise Unauthorized from None
    return claims


def lambda_handler(event: dict[str, Any], _: Any) -> dict[str, Any]:
    """Answers API Gateway's question about one token: who it is, whether they may, and which plan bounds them.

    Raises Unauthorized, IssuerUnavailable, or ValueError if it was deployed for no audience.
    """
    kind, _, token = str(event.get("authorizationToken")).partition(" ")
    if kind.lower() != "bearer":
        raise Unauthorized
    url, scope = os.environ["TOKEN_ISSUER"], os.environ.get("TOKEN_SCOPE", "")
    audiences = os.environ["TOKEN_AUDIENCE"].replace(",", " ").split()
    if not audiences:  # which joserfc would take for any
        raise ValueError("TOKEN_AUDIENCE is empty; name for whom tokens are issued.")
    claims = claims_of(token.strip(), url, audiences)
    allowed = not scope or scope in _scopes(claims)
    if not allowed:
        logger.info("A token was refused: it has not the scope")
    # API Gateway remembers the answer for this token, whatever it asks for next: so the whole stage is named.
    arn, stage = str(event["methodArn"]).split("/")[:2]
    statement = {
        "Effect": "Allow" if allowed else "Deny",
        "Action": "execute-api:Invoke",
        "Resource": f"{arn}/{stage}/*",
    }
    return {
        "principalId": claims["sub"],
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "usageIdentifierKey": plan_key(url, claims["sub"]),
    }


def plan_key(url: str, subject: str) -> str:
    """The value of the API key by which plans know a subject: hexadecimal sha256 of `ISSUER SUBJECT`.

    It is no secret. Where plans go by tokens, the gateway reads no key of a caller's.
    """
    return hashlib.sha256(f"{url} {subject}".encode()).hexdigest()


def _scopes(claims: dict[str, Any]) -> list[str]:
    """OAuth's `scope`, words with spaces between them (RFC 8693, section 4.2), or `scp` as others write it."""
    found = claims.get("scope", claims.get("scp", ""))
    return [str(one) for one in found] if isinstance(found, list) else str(found).split()
