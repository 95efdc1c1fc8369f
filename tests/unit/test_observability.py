"""infra/observability.yaml: what it shows is what is written, and what it promises to say is said."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import count, product, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from support import ROOT, Call
from test_template import Loader

from handler.drift import watch
from handler.files.jobs import Job, Outcome
from handler.model.bundle import Bundle
from handler.model.classifier import Classifier
from tests.s3_events import Invocation, sqs_event

STACK = yaml.load((ROOT / "infra/observability.yaml").read_text(encoding="utf-8"), Loader)
RESOURCES: dict[str, Any] = STACK["Resources"]
BODY = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]
# As Fn::Sub makes it: values for names, and what follows ${! as it is.
WIDGETS = json.loads(re.sub(r"\$\{[\w:.]+\}", "1", BODY).replace("${!", "${"))["widgets"]
ALARMS = [name for name, found in RESOURCES.items() if found["Type"] == "AWS::CloudWatch::Alarm"]


class Metric(NamedTuple):
    namespace: str
    name: str
    dimensions: frozenset[str]


# What AWS itself writes, with the dimensions that its documentation names.
BY_AWS = {
    *(Metric("AWS/ApiGateway", name, frozenset({"ApiName"})) for name in ("Count", "4XXError", "5XXError", "Latency")),
    *(Metric("AWS/Lambda", name, frozenset({"FunctionName"})) for name in ("Throttles", "Errors", "Duration")),
    Metric("AWS/Lambda", "ConcurrentExecutions", frozenset({"FunctionName"})),
    *(
        Metric("AWS/Lambda", name, frozenset({"FunctionName", "Resource", "ExecutedVersion"}))
        for name in ("Invocations", "Errors")
    ),
    *(
        Metric("AWS/SQS", name, frozenset({"QueueName"}))
        for name in ("ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage")
    ),
}


def on_the_dashboard() -> Iterator[Metric]:
    for widget in WIDGETS:
        before: list[str] = []
        for metric in widget["properties"].get("metrics", []):
            names = [part for part in metric if isinstance(part, str)]
            if not names:
                for schema, name in re.findall(r'SEARCH\(\'\{([\w,]+)\}.*?MetricName="(\w+)"', metric[0]["expression"]):
                    namespace, *dimensions = schema.split(",")
                    yield Metric(namespace, name, frozenset(dimensions))
                continue
            if names[0] == "...":  # all as before, but for the values at the end
                names = before[: len(before) - len(names) + 1] + names[1:]
            before = [old if new == "." else new for new, old in zip_longest(names, before[: len(names)])]
            yield Metric(before[0], before[1], frozenset(before[2::2]))


def in_alarms() -> Iterator[Metric]:
    main = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader)["Resources"]
    for alarm in (RESOURCES | main).values():
        if alarm["Type"] == "AWS::CloudWatch::Alarm":
            found = alarm["Properties"]
            several = [one["MetricStat"]["Metric"] for one in found.get("Metrics", []) if "MetricStat" in one]
            for one in several or [found]:
                dimensions = frozenset(dimension["Name"] for dimension in one["Dimensions"])
                yield Metric(one["Namespace"], one["MetricName"], dimensions)


@pytest.fixture
def lines(
    post: Call,
    bundle: Bundle,
    reviews: list[str],
    tmp_path: Path,
    switch_to: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> list[dict[str, Any]]:
    """What requests, windows and objects leave in the log."""
    from handler import api, s3
    from handler.https import feedback

    monkeypatch.setattr(api, "_answered", count())
    post({"text": reviews[0]})
    post({"texts": []})
    monkeypatch.setenv("FEEDBACK_URI", "s3://bucket/feedback/")
    monkeypatch.setattr(feedback._Diary, "write", lambda *_: None)
    (found,) = post({"text": reviews[0]}).body["predictions"]
    assert post({"id": found["id"], "label": found["label"]}, "/v1/feedback").status == 200
    monkeypatch.delenv("FEEDBACK_URI")
    own = Classifier(bundle, watch=watch)
    own.classify(reviews * 3)
    outcome = Outcome("duplicate")
    monkeypatch.setattr(s3, "run", lambda *_: outcome)
    s3.work(Job("texts-in", "a.txt", "texts-out", "a.txt"), own, lambda: 60.0)
    s3.lambda_handler(sqs_event("no event at all"), Invocation())
    switch_to(tmp_path / "nowhere")
    post({"text": reviews[0]})
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def written(lines: list[dict[str, Any]]) -> set[Metric]:
    """Each metric with its dimensions."""
    found = set()
    for line in lines:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            for dimensions, metric in product(directive["Dimensions"], directive["Metrics"]):
                found.add(Metric(directive["Namespace"], metric["Name"], frozenset(dimensions)))
    return found


def test_what_is_shown_and_watched_is_written_with_the_same_dimensions(written: set[Metric]) -> None:
    shown, watched = set(on_the_dashboard()), set(in_alarms())

    assert {"Milliseconds", "Problems", "LabelShare", "Drift_labels", "Lines"} <= {metric.name for metric in shown}
    assert {"Failures", "Drift", "5XXError", "FeedbackWrong"} <= {metric.name for metric in watched}
    assert (shown | watched) - BY_AWS <= written


def test_the_dashboard_lists_every_alarm_of_its_stack() -> None:
    assert re.findall(r"\$\{(\w+)\.Arn\}", BODY) == ALARMS


def test_no_axis_hides_how_far_above_zero_it_begins() -> None:
    for widget in WIDGETS:
        if widget["type"] == "metric":
            axes = widget["properties"]["yAxis"]
            used = {"left"} | {"right" for metric in widget["properties"]["metrics"] if "right" in str(metric[-1])}
            assert {side for side, axis in axes.items() if axis["min"] == 0} == used


def test_the_dashboard_has_no_overlap_and_no_hole() -> None:
    covered: list[tuple[int, int]] = [
        (x, y) for w in WIDGETS for x in range(w["x"], w["x"] + w["width"]) for y in range(w["y"], w["y"] + w["height"])
    ]

    assert len(covered) == len(set(covered))
    assert set(covered) == {(x, y) for x in range(24) for y in range(1 + max(y for _, y in covered))}


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_calls_somebody_and_the_runbook_says_what_to_do(name: str) -> None:
    alarm = RESOURCES[name]["Properties"]

    assert "AlarmActions" in alarm
    assert f"docs/runbook.md, {name}" in alarm["AlarmDescription"]
    assert f"## {name}\n" in (ROOT / "docs/runbook.md").read_text(encoding="utf-8")


def test_prices_are_those_of_the_price_file() -> None:
    prices = json.loads((ROOT / "training/commands/prices.json").read_text(encoding="utf-8"))
    dollars = {name: float(value) for name, value in STACK["Mappings"]["Prices"]["Dollars"].items()}

    assert dollars == {
        "GigabyteSecond": prices["lambda_gb_second"]["x86_64"],
        "Request": prices["lambda_request"],
        "ApiRequest": prices["rest_api_request"],
    }


def test_the_drift_alarm_is_where_the_code_says() -> None:
    from handler.drift import ALARM

    assert STACK["Parameters"]["DriftIndex"]["Default"] == ALARM
    assert RESOURCES["TextsHaveChanged"]["Properties"]["MetricName"] == "Drift"


def test_queries_name_fields_that_are_written(lines: list[dict[str, Any]], written: set[Metric]) -> None:
    fields, metrics = {name for line in lines for name in line}, {metric.name for metric in written}
    queries = [found["Properties"] for found in RESOURCES.values() if found["Type"] == "AWS::Logs::QueryDefinition"]

    assert queries
    for query in queries:
        assert set(re.findall(r"(\w+)\.0", query["QueryString"])) <= metrics
    assert {"route", "status", "request_id"} <= fields
