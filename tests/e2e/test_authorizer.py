"""What decides on tokens, as `sam build` makes it, under AWS's emulator: a package of its own that decides."""

from pathlib import Path

import pytest
from issuer import AUDIENCE, issuing
from sam import SAM, run

from build import replay

METHOD = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/live/POST/v1/classify"


def test_the_built_authorizer_decides_on_real_tokens(tmp_path: Path) -> None:
    if not SAM.exists():
        pytest.skip("the SAM command line is not installed; make sam")
    command = [SAM, "build", "-t", "infra/authorizer.yaml", "--build-in-source", "--build-dir", tmp_path / "build"]

    built = run(*command)

    package = tmp_path / "build/AuthorizerFunction"
    assert built.returncode == 0, built.stderr
    assert not (package / "handler").exists()
    with issuing() as issuer:
        environment = {"TOKEN_ISSUER": issuer.url, "TOKEN_AUDIENCE": AUDIENCE}
        command = replay.packaged(package, "3.13", "authorizer.tokens.lambda_handler", **environment)
        with replay.running(command, tmp_path / "log") as function:
            answers = [
                function.invoke({"type": "TOKEN", "authorizationToken": f"Bearer {token}", "methodArn": METHOD})
                for token in (issuer.token(), issuer.token(exp=1), issuer.token(iss="https://a.example"))
            ]
    assert answers[0]["principalId"] == "somebody"
    assert answers[0]["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert [answer["errorMessage"] for answer in answers[1:]] == ["Unauthorized", "Unauthorized"]
    assert "eyJ" not in (tmp_path / "log").read_text(encoding="utf-8")
