"""What callers say was right, from the id of an answer to a line in moto's S3."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud import IN, Cloud, refusing
from hypothesis import given
from hypothesis import strategies as st
from support import write_bundle

from handler import api
from handler.https import feedback
from handler.model.bundle import Bundle
from handler.model.models import models
from handler.model.prediction import Prediction
from training.commands.serve import Context, proxy_event

URI = f"s3://{IN}/feedback/"
TEXTS = ["东西质量很好，非常满意", "太差了，第二天就坏了"]


@pytest.fixture(autouse=True)
def kept(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A stack that keeps feedback without texts."""
    monkeypatch.setenv("FEEDBACK_URI", URI)
    monkeypatch.setenv("FEEDBACK_KEY", "arn:aws:cloudformation:eu-central-1:123456789012:stack/fenlei/a")
    monkeypatch.setattr(feedback, "_diary", feedback._Diary())
    feedback.sealer.cache_clear()
    models.cache_clear()
    yield aws
    models.cache_clear()


def call(path: str, body: object) -> tuple[int, Any]:
    event = proxy_event("POST", path, {"content-type": "application/json"}, json.dumps(body).encode())
    response = api.lambda_handler(event, Context("a-request"))
    return response["statusCode"], json.loads(response["body"])


def answers() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call("/v1/classify", {"texts": TEXTS})[1]["predictions"]
    return found


def lines(aws: Cloud) -> list[dict[str, Any]]:
    return [json.loads(line) for key in aws.contents(IN) for line in aws.get(key, IN).splitlines()]


def test_an_answer_has_an_id_and_what_is_said_of_it_is_kept_without_its_text(aws: Cloud, bundle: Bundle) -> None:
    first, second = answers()

    assert call("/v1/feedback", {"id": first["id"], "label": "positive", "text": TEXTS[0]}) == (
        200,
        {"right": True, "text_kept": False},
    )
    assert call("/v1/feedback", {"id": second["id"], "label": "positive"})[1] == {"right": False, "text_kept": False}

    (key,) = aws.contents(IN)
    kept = lines(aws)
    assert key.startswith(f"feedback/{kept[0]['at'][:10]}/")
    assert [(one["id"], one["label"], one["right"]) for one in kept] == [
        (first["id"], "positive", True),
        (second["id"], "positive", False),
    ]
    assert {one["version"] for one in kept} == {bundle.manifest.version[:8]}
    assert "text" not in kept[0]
    assert TEXTS[0] not in aws.get(key, IN).decode()


def test_a_text_is_kept_where_the_stack_says_so_and_the_caller_sends_it(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEP_FEEDBACK_TEXTS", "true")
    first, second = answers()

    assert call("/v1/feedback", {"id": first["id"], "label": "negative", "text": TEXTS[0]})[1]["text_kept"] is True
    assert call("/v1/feedback", {"id": second["id"], "label": "negative"})[1]["text_kept"] is False
    assert [one.get("text") for one in lines(aws)] == [TEXTS[0], None]


def test_it_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    _, second = answers()
    capsys.readouterr()

    call("/v1/feedback", {"id": second["id"], "label": "positive"})

    (line,) = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    assert (line["Feedback"], line["FeedbackWrong"]) == ([1], [1])


def test_an_id_or_a_label_that_never_was_is_refused_and_quoted_nowhere(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = answers()
    changed = ("B" if first["id"][0] == "A" else "A") + first["id"][1:]
    for body, pointer in [
        ({"id": changed, "label": "positive"}, "/id"),
        ({"id": "A" * 32, "label": "positive"}, "/id"),
        ({"id": "a private matter", "label": "positive"}, "/id"),
        ({"id": first["id"], "label": "a private matter"}, "/label"),
        ({"id": first["id"], "label": "positive", "text": " "}, "/text"),
    ]:
        status, problem = call("/v1/feedback", body)
        assert (status, problem["errors"][0]["pointer"]) == (422, pointer)
        assert "private" not in json.dumps(problem)
    # An id of another stack
    monkeypatch.setenv("FEEDBACK_KEY", "another")
    feedback.sealer.cache_clear()
    assert call("/v1/feedback", {"id": first["id"], "label": "positive"})[0] == 422
    assert aws.contents(IN) == []


@given(st.binary(min_size=24, max_size=24))
def test_nothing_but_an_id_that_was_given_is_one(raw: bytes) -> None:
    from base64 import urlsafe_b64encode

    assert feedback.given_with(urlsafe_b64encode(raw).decode()) is None


def test_a_model_that_was_replaced_meanwhile_does_no_harm(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = answers()
    monkeypatch.setenv("MODEL_DIR", str(write_bundle(tmp_path / "next", bundle, threshold=0.93)))
    models.cache_clear()

    assert call("/v1/feedback", {"id": first["id"], "label": "positive"})[1]["right"] is True


def test_what_s3_does_not_take_is_503_and_may_be_sent_again(aws: Cloud) -> None:
    first, _ = answers()
    aws.fault = refusing("/feedback/", 503, "SlowDown")
    status, problem = call("/v1/feedback", {"id": first["id"], "label": "positive"})
    aws.fault = None

    assert (status, problem["detail"]) == (503, "The feedback could not be kept; send it again.")
    assert call("/v1/feedback", {"id": first["id"], "label": "positive"})[0] == 200
    assert len(lines(aws)) == 1


def test_a_full_file_is_followed_by_another(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "LINES_A_FILE", 2)
    first, _ = answers()

    for _ in range(5):
        assert call("/v1/feedback", {"id": first["id"], "label": "positive"})[0] == 200
    assert sorted(len(aws.get(key, IN).splitlines()) for key in aws.contents(IN)) == [1, 2, 2]


def test_without_a_place_there_are_no_ids_and_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = answers()
    monkeypatch.delenv("FEEDBACK_URI")

    assert "id" not in answers()[0]
    assert call("/v1/feedback", {"id": first["id"], "label": "positive"})[0] == 404


def test_answers_without_one_label_have_no_id(bundle: Bundle) -> None:
    import msgspec

    several = msgspec.structs.replace(bundle.manifest, activation="independent")

    (made,) = feedback.with_ids([Prediction(1, False, value=1.0)], several)
    assert made.id is msgspec.UNSET
