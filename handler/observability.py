"""The one logger and the one metrics sink. Texts never go in."""

import logging
import os
import sys
import time

import msgspec

logger = logging.getLogger("fenlei")


class Metrics:
    """Collects the measurements of one request; `flush` writes them as a line that is log and metrics at once.

    The line is CloudWatch's embedded metric format; METRICS_DISABLED keeps it off a terminal.
    """

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._units: list[dict[str, str]] = []

    def add(self, name: str, value: float, unit: str = "Count") -> None:
        """Adds a measurement; `unit` is one of CloudWatch's."""
        self._values[name] = value
        self._units.append({"Name": name, "Unit": unit})

    def flush(self, **properties: str | int) -> None:
        """Writes the line, with properties to search the log by, and begins anew."""
        directive = {"Namespace": "fenlei", "Dimensions": [["service"]], "Metrics": self._units}
        line = {
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
            "service": "fenlei",
            **properties,
            **self._values,
        }
        self._values, self._units = {}, []
        if not os.environ.get("METRICS_DISABLED"):
            sys.stdout.write(msgspec.json.encode(line).decode() + "\n")


metrics = Metrics()
