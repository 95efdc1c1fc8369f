"""The one logger and the one metrics sink. Texts never go in."""

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

__all__ = ["MetricUnit", "logger", "metrics"]

logger = Logger(service="fenlei")
metrics = Metrics(namespace="fenlei", service="fenlei")
