"""The one logger and the one metrics sink. Texts never go in.

A request's metrics are one line in CloudWatch's embedded metric format, with properties to search the log by: it is
the log of the request, too. POWERTOOLS_METRICS_DISABLED keeps it off a terminal.
"""

import traceback

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from handler.errors import FenleiError

__all__ = ["MetricUnit", "log_error", "logger", "metrics"]

logger = Logger(service="fenlei")
metrics = Metrics(namespace="fenlei", service="fenlei")


def log_error(error: Exception, **where: str) -> None:
    """Says what went wrong and where; of errors only our own sentences are sure not to quote a text."""
    kind = type(error).__name__
    code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")  # what AWS said, if it did
    frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    sentence = str(error) if isinstance(error, FenleiError) else f"Unexpected {kind} {code} in {frames[-1]}"
    logger.error(sentence, extra={"kind": kind, "code": code, "frames": frames, **where})
