"""What a bulk run is said to cost, and what the machine is given."""

import pytest

from training.commands.bulk import Place, Survey, estimate, event_of, place
from training.commands.cost import prices
from training.errors import InputError


def test_a_million_lines_cost_what_the_prices_say() -> None:
    found = estimate(Survey(objects=1, bytes=100_000_000, lines=1_000_000, skipped=0), 1024, 1_000, 1)

    assert found.seconds == pytest.approx(1000, rel=0.01)
    assert found.dollars["Lambda"] == pytest.approx(1000 * prices()["lambda_gb_second"]["x86_64"], rel=0.01)
    assert found.total == pytest.approx(sum(found.dollars.values()))


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (Survey(10, 10**6, 10**4, 0), Survey(10, 10**6, 10**5, 0)),
        (Survey(10, 10**6, 10**4, 0), Survey(1000, 10**6, 10**4, 0)),
    ],
    ids=["lines", "objects"],
)
def test_more_costs_more(less: Survey, more: Survey) -> None:
    assert estimate(less, 1769, 10_000, 10).total < estimate(more, 1769, 10_000, 10).total


def test_each_batch_of_rows_costs_transitions() -> None:
    found = Survey(objects=1, bytes=100_000_000, lines=1_000_000, skipped=0)

    whole, rows = estimate(found, 1769, 10_000, 10), estimate(found, 1769, 10_000, 10, rows=True)

    assert rows.dollars["Step Functions"] > 500 * whole.dollars["Step Functions"]


@pytest.mark.parametrize("url", ["in/prefix", "s3:in", "s3:///key", "https://in/key", "s3://in/key?versionId=1"])
def test_what_is_no_place_in_s3_is_an_input_error(url: str) -> None:
    with pytest.raises(InputError, match="write it as s3://bucket/prefix/"):
        place(url)


def test_a_place_may_hold_any_character() -> None:
    assert place("s3://in/新 文件夹/a+b #1%20/") == Place("in", "新 文件夹/a+b #1%20/")


def test_the_machine_is_given_a_prefix_or_one_object() -> None:
    many = event_of(Place("in", "a/"), Place("out", "b/"), False, {"concurrency": 3})
    one = event_of(Place("in", "a/x.jsonl"), Place("out", "b/"), True, {})

    assert many == {
        "kind": "objects",
        "bucket": "in",
        "prefix": "a/",
        "output_bucket": "out",
        "output_prefix": "b/",
        "concurrency": 3,
    }
    assert one == {
        "kind": "jsonl",
        "bucket": "in",
        "key": "a/x.jsonl",
        "output_bucket": "out",
        "output_key": "b/x.jsonl",
    }
