"""The API as its callers see it: each route, each error, and bodies of any shape."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Answer, Call, write_bundle

from handler.https.schema import MAX_BODY_BYTES
from handler.model.bundle import Bundle
from handler.model.classifier import Classifier
from handler.model.interpreter import RUNTIME
from training.commands.serve import proxy_event

STATUSES = {200, 400, 404, 422}


def test_texts_are_classified_in_order(post: Call, classifier: Classifier) -> None:
    texts = ["东西质量很好，物流也快，非常满意", "太差了，第二天就坏了，客服也不理人"]

    answer = post({"texts": texts})

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    manifest = classifier.manifest
    assert answer.body["model"] == {"name": manifest.name, "version": manifest.version}
    for found, expected in zip(answer.body["predictions"], classifier.classify(texts), strict=True):
        assert found == {
            "label": expected.label,
            "confidence": expected.confidence,
            "certain": expected.certain,
            "scores": [{"label": score.label, "score": score.score} for score in expected.scores],
            "tokens": expected.tokens,
            "truncated": expected.truncated,
        }


def test_one_text_gets_one_prediction(post: Call) -> None:
    assert post({"text": "很好"}).body["predictions"] == post({"texts": ["很好"]}).body["predictions"]


def test_top_k_limits_the_scores_and_may_be_larger_than_their_number(post: Call, bundle: Bundle) -> None:
    manifest = bundle.manifest
    for top_k in (1, 2, 10**30):
        (prediction,) = post({"text": "很好", "top_k": top_k}).body["predictions"]
        assert len(prediction["scores"]) == min(top_k, len(manifest.labels))


def test_the_default_model_also_answers_to_its_name(post: Call) -> None:
    default = post({"text": "很好"}).body

    assert post({"text": "很好", "model": default["model"]["name"]}).body == default


def test_an_over_long_text_is_cut_and_says_so(post: Call, bundle: Bundle) -> None:
    manifest = bundle.manifest

    (prediction,) = post({"text": "好" * 10_000}).body["predictions"]

    assert prediction["truncated"] is True
    assert prediction["tokens"] == manifest.max_tokens


def test_models_tells_what_is_served(served: Call, bundle: Bundle) -> None:
    manifest = bundle.manifest

    answer = served(proxy_event("GET", "/v1/models", {}, b""))

    (model,) = answer.body["models"]
    assert answer.status == 200
    assert model["default"] is True
    for name in ("name", "version", "labels", "family", "task", "metrics", "threshold", "max_tokens"):
        assert model[name] == getattr(manifest, name)


def test_health_tells_the_loaded_version_and_the_interpreter(served: Call, bundle: Bundle) -> None:
    manifest = bundle.manifest

    answer = served(proxy_event("GET", "/health", {}, b""))

    assert answer.status == 200
    assert answer.body == {
        "status": "ok",
        "runtime": RUNTIME,
        "models": [{"name": manifest.name, "version": manifest.version}],
    }


# --- errors ---------------------------------------------------------------------------------------


def problem(answer: Answer, status: int) -> dict[str, object]:
    assert answer.status == status
    return answer.body


def test_a_body_that_is_no_json_is_400(post: Call) -> None:
    assert str(problem(post(b"{"), 400)["detail"]).startswith("The body is not valid UTF-8 JSON")


def test_a_body_in_base64_that_is_utf8_json_is_answered(served: Call, post: Call) -> None:
    # API Gateway sends base64 when it takes a media type for binary.
    event = proxy_event("POST", "/v1/classify", {"Content-Type": "application/json"}, b"")

    answer = served(event | {"body": "eyJ0ZXh0IjogIm9rIn0=", "isBase64Encoded": True})

    assert answer == post({"text": "ok"})


def test_an_unknown_path_is_404_and_names_the_routes(served: Call) -> None:
    answer = served(proxy_event("GET", "/v2/classify", {}, b""))

    assert "/v1/classify" in str(problem(answer, 404)["detail"])


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/embed"])
def test_an_unknown_model_is_404_and_names_those_there_are(post: Call, bundle: Bundle, path: str) -> None:
    detail = problem(post({"text": "a", "model": "nope"}, path), 404)["detail"]

    # Not what was asked for: it could be a text that went astray.
    assert detail == f"There is no model of that name; the models here are: {bundle.manifest.name}."


def test_a_body_over_the_limit_is_413(post: Call) -> None:
    problem(post(b'{"text": "%s"}' % (b"a" * MAX_BODY_BYTES)), 413)


def test_another_media_type_is_415(post: Call) -> None:
    problem(post({"text": "a"}, Content_Type="text/plain"), 415)


def test_what_does_not_fit_is_422_with_a_pointer_to_each_bad_field(post: Call) -> None:
    answer = post({"texts": ["a", " ", 3], "top_k": 0})

    assert problem(answer, 422)["errors"] == [
        {"pointer": "/texts/1", "detail": "the text is blank"},
        {"pointer": "/texts/2", "detail": "expected 'str', got 'int'"},
        {"pointer": "/top_k", "detail": "expected 'int' >= 1"},
    ]


def test_without_a_model_every_route_is_503_until_there_is_one(
    served: Call,
    post: Call,
    bundle_path: Path,
    tmp_path: Path,
    switch_to: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a process whose bundle is not there
    switch_to(tmp_path / "nowhere")

    # THEN it answers, and keeps the path to itself
    for answer in (post({"text": "a"}), served(proxy_event("GET", "/health", {}, b""))):
        assert str(tmp_path) not in json.dumps(problem(answer, 503))

    # WHEN the bundle is put there THEN the same process serves it, once it tries again
    monkeypatch.setattr("handler.model.models.RETRY_SECONDS", 0.0)
    shutil.copytree(bundle_path, tmp_path / "nowhere")
    assert post({"text": "a"}).status == 200


def test_a_mistake_of_ours_is_500_and_neither_answer_nor_log_holds_the_text(
    post: Call, bundle: Bundle, tmp_path: Path, switch_to: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    # GIVEN a bundle that nobody should have made: its tokenizer gives ids that its model has no rows for
    read = json.loads(bundle.tokenizer)
    read["model"]["vocab"] = {piece: number + 10_000_000 for piece, number in read["model"]["vocab"].items()}
    tokenizer = json.dumps(read)
    switch_to(write_bundle(tmp_path / "made", bundle, tokenizer=tokenizer))

    answer = post({"text": "a private matter " * 100})

    assert problem(answer, 500)["detail"] == "Something went wrong here."
    (record,) = caplog.records
    assert "private" not in json.dumps(answer) + repr(vars(record))
    # The log tells the kind of error and where it was raised.
    assert record.kind == "RuntimeError"
    assert any(frame.startswith("logits:") for frame in record.frames)


# --- whatever comes -------------------------------------------------------------------------------

any_character = st.characters(codec=None)  # lone surrogates too: JSON can escape them, so Lambda can send them
any_string = st.text(any_character, max_size=20)
any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_string,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_string, inner, max_size=3),
    max_leaves=8,
)


@given(body=any_value | st.dictionaries(st.sampled_from(["text", "texts", "model", "top_k"]), any_value))
def test_any_json_body_is_answered_and_never_with_a_500(post: Call, body: object) -> None:
    assert post(body).status in STATUSES


@given(body=st.binary())
def test_any_bytes_as_a_body_are_answered_and_never_with_a_500(post: Call, body: bytes) -> None:
    assert post(body).status in {400, 422}


@given(text=st.text(min_size=1))
def test_any_text_that_is_not_blank_gets_a_prediction(post: Call, text: str) -> None:
    assert post({"text": text}).status == (200 if text.strip() else 422)


# --- what is written down -------------------------------------------------------------------------


def metrics_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (line,) = [line for line in capsys.readouterr().out.splitlines() if '"Requests"' in line]
    metrics: dict[str, Any] = json.loads(line)
    metrics.pop("ColdStart", None)  # whichever test comes first
    return metrics


def test_each_request_leaves_one_line_of_metrics_without_its_text(
    post: Call, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    post({"texts": ["a private matter", "another"]})

    metrics = metrics_of(capsys)
    assert "private" not in json.dumps(metrics)
    cloudwatch, milliseconds = metrics.pop("_aws"), metrics.pop("Milliseconds")
    assert metrics == {
        "service": "fenlei",
        "route": "POST /v1/classify",
        "status": 200,
        "request_id": "a-request",
        "model_version": bundle.manifest.version,
        "Texts": [2],
        "Certain": metrics["Certain"],
        "Tokens": metrics["Tokens"],
        "Requests": [1],
        "Errors": [0],
    }
    assert 0 < milliseconds[0] < 60_000
    # What CloudWatch makes metrics of.
    assert abs(cloudwatch.pop("Timestamp") / 1000 - time.time()) < 60
    (directive,) = cloudwatch.pop("CloudWatchMetrics")
    assert cloudwatch == {}
    assert metrics["Tokens"][0] > 2 >= metrics["Certain"][0]
    assert {metric["Name"]: metric["Unit"] for metric in directive.pop("Metrics") if metric["Name"] != "ColdStart"} == {
        "Texts": "Count",
        "Certain": "Count",
        "Tokens": "Count",
        "Requests": "Count",
        "Milliseconds": "Milliseconds",
        "Errors": "Count",
    }
    assert directive == {"Namespace": "fenlei", "Dimensions": [["service"]]}


def test_errors_are_counted_by_kind_and_ours_by_version(
    post: Call, tmp_path: Path, switch_to: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    post({"texts": []})
    switch_to(tmp_path / "nowhere")
    post({"text": "a"})

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines if "Problems" in line] == ["InvalidRequest", "Unavailable"]
    assert [line["version"] for line in lines if "Failures" in line] == ["$LATEST"]
    (directive,) = next(line for line in lines if "Failures" in line)["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["version", "service"]]


def test_a_request_is_found_by_the_gateway_s_name_for_it_and_by_its_trace(
    served: Call, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
    event = proxy_event("GET", "/health", {}, b"")

    served(event | {"requestContext": {"requestId": "of-the-gateway"}})

    metrics = metrics_of(capsys)
    assert (metrics["gateway_id"], metrics["trace"]) == ("of-the-gateway", "Root=1-5759e988-bd862e3fe1be46a994272793")


def test_a_request_that_fails_counts_as_an_error_and_leaves_nothing_for_the_next(
    served: Call, post: Call, tmp_path: Path, switch_to: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    switch_to(tmp_path / "nowhere")

    post({"text": "a"})
    failed = metrics_of(capsys)
    served(proxy_event("GET", "/nowhere", {}, b""))
    refused = metrics_of(capsys)

    assert (failed["status"], failed["Requests"], failed["Errors"]) == (503, [1], [1])
    assert (refused["status"], refused["Requests"], refused["Errors"]) == (404, [1], [0])
    assert len(refused["_aws"]["CloudWatchMetrics"][0]["Metrics"]) == 3


def test_a_path_that_somebody_made_up_is_not_written_down(served: Call, capsys: pytest.CaptureFixture[str]) -> None:
    served(proxy_event("GET", "/a-private-matter", {}, b""))

    metrics = metrics_of(capsys)
    assert "private" not in json.dumps(metrics)
    assert metrics["route"] == "unknown"
