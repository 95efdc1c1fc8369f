"""infra/observability.yaml: what it shows is what is written, and what it promises to say is said."""

import json
import re
from typing import Any

import pytest
import yaml
from support import ROOT
from test_template import Loader

STACK = yaml.load((ROOT / "infra/observability.yaml").read_text(encoding="utf-8"), Loader)
RESOURCES: dict[str, Any] = STACK["Resources"]
BODY = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]
WIDGETS = json.loads(re.sub(r"\$\{[\w:]+\}", "1", BODY))["widgets"]
# The literal names in handler/; names that are made there are Drift_ and one of the things watched.
WRITTEN = {
    name
    for path in (ROOT / "handler").glob("*.py")
    for name in re.findall(r'(?:add_metric\(|emit\(\{|values\[)"(\w+)"', path.read_text(encoding="utf-8"))
}
ALARMS = [name for name, found in RESOURCES.items() if found["Type"] == "AWS::CloudWatch::Alarm"]


def test_the_dashboard_shows_only_metrics_that_are_written() -> None:
    shown = set()
    for widget in WIDGETS:
        namespace = ""
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], dict):
                shown |= set(re.findall(r'MetricName="(\w+)"', metric[0]["expression"]))
            elif metric[0] != "...":
                namespace = namespace if metric[0] == "." else metric[0]
                shown |= {metric[1]} if namespace == "fenlei" else set()

    assert {"Milliseconds", "Problems", "LabelShare", "UnknownTokenRate", "Lines"} <= shown
    assert shown <= WRITTEN


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
    prices = json.loads((ROOT / "training/prices.json").read_text(encoding="utf-8"))
    dollars = {name: float(value) for name, value in STACK["Mappings"]["Prices"]["Dollars"].items()}

    assert dollars == {
        "GigabyteSecond": prices["lambda_gb_second"]["x86_64"],
        "Request": prices["lambda_request"],
        "ApiRequest": prices["rest_api_request"],
    }


def test_the_drift_alarm_is_where_the_code_says() -> None:
    from handler.drift import ALARM

    assert STACK["Parameters"]["DriftIndex"]["Default"] == ALARM
    assert RESOURCES["TextsHaveChanged"]["Properties"]["MetricName"] in WRITTEN


def test_queries_name_fields_that_are_written() -> None:
    properties = set()
    for path in (ROOT / "handler").glob("*.py"):
        properties |= set(re.findall(r'add_metadata\("(\w+)"', path.read_text(encoding="utf-8")))
    for query in RESOURCES.values():
        if query["Type"] == "AWS::Logs::QueryDefinition":
            named = re.findall(r"(\w+)\.0", query["Properties"]["QueryString"])
            assert {name for name in named if not name.startswith("Drift_")} <= WRITTEN
    assert {"route", "status", "trace", "gateway_id"} <= properties
