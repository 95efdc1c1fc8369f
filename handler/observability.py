"""The one logger and the one metrics sink. Texts never go in.

A request's metrics are one line in CloudWatch's embedded metric format, with properties to search the log by: it is
the log of the request, too. POWERTOOLS_METRICS_DISABLED keeps it off a terminal.
"""

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

__all__ = ["MetricUnit", "logger", "metrics"]

logger = Logger(service="fenlei")
metrics = Metrics(namespace="fenlei", service="fenlei")
