"""Files in S3, once and the newest: duplicates, older versions, deletions, and buckets without versions."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from cloud import OUT, Application, Cloud, refuse

from handler.model.bundle import Bundle
from handler.model.models import models
from handler.s3 import lambda_handler
from tests.s3_events import IN, TWO_LINES, Invocation, eventbridge_event, s3_event, sqs_event

pytestmark = pytest.mark.usefixtures("fresh_models")


def handle(event: dict[str, Any], context: Any = None) -> Any:
    return lambda_handler(event, context or Invocation())


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
