"""`fenlei publish` and `fenlei rollback`, as they are called, against moto's S3."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cloud import IN, Cloud
from support import ROOT, write_bundle

from handler.model.bundle import Bundle

URI = f"s3://{IN}/models/reviews-zh/"


def fenlei(aws: Cloud, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | aws.environment | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-c", "from training.commands.cli import main; main()", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False)


@pytest.fixture
def held_out(bundle: Bundle, tmp_path: Path) -> Path:
    """Texts with the labels that the default model gives them."""
    path = tmp_path / "held-out.jsonl"
    rows = [{"text": golden.text, "label": str(golden.label)} for golden in bundle.golden()[:60]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_share_is_published_and_taken_back(
    aws: Cloud, bundle: Bundle, bundle_path: Path, held_out: Path, tmp_path: Path
) -> None:
    other = write_bundle(tmp_path / "other", bundle, threshold=0.91)

    first = fenlei(aws, "publish", bundle_path, URI)
    second = fenlei(aws, "publish", other, URI.removesuffix("/"), "--share", "10", "--at-least", held_out, "--json")
    back = fenlei(aws, "rollback", URI)

    assert (first.returncode, first.stdout) == (0, f"100 %  reviews-zh {bundle.manifest.version}\n"), first.stderr
    assert "within a minute" in first.stderr
    assert [one["weight"] for one in json.loads(second.stdout)["serving"]] == [90, 10]
    assert json.loads(second.stdout)["serving"][1]["metrics"]["macro_f1"] == 1
    assert back.stdout == first.stdout
    assert (
        fenlei(aws, "rollback", URI).returncode,
        json.loads(aws.get("models/reviews-zh/live.json", IN))["before"],
    ) == (2, [])


def test_what_is_worse_or_does_not_replay_is_not_published(
    aws: Cloud, bundle: Bundle, bundle_path: Path, held_out: Path, tmp_path: Path
) -> None:
    # GIVEN a bundle whose labels are exchanged, and one in whose golden texts they are, too
    labels = bundle.manifest.labels[::-1]
    exchanged = dict(zip(labels, bundle.manifest.labels, strict=True))
    golden = [json.loads(line) for line in bundle.golden_lines.splitlines()]
    lines = "".join(json.dumps(one | {"label": exchanged[one["label"]]}) + "\n" for one in golden).encode()
    poisoned = write_bundle(tmp_path / "poisoned", bundle, labels=labels)
    worse = write_bundle(tmp_path / "worse", bundle, labels=labels, golden_lines=lines)
    fenlei(aws, "publish", bundle_path, URI)
    before = aws.get("models/reviews-zh/live.json", IN)

    for path, more, sentence in [
        (poisoned, [], "gives 0 of its 200 golden texts"),
        (worse, ["--at-least", held_out], "its macro_f1 is 0, and that of what serves now is 1; it was not published"),
    ]:
        ran = fenlei(aws, "publish", path, URI, *more)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert sentence in ran.stderr
        assert "Traceback" not in ran.stderr
    assert aws.get("models/reviews-zh/live.json", IN) == before


def test_a_place_or_an_account_that_is_none_is_one_sentence(aws: Cloud, bundle_path: Path) -> None:
    for uri, status, sentence in [
        ("models/reviews", 2, "names no registry; write it as s3://bucket/models/NAME/"),
        ("s3://nowhere/models/", 1, "NoSuchBucket"),
    ]:
        ran = fenlei(aws, "publish", bundle_path, uri)
        assert ran.returncode == status
        assert sentence in ran.stderr
        assert ran.stderr.startswith("error: ")
        assert "Traceback" not in ran.stderr


def test_a_key_of_kms_signs_what_is_published_and_what_is_taken_back(
    aws: Cloud, bundle: Bundle, bundle_path: Path, tmp_path: Path
) -> None:
    key = aws.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["Arn"]
    other = write_bundle(tmp_path / "other", bundle, threshold=0.91)

    first = fenlei(aws, "publish", bundle_path, URI, "--sign-with", key, "--json")
    fenlei(aws, "publish", other, URI)
    back = fenlei(aws, "rollback", URI, "--json")

    signatures = [json.loads(one.stdout)["signature"] for one in (first, back)]
    assert [one["key"] for one in signatures] == [key, key]
    assert signatures[0]["value"] != signatures[1]["value"]
    assert fenlei(aws, "rollback", URI, "--sign-with", "alias/nobody").returncode == 2  # nothing was before
