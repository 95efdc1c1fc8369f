"""Who may call with a token: what the authorizer says to API Gateway, with really signed tokens of a local issuer."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from issuer import AUDIENCE, MAKE, Issuer, issuing, make_key
from policies import allowed

from authorizer import tokens


class Seconds(int):
    """From now, when a token is made; a negative number is in the past."""


def at(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: time.time() + one if isinstance(one, Seconds) else one for name, one in claims.items()}


ARN = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/live/POST/v1/classify"


@pytest.fixture(scope="module")
def server() -> Iterator[Issuer]:
    with issuing() as one:
        yield one


@pytest.fixture
def issuer(server: Issuer, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """The issuer as it begins, of which the function knows nothing yet."""
    server.__init__(int(server.url.split(":")[2].split("/")[0]))  # type: ignore[misc]
    tokens.issuer.cache_clear()
    monkeypatch.setenv("TOKEN_ISSUER", server.url)
    monkeypatch.setenv("TOKEN_AUDIENCE", f"another, {AUDIENCE}")
    monkeypatch.delenv("TOKEN_SCOPE", raising=False)
    return server


def ask(token: str, kind: str = "Bearer ") -> dict[str, Any]:
    """What API Gateway is told of a token."""
    return tokens.lambda_handler({"type": "TOKEN", "authorizationToken": f"{kind}{token}", "methodArn": ARN}, None)


def may(answer: dict[str, Any], call: str = "POST/v1/classify") -> bool:
    arn = ARN.replace("POST/v1/classify", call)
    return allowed(answer["policyDocument"]["Statement"], "execute-api:Invoke", arn)


def refused(token: str, kind: str = "Bearer ") -> None:
    """API Gateway makes a 401 of this word, and of nothing else."""
    with pytest.raises(tokens.Unauthorized, match=r"^Unauthorized$"):
        ask(token, kind)


# --- tokens that are good --------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [name for name in MAKE if name != "HS256"])
def test_a_good_token_says_who_it_is_and_opens_the_whole_stage(issuer: Issuer, algorithm: str) -> None:
    issuer.signing = (algorithm, make_key(algorithm, "new"))
    issuer.keys = [issuer.signing[1].as_dict(private=False)]

    answer = ask(issuer.token())

    assert answer["principalId"] == "somebody"
    assert may(answer)
    assert may(answer, "GET/v1/models/reviews-zh")  # it is remembered for the next call, whichever that is
    assert not allowed(answer["policyDocument"]["Statement"], "execute-api:Invoke", ARN.replace("/live/", "/other/"))


def test_a_plan_knows_a_subject_by_a_key_that_can_be_made_by_hand(issuer: Issuer) -> None:
    key = ask(issuer.token())["usageIdentifierKey"]

    assert key == sha256(f"{issuer.url} somebody".encode()).hexdigest()
    assert 20 <= len(key) <= 128  # what API Gateway takes for the value of a key
    assert ask(issuer.token(sub="another"))["usageIdentifierKey"] != key


@pytest.mark.parametrize("claims", [{"aud": ["x", AUDIENCE]}, {"aud": "another"}, {"iat": 0}, {"exp": Seconds(-30)}])
def test_what_else_is_good(issuer: Issuer, claims: dict[str, Any]) -> None:
    # Among several audiences one is enough; and two clocks may be a minute apart.
    assert may(ask(issuer.token(**at(claims))))


def test_a_header_that_nobody_knows_and_a_word_in_small_letters_do_no_harm(issuer: Issuer) -> None:
    assert may(ask(issuer.token(header={"nonce": "x"}), kind="bearer "))


def test_a_single_key_needs_no_name(issuer: Issuer) -> None:
    assert may(ask(issuer.token(header={"kid": None})))


# --- tokens that are not ---------------------------------------------------------------------------

BAD_CLAIMS = {
    "expired": {"exp": Seconds(-120)},
    "not yet": {"nbf": Seconds(600)},
    "of a clock that is off": {"iat": Seconds(600)},
    "of another issuer": {"iss": "https://login.example.com"},
    "of an issuer that looks like it": {"iss": "http://127.0.0.1:1/realm"},
    "for another audience": {"aud": "somebody-else"},
    "for no audience": {"aud": []},
    "of nobody": {"sub": ""},
    "of a number": {"sub": 7},
    "good for ever": {"exp": "never"},
    "of no time": {"exp": float("nan")},
}


@pytest.mark.parametrize("claims", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
def test_a_token_that_was_signed_and_is_not_good_is_refused(issuer: Issuer, claims: dict[str, Any]) -> None:
    refused(issuer.token(**at(claims)))


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "exp"])
def test_a_token_that_leaves_out_what_must_be_said_is_refused(issuer: Issuer, claim: str) -> None:
    refused(issuer.token(without=claim))


def part(content: object) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def test_a_token_without_a_signature_is_refused(issuer: Issuer) -> None:
    _, claims, signature = issuer.token().split(".")

    for word in ("none", "None", "nOnE"):
        refused(f"{part({'alg': word, 'kid': 'one'})}.{claims}.")
        refused(f"{part({'alg': word, 'kid': 'one'})}.{claims}.{signature}")


def test_a_public_key_is_no_shared_secret(issuer: Issuer) -> None:
    # The old attack: what is published is taken for the secret of an algorithm of one key.
    issuer.signing = ("RS256", make_key("RS256", "one"))
    issuer.keys = [issuer.signing[1].as_dict(private=False)]
    secret = make_key("HS256", "secret")
    issuer.keys.append(secret.as_dict())
    header, claims = part({"alg": "HS256", "kid": "one"}), issuer.token().split(".")[1]

    for public in (issuer.signing[1].as_pem(private=False), json.dumps(issuer.keys[0]).encode()):
        made = hmac.digest(public, f"{header}.{claims}".encode(), "sha256")
        refused(f"{header}.{claims}.{urlsafe_b64encode(made).decode().rstrip('=')}")
    refused(issuer.token(secret, {"alg": "HS256", "kid": "secret"}))


def test_a_token_that_somebody_else_signed_is_refused(issuer: Issuer) -> None:
    refused(issuer.token(make_key("ES256", "one")))


def test_a_claim_that_was_changed_is_seen(issuer: Issuer) -> None:
    header, _, signature = issuer.token().split(".")
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "root", "exp": int(time.time()) + 300}

    refused(f"{header}.{part(claims)}.{signature}")


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "..", "é.é.é", "a.b.c.d.e", "x" * 20_000, "{}.{}.{}"])
def test_what_is_no_token_is_refused_and_costs_the_issuer_nothing(issuer: Issuer, token: str) -> None:
    refused(token)
    refused(issuer.token(), kind="Basic ")
    assert issuer.asked == []


def test_no_audience_is_not_any_audience(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_AUDIENCE", " ")
    with pytest.raises(ValueError, match="TOKEN_AUDIENCE is empty"):
        ask(issuer.token())


@pytest.mark.parametrize(
    ("claims", "opened"),
    [
        ({}, False),
        ({"scope": "openid"}, False),
        ({"scope": "fenlei/classify2"}, False),
        ({"scope": "openid fenlei/classify"}, True),
        ({"scp": ["fenlei/classify"]}, True),
        ({"scp": 7}, False),
    ],
)
def test_a_token_without_the_scope_is_denied_and_known(
    issuer: Issuer, claims: dict[str, Any], opened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_SCOPE", "fenlei/classify")

    assert may(ask(issuer.token(**claims))) is opened


def test_a_log_says_why_and_quotes_nothing(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    token = issuer.token(sub="a-name", exp=int(time.time()) - 900)
    with caplog.at_level("INFO"):
        refused(token)

    assert caplog.messages == ["A token was refused: ExpiredTokenError"]


# --- keys: fetched seldom, kept while the issuer is down ---------------------------------------------


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tokens.time, "monotonic", clock.monotonic)
    return clock


def test_keys_are_fetched_once_and_anew_after_an_hour(issuer: Issuer, clock: Clock) -> None:
    for _ in range(5):
        ask(issuer.token())
    assert issuer.asked == ["/realm/.well-known/openid-configuration", "/realm/keys"]

    clock.now += tokens.FRESH_SECONDS
    ask(issuer.token())
    assert len(issuer.asked) == 4


def test_a_new_key_is_taken_up_at_the_first_token_that_it_signed(issuer: Issuer, clock: Clock) -> None:
    old = issuer.token()
    ask(old)
    issuer.signing = ("ES256", make_key("ES256", "two"))
    issuer.keys.append(issuer.signing[1].as_dict(private=False))
    clock.now += tokens.LOOK_SECONDS

    assert may(ask(issuer.token()))
    assert may(ask(old))

    # WHEN the old one is taken back THEN what it signed is good until keys are fetched anew
    del issuer.keys[0]
    clock.now += tokens.FRESH_SECONDS
    refused(old)
    assert may(ask(issuer.token()))


def test_made_up_names_of_keys_make_one_fetch_in_half_a_minute(issuer: Issuer, clock: Clock) -> None:
    ask(issuer.token())
    for number in range(50):
        refused(issuer.token(header={"kid": f"made-up-{number}"}))
    assert len(issuer.asked) == 2

    clock.now += tokens.LOOK_SECONDS
    for number in range(50):
        refused(issuer.token(header={"kid": f"made-up-{number}"}))
    assert len(issuer.asked) == 4


def test_while_the_issuer_is_down_its_keys_are_kept_for_a_day(issuer: Issuer, clock: Clock) -> None:
    ask(issuer.token())
    issuer.down = True

    clock.now += tokens.KEPT_SECONDS - 1
    assert may(ask(issuer.token()))
    clock.now += 1
    with pytest.raises(tokens.IssuerUnavailable, match=r"/realm cannot be had"):
        ask(issuer.token())
    issuer.down = False
    clock.now += tokens.LOOK_SECONDS
    assert may(ask(issuer.token()))


def test_an_issuer_that_is_down_at_the_start_is_asked_once_in_half_a_minute(issuer: Issuer, clock: Clock) -> None:
    issuer.down = True
    for _ in range(20):
        with pytest.raises(tokens.IssuerUnavailable):  # of which API Gateway makes a 500, and the template a 503
            ask(issuer.token())
    assert len(issuer.asked) == 1

    issuer.down = False
    clock.now += tokens.LOOK_SECONDS
    assert may(ask(issuer.token()))


WRONG = {
    "another issuer's": {"issuer": "http://127.0.0.1:1/realm"},
    "no keys": {"jwks_uri": None},
    "not https": {"jwks_uri": "http://login.example.com/keys"},
    "a file": {"jwks_uri": "file:///etc/passwd"},
    "elsewhere on this machine": {"jwks_uri": "http://169.254.169.254/latest/meta-data"},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_discovery_document_that_is_wrong_gives_no_keys(issuer: Issuer, change: dict[str, Any]) -> None:
    issuer.about |= change
    with pytest.raises(tokens.IssuerUnavailable):
        ask(issuer.token())


@pytest.mark.parametrize("keys", [[], None, "keys", [7], [{"kty": "EC"}], [{"kty": "new"}], [{"x" * 300_000: 1}]])
def test_key_sets_that_are_none_are_no_keys(issuer: Issuer, keys: Any) -> None:
    issuer.keys = keys
    with pytest.raises(tokens.IssuerUnavailable):
        ask(issuer.token())


def test_keys_that_are_not_understood_do_not_hide_those_that_are(issuer: Issuer) -> None:
    for_secrets = make_key("ES256", "secrets").as_dict(private=False) | {"use": "enc"}
    issuer.keys = [{"kty": "AKP", "kid": "later"}, {"kty": "RSA", "n": "?", "e": "?"}, for_secrets, *issuer.keys]

    assert may(ask(issuer.token()))
    assert may(ask(issuer.token(header={"kid": None})))  # the only one that signs


def test_where_the_issuer_sends_elsewhere_nobody_follows(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = issuer.answer
    monkeypatch.setattr(issuer, "answer", lambda path: (302, b"") if path.endswith("keys") else answer(path))
    with pytest.raises(tokens.IssuerUnavailable):
        ask(issuer.token())
