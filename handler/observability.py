"""The one logger, and the lines of metrics. Texts never go in.

A request's metrics are one line in CloudWatch's embedded metric format, with properties to search the log by: it is
the log of the request, too. What is known of a request is gathered in a `Record` of its own, which is emitted once, at
its end. Each pair of a metric's name and its dimensions' values is paid for, so what stands in a dimension comes from a
short list. POWERTOOLS_METRICS_DISABLED keeps all lines of metrics off a terminal.
"""

import os
import traceback
from collections.abc import Mapping
from typing import Any, NamedTuple

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from handler.errors import FenleiError

NAMESPACE = "fenlei"
# The stack's name, where it is deployed.
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "fenlei")
logger = Logger(service=SERVICE)


class Record(NamedTuple):
    """What is known so far of a request, or of an object's way: numbers, and properties to search the log by."""

    values: dict[str, float]
    properties: dict[str, Any]

    def emit(self) -> None:
        """Writes the line."""
        emit(self.values, properties=self.properties)


def emit(
    values: Mapping[str, float],
    dimensions: Mapping[str, str] | None = None,
    properties: Mapping[str, Any] | None = None,
) -> None:
    """Writes a line of metrics, with further dimensions. Whole numbers are counts, but for names in milliseconds."""
    if os.environ.get("POWERTOOLS_METRICS_DISABLED") == "true":
        return
    line = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    for name, value in (dimensions or {}).items():
        line.add_dimension(name, ascii_only(value))
    for name, number in values.items():
        line.add_metric(name, _unit(name, number), number)
    for name, value in (properties or {}).items():
        line.add_metadata(name, value)
    line.flush_metrics()


def _unit(name: str, number: float) -> MetricUnit:
    if name.endswith("Milliseconds"):
        return MetricUnit.Milliseconds
    return MetricUnit.Count if isinstance(number, int) else MetricUnit.NoUnit


def ascii_only(value: str) -> str:
    """A dimension's value may hold nothing else, and a label is often Chinese: 好 becomes \\u597d."""
    return value.encode("ascii", "backslashreplace").decode()[:250]


def log_error(error: Exception, **where: str) -> None:
    """Says what went wrong and where; of errors only our own sentences are sure not to quote a text."""
    kind = type(error).__name__
    code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")  # what AWS said, if it did
    frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    sentence = str(error) if isinstance(error, FenleiError) else f"Unexpected {kind} {code} in {frames[-1]}"
    logger.error(sentence, extra={"kind": kind, "code": code, "frames": frames, **where})
