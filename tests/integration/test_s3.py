"""Files in S3: every kind of event, and what is in the output bucket afterwards."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from cloud import OUT, Cloud, Queue, refusing

from handler import s3
from handler.errors import EventError, FileError
from handler.files import objects
from handler.model.bundle import Bundle
from handler.model.classifier import Classifier
from handler.s3 import lambda_handler
from tests.s3_events import IN, TWO_LINES, Invocation, eventbridge_event, s3_event, sqs_event

pytestmark = pytest.mark.usefixtures("fresh_models")


def handle(event: dict[str, Any], context: Any = None) -> Any:
    return lambda_handler(event, context or Invocation())


# --- events ------------------------------------------------------------------------------------------

KEY = "新 文件夹/a+b %20 c.jsonl"


@pytest.mark.parametrize("wrap", [lambda event: event, sqs_event], ids=["direct", "through SQS"])
@pytest.mark.parametrize("write", [s3_event, eventbridge_event], ids=["S3", "EventBridge"])
def test_every_event_leads_to_predictions_and_a_summary(
    aws: Cloud, bundle: Bundle, write: Callable[..., dict[str, Any]], wrap: Callable[..., dict[str, Any]]
) -> None:
    version = aws.put(KEY, TWO_LINES)

    answer = handle(wrap(write(KEY, version)))

    assert answer in (None, {"batchItemFailures": []})
    found = aws.predictions(KEY)
    assert [(line["line"], line["id"], line["label"]) for line in found] == [(1, "a", "positive"), (2, 7, "negative")]
    summary = aws.summary(KEY)
    assert summary["status"] == "complete"
    assert summary["source"]["version_id"] == version
    assert summary["model"] == {"name": bundle.manifest.name, "version": bundle.manifest.version}
    assert summary["tally"]["lines"] == 2
    assert summary["label_shares"] == {"negative": 0.5, "positive": 0.5}
    head = aws.client("s3").head_object(Bucket=OUT, Key=f"{KEY}.predictions.jsonl")
    assert summary["output"]["etag"] == head["ETag"]
    assert head["Metadata"] == {"source-version": version, "model-version": bundle.manifest.version}


def test_of_several_messages_only_those_that_failed_go_back(aws: Cloud) -> None:
    good = s3_event("good.jsonl", aws.put("good.jsonl", TWO_LINES))
    denied = s3_event("denied.jsonl", aws.put("denied.jsonl", TWO_LINES))
    aws.fault = refusing("denied.jsonl", 403, "AccessDenied")

    answer = handle(sqs_event(good, denied, "no event at all", good))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]}
    assert aws.summary("good.jsonl")["status"] == "complete"


def test_when_s3_does_not_answer_at_all_the_message_goes_back(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(objects, "PATIENCE", {"retries": {"mode": "standard", "total_max_attempts": 1}})
    event = s3_event("a.jsonl", aws.put("a.jsonl", TWO_LINES))
    objects.client.cache_clear()

    assert handle(sqs_event(event)) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}


def test_a_message_that_failed_comes_again_sooner_than_the_queue_says(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a queue that would wait for an hour, and an object that cannot be read the first time
    queue = Queue(aws, visibility=3600)
    monkeypatch.setenv("QUEUE_URL", queue.url)
    monkeypatch.setattr(s3, "SHORTEST_WAIT", 0)
    queue.send(s3_event("a.jsonl", aws.put("a.jsonl", TWO_LINES)))
    aws.fault = refusing("a.jsonl", 403, "AccessDenied")

    queue.deliver(queue.receive(), handle)
    aws.fault = None
    queue.drain(handle)

    assert aws.summary("a.jsonl")["status"] == "complete"


@pytest.mark.parametrize("event", [{}, {"Records": []}, {"Records": [1]}, {"source": "aws.s3"}, {"Items": 1}])
def test_what_is_no_event_is_an_error(event: dict[str, Any]) -> None:
    with pytest.raises(EventError, match="This is no"):
        handle(event)


@pytest.mark.parametrize(
    "event", [{"Event": "s3:TestEvent", "Bucket": IN}, s3_event("a.txt", name="ObjectTagging:Put"), s3_event("a/")]
)
def test_an_event_about_nothing_to_classify_does_nothing(aws: Cloud, event: dict[str, Any]) -> None:
    assert handle(event) is None
    assert aws.contents() == []


def test_an_output_bucket_that_is_the_input_bucket_is_refused(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTPUT_BUCKET", IN)
    with pytest.raises(EventError, match="OUTPUT_BUCKET"):
        handle(s3_event("a.jsonl", aws.put("a.jsonl", TWO_LINES)))


def test_the_object_s_metadata_names_the_columns_and_how_many_scores(aws: Cloud) -> None:
    content = '{"文本": "很好", "text": "太差了", "no": 3}\n'.encode()
    metadata = {"text-column": "%E6%96%87%E6%9C%AC", "id-column": "no", "top-k": "2"}
    version = aws.put("a.jsonl", content, Metadata=metadata)

    handle(s3_event("a.jsonl", version))

    (line,) = aws.predictions("a.jsonl")
    assert (line["id"], line["label"]) == (3, "positive")
    assert [score["label"] for score in line["scores"]] == ["positive", "negative"]


@pytest.mark.parametrize(
    "key", ["a.txt", "a.csv", "a.tsv", "a.jsonl", "A.TXT.GZ", "a.csv.gz", "a.tsv.gz", "a.jsonl.gz"]
)
def test_every_format_gives_the_answers_of_the_classifier_in_order(
    aws: Cloud, key: str, reviews: list[str], classifier: Classifier
) -> None:
    texts = [review.replace('"', "").replace("\t", " ") for review in reviews if "\n" not in review]
    body = {
        "txt": "\n".join(texts),
        "csv": "text,id\n" + "".join(f'"{text}",{i}\n' for i, text in enumerate(texts)),
        "tsv": "id\ttext\n" + "".join(f"{i}\t{text}\n" for i, text in enumerate(texts)),
        "jsonl": "".join(json.dumps({"text": text, "id": str(i)}) + "\n" for i, text in enumerate(texts)),
    }[key.lower().split(".")[1]].encode()

    handle(s3_event(key, aws.put(key, gzip.compress(body) if key.lower().endswith(".gz") else body)))

    found = aws.predictions(key)
    assert [line["label"] for line in found] == [answer.label for answer in classifier.classify(texts)]
    assert [line["line"] for line in found] == [
        i + (2 if ".csv" in key or ".tsv" in key else 1) for i in range(len(texts))
    ]
    if "txt" not in key.lower():
        assert [line["id"] for line in found] == [str(i) for i in range(len(texts))]


# --- nobody else's business ----------------------------------------------------------------------------------


def test_no_text_is_in_the_log_or_in_an_error(
    aws: Cloud, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    secret = "绝密机要QZX0123"
    content = f'{{"text": "{secret}"}}\n{{"text": "{secret}\n{{"{secret}": 1}}\n'.encode()
    for key in ("a.jsonl", "a.txt", "a.csv", "a.pdf", "a.txt.gz"):
        handle(sqs_event(s3_event(key, aws.put(key, content)), secret))

    written = capfd.readouterr()
    logged = written.out + written.err + repr([vars(record) for record in caplog.records])
    assert len(caplog.records) == 5  # of the messages that are no events
    assert secret not in logged
    assert json.dumps(secret)[1:-1] not in logged
    for key in aws.contents():
        assert secret.encode() not in aws.get(key)


@pytest.mark.parametrize("kind", ["S3", "SQS", "state machine"])
def test_an_error_that_quotes_a_text_is_kept_to_itself(
    aws: Cloud,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: Classifier, texts: list[str], *__: Any) -> None:
        raise ValueError(f"cannot read {texts}")

    monkeypatch.setattr(Classifier, "classify", fail)
    event = s3_event("a.jsonl", aws.put("a.jsonl", b'{"text": "a private matter"}'))
    batch = {"BatchInput": {"bucket": IN, "output_bucket": OUT}, "Items": [{"Key": "a.jsonl"}]}

    if kind == "SQS":
        assert handle(sqs_event(event)) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    else:
        with pytest.raises(FileError, match=r"objects failed, the first is 'a\.jsonl'") as raised:
            handle(batch if kind == "state machine" else event)
        assert raised.value.__cause__ is None
        assert raised.value.__context__ is None
    written = capfd.readouterr()
    assert "private" not in written.out + written.err + repr([vars(record) for record in caplog.records])
    assert caplog.records[-1].kind == "ValueError"  # type: ignore[attr-defined]


def test_each_object_is_one_line_of_metrics(aws: Cloud, capfd: pytest.CaptureFixture[str]) -> None:
    handle(s3_event("a.jsonl", aws.put("a.jsonl", TWO_LINES + b"{\n")))

    (line,) = [json.loads(line) for line in capfd.readouterr().out.splitlines() if "CloudWatchMetrics" in line]
    assert (line["Lines"], line["RejectedLines"], line["result"]) == ([3.0], [1.0], "complete")
