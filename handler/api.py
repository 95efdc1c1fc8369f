"""Entry point for API Gateway: parse, call one function, return."""

import os
import time
import traceback
from collections.abc import Callable
from typing import Any

import msgspec

from handler import http, schema
from handler.bundle import Manifest
from handler.errors import (
    BundleError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    RequestError,
    Unavailable,
)
from handler.interpreter import RUNTIME
from handler.models import models
from handler.observability import MetricUnit, logger, metrics


def lambda_handler(event: http.Event, context: Any) -> http.Response:
    """Answers one proxy event of API Gateway; whatever goes wrong becomes a problem+json response."""
    started = time.perf_counter()
    request = http.read(event)
    try:
        response = http.respond(200, route(request.method, request.path)(request))
    except RequestError as error:
        response = http.problem(error, context.aws_request_id)
    except BundleError as error:
        logger.error(str(error))
        response = http.problem(Unavailable("The model could not be loaded."), context.aws_request_id)
    except Exception as error:
        # The frames tell where; the message could quote a text, so it stays out of the log.
        frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        logger.error("Unexpected error", kind=type(error).__name__, frames=frames)
        response = http.problem(InternalError("Something went wrong here."), context.aws_request_id)
    _observe(request, response["statusCode"], (time.perf_counter() - started) * 1000, context)
    return response


def route(method: str, path: str) -> Callable[[http.Request], msgspec.Struct]:
    """Finds the function behind a route. Raises NotFound or MethodNotAllowed."""
    if path not in ROUTES:
        raise NotFound(f"There is nothing at {path[:100]!r}; see {', '.join(ROUTES)}.")
    functions = ROUTES[path]
    if method not in functions:
        raise MethodNotAllowed(f"{path} answers to {', '.join(functions)} only.", tuple(functions))
    return functions[method]


def classify(request: http.Request) -> schema.ClassifyResponse:
    """POST /v1/classify"""
    asked = schema.parse(request.json(), schema.ClassifyRequest)
    texts = schema.texts_of(asked)
    classifier = models().get(asked.model or None)
    predictions = classifier.classify(texts, asked.top_k or None)
    metrics.add_metric("Texts", MetricUnit.Count, len(texts))
    return schema.ClassifyResponse(_name(classifier.manifest), predictions)


def list_models(_: http.Request) -> schema.ModelsResponse:
    """GET /v1/models"""
    default = models().default
    return schema.ModelsResponse([_info(c.manifest, c.manifest.name == default) for c in models().all()])


def health(_: http.Request) -> schema.HealthResponse:
    """GET /health"""
    return schema.HealthResponse("ok", RUNTIME, [_name(c.manifest) for c in models().all()])


ROUTES: dict[str, dict[str, Callable[[http.Request], msgspec.Struct]]] = {
    "/v1/classify": {"POST": classify},
    "/v1/models": {"GET": list_models},
    "/health": {"GET": health},
}


def _name(manifest: Manifest) -> schema.ModelName:
    return schema.ModelName(manifest.name, manifest.version)


def _info(manifest: Manifest, default: bool) -> schema.ModelInfo:
    return schema.ModelInfo(
        name=manifest.name,
        version=manifest.version,
        default=default,
        task=manifest.task,
        family=manifest.family,
        labels=manifest.labels,
        metrics=manifest.metrics,
        threshold=manifest.threshold,
        max_tokens=manifest.max_tokens,
    )


def _observe(request: http.Request, status: int, milliseconds: float, context: Any) -> None:
    """One line a request, both log and metrics. An unknown path is whatever somebody typed: it stays out."""
    path = request.path if request.path in ROUTES else "unknown"
    metrics.add_metadata("route", f"{request.method} {path}" if path in ROUTES else path)
    metrics.add_metadata("status", status)
    metrics.add_metadata("request_id", context.aws_request_id)
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    metrics.add_metric("Milliseconds", MetricUnit.Milliseconds, round(milliseconds, 3))
    metrics.add_metric("Errors", MetricUnit.Count, int(status >= 500))
    metrics.flush_metrics()


if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # Loaded during init, not in the first request, so that SnapStart keeps a loaded model. An error is
    # kept for the requests: a function that fails at init only says so in its log.
    try:
        models().warm()
    except BundleError as error:
        logger.error(str(error))
