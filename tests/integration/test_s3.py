"""Files in S3: every kind of event, and what is in the output bucket afterwards."""

import gzip
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from cloud import OUT, Application, Cloud, Queue, refuse, refusing

from handler import s3
from handler.errors import EventError, FileError
from handler.files import batch, objects
from handler.model.bundle import Bundle
from handler.model.classifier import Classifier
from handler.model.models import models
from handler.s3 import lambda_handler
from tests.s3_events import IN, TWO_LINES, Invocation, eventbridge_event, s3_event, sqs_event

pytestmark = pytest.mark.usefixtures("fresh_models")


Clocks = Callable[[int], Callable[[], float]]


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


# --- once, and the newest -------------------------------------------------------------------------------


def versions(aws: Cloud) -> list[str]:
    found = aws.client("s3").list_object_versions(Bucket=OUT)
    return sorted(version["Key"] for version in found.get("Versions", []))


def test_a_duplicate_writes_nothing(aws: Cloud) -> None:
    event = s3_event("a.jsonl", aws.put("a.jsonl", TWO_LINES))

    for _ in range(3):
        handle(event)

    assert versions(aws) == ["a.jsonl.predictions.jsonl", "a.jsonl.summary.json"]


def test_an_older_version_that_comes_late_changes_nothing(aws: Cloud) -> None:
    old, new = aws.put("a.jsonl", TWO_LINES), aws.put("a.jsonl", TWO_LINES * 2)

    handle(s3_event("a.jsonl", new))
    handle(s3_event("a.jsonl", old))

    assert aws.summary("a.jsonl")["source"]["version_id"] == new
    assert versions(aws) == ["a.jsonl.predictions.jsonl", "a.jsonl.summary.json"]


def test_whatever_version_an_event_is_about_the_current_one_is_classified(aws: Cloud) -> None:
    old, new = aws.put("a.jsonl", TWO_LINES), aws.put("a.jsonl", TWO_LINES * 2)

    handle(s3_event("a.jsonl", old))

    assert aws.summary("a.jsonl")["source"]["version_id"] == new
    assert len(aws.predictions("a.jsonl")) == 4


@pytest.mark.parametrize("write", [s3_event, eventbridge_event], ids=["S3", "EventBridge"])
def test_a_version_that_is_current_again_gets_its_outputs_back(aws: Cloud, write: Callable[..., Any]) -> None:
    # GIVEN a version that was done when it was current, and a newer one that is deleted for good
    old, new = aws.put("a.jsonl", TWO_LINES), aws.put("a.jsonl", TWO_LINES * 2)
    handle(write("a.jsonl", new))
    aws.client("s3").delete_object(Bucket=IN, Key="a.jsonl", VersionId=new)

    handle(write("a.jsonl", new, name="ObjectRemoved:Delete"))

    assert aws.summary("a.jsonl")["source"]["version_id"] == old
    assert len(aws.predictions("a.jsonl")) == 2


def test_bytes_that_come_back_do_not_let_older_predictions_in(aws: Cloud) -> None:
    # GIVEN a version that was done, and a worker that is about to write the predictions of the next
    handle(s3_event("a.jsonl", aws.put("a.jsonl", TWO_LINES)))
    between = aws.put("a.jsonl", TWO_LINES * 2)
    newest = ""

    def put_again(environ: dict[str, Any], _: Any, __: Application) -> None:
        nonlocal newest
        if environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith("predictions.jsonl"):
            aws.fault = None
            newest = aws.put("a.jsonl", TWO_LINES)
            handle(s3_event("a.jsonl", newest))

    aws.fault = put_again

    # WHEN the first one's content comes back and is done, so that the predictions' ETag is what the worker has seen
    handle(s3_event("a.jsonl", between))

    # THEN what is there in the end is the newest version's
    summary, head = aws.summary("a.jsonl"), aws.client("s3").head_object(Bucket=OUT, Key="a.jsonl.predictions.jsonl")
    assert newest
    assert summary["source"]["version_id"] == newest
    assert summary["output"]["etag"] == head["ETag"]
    assert len(aws.predictions("a.jsonl")) == 2


def test_outputs_stay_when_their_object_is_deleted(aws: Cloud) -> None:
    version = aws.put("a.jsonl", TWO_LINES)
    handle(s3_event("a.jsonl", version))
    before = aws.get("a.jsonl.summary.json")
    aws.client("s3").delete_object(Bucket=IN, Key="a.jsonl")

    handle(s3_event("a.jsonl", version))
    handle(s3_event("a.jsonl", "marker", name="ObjectRemoved:DeleteMarkerCreated"))

    assert aws.get("a.jsonl.summary.json") == before
    assert len(aws.predictions("a.jsonl")) == 2


def test_no_two_summaries_are_alike(aws: Cloud) -> None:
    """Whatever the clock says: each attempt draws a name."""
    event = s3_event("a.jsonl", aws.put("a.jsonl", TWO_LINES))
    names = set()
    for _ in range(3):
        handle(event)
        names.add(aws.summary("a.jsonl")["attempt"])
        aws.client("s3").delete_object(Bucket=OUT, Key="a.jsonl.summary.json")

    assert len(names) == 3


@pytest.mark.parametrize("method", ["GET", "PUT"], ids=["while it is read", "before it is written"])
def test_an_object_replaced_meanwhile_ends_in_the_newer_one(aws: Cloud, method: str) -> None:
    # GIVEN an object that is replaced, and the newer version classified, at one request for the older one
    newer = ""

    def replace(environ: dict[str, Any], _: Any, __: Application) -> None:
        nonlocal newer
        if environ["REQUEST_METHOD"] == method and "summary" not in environ["PATH_INFO"]:
            aws.fault = None
            newer = aws.put("a.jsonl", TWO_LINES * 2)
            handle(s3_event("a.jsonl", newer))

    older = aws.put("a.jsonl", TWO_LINES)
    aws.fault = replace

    handle(s3_event("a.jsonl", older))

    assert newer
    assert aws.summary("a.jsonl")["source"]["version_id"] == newer
    assert len(aws.predictions("a.jsonl")) == 4


def test_a_crash_between_predictions_and_summary_is_repaired_by_the_next_delivery(aws: Cloud) -> None:
    event = s3_event("a.jsonl", aws.put("a.jsonl", TWO_LINES))

    aws.fault = lambda environ, start, _: (
        refuse(start, 403, "AccessDenied")
        if environ["REQUEST_METHOD"] == "PUT" and "summary" in environ["PATH_INFO"]
        else None
    )
    assert handle(sqs_event(event)) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert aws.contents() == ["a.jsonl.predictions.jsonl"]
    first = aws.get("a.jsonl.predictions.jsonl")
    aws.fault = None
    handle(event)

    assert aws.summary("a.jsonl")["status"] == "complete"
    assert aws.get("a.jsonl.predictions.jsonl") == first


def test_another_model_classifies_an_object_again(
    aws: Cloud, bundle: Bundle, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support import write_bundle

    event = s3_event("a.jsonl", aws.put("a.jsonl", TWO_LINES))
    handle(event)
    monkeypatch.setenv("MODEL_DIR", str(write_bundle(tmp_path / "other", bundle, threshold=0.5)))
    models.cache_clear()
    handle(event)

    models.cache_clear()
    assert aws.summary("a.jsonl")["model"]["version"] != bundle.manifest.version
    assert versions(aws).count("a.jsonl.summary.json") == 2


@pytest.fixture(params=["never had versions", "versions suspended"])
def plain(aws: Cloud, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Puts content into a bucket whose versions have no names, and handles the event."""
    s3_client = aws.client("s3")
    s3_client.create_bucket(Bucket="plain", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    if request.param == "versions suspended":
        s3_client.put_bucket_versioning(Bucket="plain", VersioningConfiguration={"Status": "Suspended"})

    def put(content: bytes = b"", **metadata: str) -> Any:
        if content:
            s3_client.put_object(Bucket="plain", Key="a.jsonl", Body=content, Metadata=metadata)
        return handle(json.loads(json.dumps(s3_event("a.jsonl")).replace(IN, "plain")))

    return put


def test_a_bucket_without_versions_will_do(aws: Cloud, plain: Callable[..., Any]) -> None:
    plain(TWO_LINES)
    plain()

    assert versions(aws) == ["a.jsonl.predictions.jsonl", "a.jsonl.summary.json"]


def test_without_versions_new_content_is_no_duplicate(aws: Cloud, plain: Callable[..., Any]) -> None:
    plain(TWO_LINES)
    plain(TWO_LINES * 2)

    assert len(aws.predictions("a.jsonl")) == 4


def test_without_versions_outputs_stay_when_their_object_is_deleted(aws: Cloud, plain: Callable[..., Any]) -> None:
    plain(TWO_LINES)
    aws.client("s3").delete_object(Bucket="plain", Key="a.jsonl")
    plain()  # the event comes again, late

    assert aws.summary("a.jsonl")["status"] == "complete"


def test_without_versions_the_same_bytes_with_better_metadata_are_classified(
    aws: Cloud, plain: Callable[..., Any]
) -> None:
    plain(TWO_LINES, **{"top-k": "many"})
    assert aws.summary("a.jsonl")["status"] == "refused"
    plain(TWO_LINES, **{"top-k": "2"})

    assert aws.summary("a.jsonl")["status"] == "complete"
    assert [len(line["scores"]) for line in aws.predictions("a.jsonl")] == [2, 2]


@pytest.mark.parametrize(
    ("headers", "archive"),
    [
        ({"StorageClass": "GLACIER"}, "GLACIER"),
        ({"StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="true"'}, "DEEP_ARCHIVE"),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="false", expiry-date="Fri"'}, ""),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "ARCHIVE_ACCESS"}, "ARCHIVE_ACCESS"),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "DEEP_ARCHIVE_ACCESS"}, "DEEP_ARCHIVE_ACCESS"),
        ({"StorageClass": "INTELLIGENT_TIERING"}, ""),
        ({"StorageClass": "GLACIER_IR"}, ""),
    ],
)
def test_what_lies_in_an_archive_is_refused(aws: Cloud, headers: dict[str, str], archive: str) -> None:
    version = aws.put("a.jsonl", TWO_LINES)
    names = {"StorageClass": "storage-class", "Restore": "restore", "ArchiveStatus": "archive-status"}

    def archived(environ: dict[str, Any], start: Any, application: Application) -> Iterable[bytes] | None:
        """The headers that S3 gives of an object that moved there, which moto does not know."""
        if environ["REQUEST_METHOD"] != "HEAD" or not environ["PATH_INFO"].startswith(f"/{IN}/"):
            return None
        more = [(f"x-amz-{names[name]}", value) for name, value in headers.items()]
        return application(environ, lambda status, found, *_: start(status, [*found, *more]))

    aws.fault = archived

    handle(s3_event("a.jsonl", version))
    handle(s3_event("a.jsonl", version))

    summary = aws.summary("a.jsonl")
    assert summary["status"] == ("refused" if archive else "complete")
    assert f"archive {archive};" in summary["reason"] or not archive
    assert versions(aws).count("a.jsonl.summary.json") == 1


# --- what S3 does on a bad day ---------------------------------------------------------------------------


def test_a_read_that_breaks_goes_on_where_it_broke(aws: Cloud) -> None:
    content = (json.dumps({"pad": "x" * 10_000, "text": "很好"}) + "\n").encode() * 200
    version = aws.put("a.jsonl", content)
    broken = 0

    def cut_off(environ: dict[str, Any], start_response: Any, application: Application) -> Iterable[bytes] | None:
        nonlocal broken
        if (
            environ["REQUEST_METHOD"] != "GET"
            or "a.jsonl" not in environ["PATH_INFO"]
            or "summary" in environ["PATH_INFO"]
        ):
            return None
        if broken == 3:
            return None
        broken += 1
        body = b"".join(application(environ, start_response))
        return [body[:300_000]]  # of what its header promised

    aws.fault = cut_off

    handle(s3_event("a.jsonl", version))

    assert broken == 3
    assert aws.summary("a.jsonl")["tally"]["predicted"] == 200


# --- a timeout is foreseen ---------------------------------------------------------------------------------


def test_an_object_that_takes_several_invocations_gives_the_same_bytes(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, runs_out_after: Clocks
) -> None:
    monkeypatch.setattr(objects, "PART_BYTES", 100_000)
    lines = b"".join(json.dumps({"id": i, "text": f"东西质量很好 {i}"}).encode() + b"\n" for i in range(5_000))
    for key in ("a.jsonl", "a.jsonl.gz"):
        content = gzip.compress(lines) if key.endswith("gz") else lines
        handle(s3_event(key, aws.put(key, content)))
        aws.put(f"again/{key}", content)
        event = {
            "BatchInput": {"bucket": IN, "output_bucket": OUT},
            "Items": [{"Key": f"again/{key}"}],
        }
        rounds = 0
        while event["Items"]:
            context = Invocation(left=runs_out_after(rounds + 2))
            event = json.loads(json.dumps(handle(event, context)))
            rounds += 1

        assert rounds > 2
        assert event["Results"] == {"complete": 1}
        assert aws.get(f"again/{key}.predictions.jsonl{'.gz' * key.endswith('gz')}") == aws.get(
            f"{key}.predictions.jsonl{'.gz' * key.endswith('gz')}"
        )
        summary = aws.summary(f"again/{key}")
        assert summary["invocations"] == rounds
        assert summary["tally"]["lines"] == 5_000
    assert aws.uploads() == []


def test_a_checkpoint_of_other_code_is_not_gone_on_from(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, runs_out_after: Clocks
) -> None:
    # GIVEN an object that was left after a window of 1,024 lines
    monkeypatch.setattr(objects, "PART_BYTES", 100_000)
    aws.put("a.jsonl", "".join(f'{{"text": "很好 {i}"}}\n' for i in range(3_000)).encode())
    event = {"BatchInput": {"bucket": IN, "output_bucket": OUT}, "Items": [{"Key": "a.jsonl"}]}
    left = handle(event, Invocation(left=runs_out_after(1)))
    assert left["Items"][0]["Checkpoint"]["windows"] == 1

    # WHEN windows are cut otherwise by the code that goes on
    monkeypatch.setattr(batch, "WINDOW_ROWS", 1_000)
    ended = handle(left)

    # THEN it begins again, and nothing is there twice or missing
    assert ended["Results"] == {"complete": 1}
    assert [line["line"] for line in aws.predictions("a.jsonl")] == list(range(1, 3_001))
    assert aws.uploads() == []


def test_without_a_state_machine_what_takes_too_long_goes_back_to_the_queue(aws: Cloud, runs_out_after: Clocks) -> None:
    version = aws.put("a.jsonl", TWO_LINES)

    answer = handle(sqs_event(s3_event("a.jsonl", version)), Invocation(left=runs_out_after(1)))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert [key for key in aws.contents() if not key.startswith(".fenlei/")] == []


@pytest.mark.parametrize("key", ["a.jsonl.gz", "a.txt.gz", "a.csv.gz"])
def test_the_clock_is_looked_at_while_a_line_is_skipped(aws: Cloud, key: str, caplog: pytest.LogCaptureFixture) -> None:
    # GIVEN a line without an end, of which the clock lets 20 MB be unpacked
    version = aws.put(key, gzip.compress(b"text\n" + b"x" * 100_000_000, 1))
    looks = 0

    def left() -> float:
        nonlocal looks
        looks += 1
        return 900.0 if looks < 80 else 0.0  # at most 262,144 bytes each

    answer = handle(sqs_event(s3_event(key, version)), Invocation(left=left))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert looks < 90
    assert "cannot be read beyond window 0 in one invocation" in caplog.text


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
