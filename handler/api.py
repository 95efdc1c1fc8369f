"""Entry point for API Gateway: parse, call one function, return."""

import os
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from handler import snapshot
from handler.errors import (
    BundleError,
    FieldError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RequestError,
    Unavailable,
)
from handler.https import exchange as http
from handler.https import pages, schema
from handler.model import golden
from handler.model.bundle import Manifest
from handler.model.classifier import Classifier
from handler.model.interpreter import RUNTIME
from handler.model.models import models
from handler.model.prediction import ModelName
from handler.observability import Record, emit, log_error

# A request is small: to spread it over threads costs more than it saves.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

Function = Callable[[http.Request, Record], http.Content]
Routes = Mapping[str, Mapping[str, Function]]
NOWHERE = "unknown"


def lambda_handler(event: http.Event, context: Any) -> http.Response:
    """Answers one proxy event of API Gateway; whatever goes wrong becomes a problem+json response."""
    return respond(event, context, ROUTES)


def respond(event: http.Event, context: Any, routes: Routes) -> http.Response:
    """Like `lambda_handler`, with these functions behind the routes."""
    started = time.perf_counter()
    record = Record({}, {})
    request = http.read(event)
    route = find(request.path, request.resource)
    error: RequestError | None = None
    try:
        response = answer(route, request, routes, record)
    except RequestError as raised:
        error = raised
    except BundleError as raised:
        log_error(raised, request_id=context.aws_request_id)
        error = Unavailable("The model could not be loaded.")
    except Exception as raised:
        log_error(raised, request_id=context.aws_request_id)
        error = InternalError("Something went wrong here.")
    if error:
        response = http.problem(error, context.aws_request_id)
    response = http.finish(response, request)
    record.values["Milliseconds"] = round((time.perf_counter() - started) * 1000, 3)
    _observe(record, request, label(request.method, route), response["statusCode"], context)
    if error:
        _observe_error(error, context)
    return response


def find(path: str, resource: str = "") -> str:
    """Finds a route: the gateway's own word for it, or that of a path, which may end in a slash; else NOWHERE."""
    if resource in ROUTES:
        return resource
    path = path.removesuffix("/") or path
    if path in ROUTES and path != MODEL:
        return path
    parent, _, name = path.rpartition("/")
    return MODEL if parent == "/v1/models" and name else NOWHERE


def label(method: str, route: str) -> str:
    """Names a call in a log. An unknown path or method is whatever somebody typed: it stays out."""
    return f"{method} {route}" if route != NOWHERE and method in METHODS else NOWHERE


def answer(route: str, request: http.Request, routes: Routes, record: Record) -> http.Response:
    """Calls the function behind a route. Raises NotFound or MethodNotAllowed."""
    if route == NOWHERE:
        raise NotFound(f"There is nothing at this path; see {', '.join(routes)}.")
    functions = routes[route]
    allowed = (*functions, "HEAD", "OPTIONS") if "GET" in functions else (*functions, "OPTIONS")
    if request.method == "OPTIONS":
        return http.options(allowed)
    method = "GET" if request.method == "HEAD" else request.method
    if method not in functions:
        raise MethodNotAllowed(f"{route} answers to {', '.join(allowed)} only.", allowed)
    return http.respond(200, functions[method](request, record))


def classify(request: http.Request, record: Record) -> schema.ClassifyResponse:
    """POST /v1/classify"""
    asked = schema.parse(request.json(), schema.ClassifyRequest)
    texts = schema.texts_of(asked)
    classifier = _asked_for(asked.model, record)
    record.values["Texts"] = len(texts)
    predictions = (classifier.explain if asked.explain else classifier.classify)(texts, asked.top_k or None)
    record.values["Certain"] = sum(p.certain is True for p in predictions)
    record.values["Tokens"] = sum(p.tokens for p in predictions)
    if os.environ.get("FEEDBACK_URI"):
        from handler.https.feedback import with_ids  # most stacks keep none

        predictions = with_ids(predictions, classifier.manifest)
    return schema.ClassifyResponse(_name(classifier.manifest), predictions)


def embed(request: http.Request, record: Record) -> schema.EmbedResponse:
    """POST /v1/embed"""
    asked = schema.parse(request.json(), schema.EmbedRequest)
    texts = schema.texts_of(asked)
    classifier = _asked_for(asked.model, record)
    record.values["Texts"] = len(texts)
    vectors = classifier.embed(texts).astype(float).round(6)
    return schema.EmbedResponse(_name(classifier.manifest), vectors.tolist())


def _asked_for(name: str | UnsetType, record: Record) -> Classifier:
    classifier = models().get(name or None)
    record.properties["model_version"] = classifier.manifest.version
    return classifier


def feedback(request: http.Request, record: Record) -> msgspec.Struct:
    """POST /v1/feedback"""
    from handler.https import feedback as work

    asked = schema.parse(request.json(), work.FeedbackRequest)
    line, response = work.receive(asked, work.right_answers(one.manifest for one in models().all()))
    record.values.update(Feedback=1, FeedbackWrong=int(not line.right))
    record.properties["model_version"] = line.version
    return response


def list_models(_: http.Request, __: Record) -> schema.ModelsResponse:
    """GET /v1/models"""
    served = models()
    return schema.ModelsResponse([_info(one, one is served.main()) for one in served.all()])


def model(request: http.Request, _: Record) -> schema.ModelInfo:
    """GET /v1/models/{name}"""
    from urllib.parse import unquote

    served = models()
    found = served.get(unquote(request.path.removesuffix("/").rpartition("/")[2]))
    return _info(found, found is served.main())


def agents(request: http.Request, record: Record, contract: str = "") -> pages.Page:
    """POST /mcp: the calls above as tools, each of which takes its arguments as its body."""
    from handler.https import mcp  # most callers are no agents

    def tool(function: Callable[[http.Request, Record], msgspec.Struct]) -> Callable[[str], msgspec.Struct]:
        return lambda arguments: function(request._replace(body=arguments, is_base64=False), record)

    tools = {"classify": tool(classify), "embed": tool(embed), "list_models": tool(list_models)}
    return mcp.answer(request, tools, contract)


def health(request: http.Request, _: Record) -> schema.HealthResponse:
    """GET /health"""
    deep = request.query.get("deep", "false")
    if deep not in ("true", "false"):
        reason = "expected true or false"
        raise InvalidRequest(f"deep: {reason}.", (FieldError("?deep", reason),))
    served = models()
    published = models.registry.named() if models.registry else UNSET
    response = schema.HealthResponse("ok", RUNTIME, [_name(c.manifest) for c in served.all()], published)
    if deep == "false":
        return response
    for replayed in served.replays:
        if not golden.healthy(replayed):
            raise Unavailable(
                f"The model {replayed.model!r} gives {replayed.same_answers} of its {replayed.texts} golden texts the "
                "answer that they had where it was trained."
            )
    return msgspec.structs.replace(response, golden=served.replays)


MODEL = "/v1/models/{name}"
ROUTES: Routes = {
    "/": {"GET": lambda *_: pages.html("playground.html")},
    "/docs": {"GET": lambda *_: pages.html("docs.html")},
    "/openapi.json": {"GET": lambda *_: pages.openapi()},
    "/health": {"GET": health},
    "/v1/classify": {"POST": classify},
    "/v1/embed": {"POST": embed},
    "/v1/feedback": {"POST": feedback},
    "/v1/models": {"GET": list_models},
    MODEL: {"GET": model},
    "/mcp": {"POST": agents},
}
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE")


def _name(manifest: Manifest) -> ModelName:
    return ModelName(manifest.name, manifest.version)


def _info(classifier: Classifier, default: bool) -> schema.ModelInfo:
    manifest = classifier.manifest
    return schema.ModelInfo(
        name=manifest.name,
        version=manifest.version,
        default=default,
        task=manifest.task,
        family=manifest.family,
        labels=manifest.labels,
        metrics=manifest.metrics,
        threshold=manifest.threshold,
        separator=manifest.separator or UNSET,
        level_thresholds=manifest.level_thresholds or UNSET,
        max_tokens=manifest.max_tokens,
        embedding_width=manifest.embedding_width,
        limits=schema.Limits(),
    )


_answered = count()  # requests, of this process


def _observe(record: Record, request: http.Request, call: str, status: int, context: Any) -> None:
    """One line a request, both log and metrics."""
    if next(_answered) == 0:
        record.values["ColdStart"] = 1
    record.properties.update(route=call, status=status, request_id=context.aws_request_id)
    if request.gateway_id:
        record.properties["gateway_id"] = request.gateway_id
    if "_X_AMZN_TRACE_ID" in os.environ:
        record.properties["trace"] = os.environ["_X_AMZN_TRACE_ID"].partition(";")[0]
    record.values.update(Requests=1, Errors=int(status >= 500))
    record.emit()


def _observe_error(error: RequestError, context: Any) -> None:
    """Errors by type, and those of ours by version, so that a deployment can be taken back for them."""
    where = {"request_id": context.aws_request_id}
    emit({"Problems": 1}, {"kind": type(error).__name__}, where)
    if error.status >= 500:
        emit({"Failures": 1}, {"version": context.function_version}, where)


if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # Loaded during init, not in the first request. An error is kept for the requests: a function that fails at init
    # only says so in its log.
    try:
        models().warm()
    except BundleError as error:
        log_error(error)
    snapshot.register(models.prepare, models.restored)
