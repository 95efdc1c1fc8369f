"""A line of the table."""

from typing import NamedTuple


class Row(NamedTuple):
    """What one regime came to: `before` is what was measured before there was a rule for it, `held` whether it is as
    wanted.
    """

    regime: str
    before: str
    measured: str
    peer: str
    wanted: str
    held: bool


def percent(share: float) -> str:
    """0.8537 -> 85.4"""
    return f"{100 * share:.1f}"
