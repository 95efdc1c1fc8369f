"""What serving costs: one place turns times into dollars, and the command shows it."""

import math
import re

import pytest
from command import fenlei
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT

from training.commands import cost


def test_a_million_requests_by_hand() -> None:
    # 2 GB for 2 ms: 0.004 GB-seconds, at 0.0000166667, and a request at 0.0000002
    found = cost.million_requests(cost.Measured(init=100, warm=2), 2048, "x86_64")

    assert found == pytest.approx(0.2 + 0.004 * 16.6667)


@given(st.floats(0.01, 10_000), st.integers(128, 10_240))
def test_billing_is_by_the_whole_millisecond_and_never_below_the_work(milliseconds: float, memory: int) -> None:
    billed = cost.billed_seconds(milliseconds, memory)

    assert billed * 1000 == pytest.approx(round(billed * 1000))
    assert billed * 1000 >= milliseconds * (1 - 1e-9)
    assert memory < cost.MEMORY_OF_ONE_PROCESSOR or billed * 1000 < milliseconds + 1 + 1e-6


def test_the_cost_table_says_what_it_rests_on() -> None:
    table = cost.table(cost.Measured(init=200, warm=1.5))

    assert cost.prices()["read"] in table
    assert cost.prices()["region"] in table
    assert all(f"| {memory} |" in table for memory in cost.MEMORY_SIZES)


@given(st.floats(1, 1e10), st.floats(0, 1), st.sampled_from(["x86_64", "arm64"]))
def test_a_month_costs_more_with_more_requests_and_the_break_even_is_where_both_cost_the_same(
    requests: float, cold: float, architecture: str
) -> None:
    found = cost.month(requests, cold, cost.Measured(), 1024, architecture, 1500)

    assert cost.month(2 * requests, cold, cost.Measured(), 1024, architecture, 1500).total > found.total
    if found.break_even:
        there = cost.month(found.break_even, cold, cost.Measured(), 1024, architecture, 1500)
        assert there.total == pytest.approx(there.always_on)


def test_the_command_says_what_a_month_costs_and_when_the_price_was_read() -> None:
    told = fenlei("cost", "--requests", "1e6", "--memory", 512, "--arch", "arm64")
    parsed = fenlei("cost", "--requests", "1e6", "--memory", 512, "--arch", "arm64", "--json").json()

    assert told.status == 0
    assert cost.prices()["read"] in told.output
    assert f"{parsed['total']:,.2f}" in told.output
    assert parsed["parts"]["API Gateway"] == pytest.approx(3.5)
    assert parsed["break_even"] == pytest.approx(parsed["always_on"] / parsed["total"] * 1e6)


def test_the_page_for_those_who_come_from_comprehend_reckons_right() -> None:
    page = (ROOT / "docs/from.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d,]+|\d+ million) \| (\d+) \| ([\d,.]+) \| ([\d.]+) \|$", page, re.MULTILINE)

    assert len(rows) == 3
    for texts, units, there, here in rows:
        requests = float(texts.replace(" million", "e6").replace(",", ""))
        # Of 100 characters each, which one unit reads in a second, for 0.0005 dollars.
        assert int(units) == math.ceil(requests / (cost.HOURS_A_MONTH * 3600))
        assert float(there.replace(",", "")) == pytest.approx(0.0005 * 3600 * cost.HOURS_A_MONTH * int(units))
        assert here == f"{cost.month(requests, 0.01, cost.Measured(), 1024, 'x86_64', 1500).total:.2f}"


def test_another_processor_is_refused_in_one_sentence() -> None:
    told = fenlei("cost", "--arch", "riscv")

    assert (told.status, told.errors.strip()) == (2, "error: --arch riscv is not known; choose x86_64 or arm64.")
