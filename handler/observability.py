"""The one logger and the one metrics sink. Texts never go in.

A request's metrics are one line in CloudWatch's embedded metric format, with properties to search the log by: it is
the log of the request, too. Each pair of a metric's name and its dimensions' values is paid for, so what stands in a
dimension comes from a short list. POWERTOOLS_METRICS_DISABLED keeps all lines of metrics off a terminal.
"""

import os
import traceback
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, Metrics, MetricUnit

from handler.errors import FenleiError

__all__ = ["MetricUnit", "disabled", "emit", "log_error", "logger", "metrics"]

NAMESPACE = "fenlei"
# The stack's name, where it is deployed.
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "fenlei")
logger = Logger(service=SERVICE)
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)


def disabled() -> bool:
    """Whether lines of metrics are kept off."""
    return os.environ.get("POWERTOOLS_METRICS_DISABLED") == "true"


def emit(
    values: Mapping[str, float],
    dimensions: Mapping[str, str] | None = None,
    properties: Mapping[str, Any] | None = None,
) -> None:
    """Writes a line of metrics of its own, with further dimensions. Whole numbers are counts."""
    if disabled():
        return
    line = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    for name, value in (dimensions or {}).items():
        line.add_dimension(name, ascii_only(value))
    for name, number in values.items():
        line.add_metric(name, MetricUnit.Count if isinstance(number, int) else MetricUnit.NoUnit, number)
    for name, value in (properties or {}).items():
        line.add_metadata(name, value)
    line.flush_metrics()


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
