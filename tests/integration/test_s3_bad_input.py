"""Every kind of bad input ends in an error line, a summary with the reason, or the dead-letter queue."""

import gzip
from typing import Any, NamedTuple

import pytest
from cloud import Cloud, Queue, refusing

from handler.files import objects
from handler.s3 import lambda_handler
from tests.s3_events import IN, TWO_LINES, Invocation, eventbridge_event, s3_event

pytestmark = pytest.mark.usefixtures("fresh_models")
OUT_OF_ORDER = {"denied": refusing("denied", 403, "AccessDenied"), "broken": refusing("broken", 500, "InternalError")}


class Bad(NamedTuple):
    """An input, and where it ends: error lines by number, a summary's status and reason, or DEAD."""

    name: str
    key: str
    content: bytes | None
    status: str
    reason: str = ""
    errors: dict[int, str] = {}  # noqa: RUF012


DEAD = "dead"
LONG = b'{"text": "' + b"a" * 50_000_000 + b'"}\n'
WRONG_SUM = gzip.compress(TWO_LINES)[:-8] + b"oopsoops"
BAD = [
    Bad("wrong suffix", "a.pdf", TWO_LINES, "refused", "rename or convert"),
    Bad("wrong encoding, lines", "a.txt", "很好\nok\n".encode("gb18030"), "complete", "", {1: "not UTF-8"}),
    Bad("wrong encoding, table", "a.csv", "文本\n很好\n".encode("utf-16"), "refused", "no column 'text'"),
    Bad("no text column", "a.tsv", b"label\tid\nx\t1\n", "refused", "no column 'text'"),
    Bad("cut gzip", "a.jsonl.gz", gzip.compress(TWO_LINES)[:-4], "damaged", "breaks off", {3: "breaks off"}),
    Bad(
        "gzip with a wrong sum",
        "b.jsonl.gz",
        gzip.compress(TWO_LINES)[:-8] + b"oopsoops",
        "damaged",
        "valid",
        {1: "valid"},
    ),
    Bad("no gzip", "a.txt.gz", b"plain", "damaged", "not valid gzip", {1: "not valid gzip"}),
    Bad("CSV with a broken quote", "a.csv", b'text\n"open\nok\n', "complete", "", {2: "quotes"}),
    Bad("no JSON", "a.jsonl", TWO_LINES + b"{oops\n" + TWO_LINES, "complete", "", {3: "not JSON"}),
    Bad("a line of 50 MB", "a.jsonl", TWO_LINES + LONG + TWO_LINES, "complete", "", {3: "over 1,048,576 bytes"}),
    Bad("deleted before it is read", "a.jsonl", None, "deleted", "deleted"),
    Bad("empty", "a.jsonl", b"", "complete", "empty"),
    Bad("empty gzip", "a.csv.gz", b"", "complete", "empty"),
    Bad("a key with spaces, 中文 and +", "a b/中文+x%2B.txt", "很好".encode(), "complete"),
    Bad("metadata that is no number", "top-k.txt", b"ok", "refused", "top-k"),
    Bad("a bucket that denies", "denied.jsonl", TWO_LINES, DEAD),
    Bad("S3 that is out of order", "broken.jsonl", TWO_LINES, DEAD),
    Bad("a key too long for its output's", "k" * 1010 + ".txt", b"ok", DEAD),
    Bad("a message that is no event", "", b"{", DEAD),
]


def handle(event: dict[str, Any]) -> Any:
    return lambda_handler(event, Invocation())


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_bad_input_ends_somewhere_and_is_not_tried_forever(
    aws: Cloud, bad: Bad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "PATIENCE", {"retries": {"mode": "standard", "total_max_attempts": 1}})
    queue = Queue(aws, attempts=2, visibility=0)
    if not bad.key:
        queue.send((bad.content or b"").decode())
    else:
        version = aws.put(
            bad.key,
            TWO_LINES if bad.content is None else bad.content,
            Metadata={"top-k": "all"} if "top-k" in bad.key else {},
        )
        if bad.content is None:
            aws.client("s3").delete_object(Bucket=IN, Key=bad.key)
        queue.send(s3_event(bad.key, version))
        queue.send(eventbridge_event(bad.key, version))  # a duplicate does no harm
    aws.fault = next((fault for part, fault in OUT_OF_ORDER.items() if part in bad.key), None)

    queue.drain(handle)

    aws.fault = None
    dead = queue.dead()
    if bad.status == DEAD:
        assert len(dead) == (2 if bad.key else 1)
        assert aws.contents() == []
        return
    assert dead == []
    summary = aws.summary(bad.key)
    assert summary["status"] == bad.status
    assert bad.reason in summary["reason"] if bad.reason else summary["reason"] == ""
    assert {error["line"]: error["error"] for error in summary["tally"]["errors"]}.keys() == bad.errors.keys()
    assert summary["tally"]["rejected"] == len(bad.errors)
    if bad.status in ("refused", "deleted"):
        assert aws.contents() == [f"{bad.key}.summary.json"]
        return
    lines = aws.predictions(bad.key)
    assert len(lines) == summary["tally"]["lines"]
    for line in lines:
        expected = bad.errors.get(line["line"])
        assert ("error" in line) == (expected is not None)
        assert not expected or expected in line["error"]
