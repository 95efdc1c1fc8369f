"""What goes in and out: the request and response types, and how a body becomes one."""

import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from handler.errors import FieldError, InvalidRequest, MalformedRequest

MAX_BODY_BYTES = 1_048_576
MAX_TEXTS = 128
MAX_CHARACTERS = 10_000
MAX_ERRORS = 20

# Blank texts are refused by the pattern, before any work is done.
Text = Annotated[str, Meta(min_length=1, max_length=MAX_CHARACTERS, pattern=r"\S")]


class ClassifyRequest(Struct, forbid_unknown_fields=True):
    """One text or many, never both; `top_k` limits the scores to the best k."""

    text: Text | UnsetType = UNSET
    texts: Annotated[list[Text], Meta(min_length=1, max_length=MAX_TEXTS)] | UnsetType = UNSET
    model: str | UnsetType = UNSET
    top_k: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


class Score(Struct, frozen=True):
    """A label and its calibrated probability."""

    label: str
    score: float


class Prediction(Struct, frozen=True):
    """What a model says of one text; which fields are there depends on its task.

    classify: `label`, its calibrated probability `confidence`, `certain` (whether that reaches the bundle's
    threshold) and the `scores`; with several labels a text, `labels` holds those that apply. regress: `value`.
    cluster: `cluster` and the Euclidean `distance` to its centre. Always: `tokens`, how many the model read, and
    `truncated`, whether the text was longer than that.
    """

    tokens: int
    truncated: bool
    label: str | UnsetType = UNSET
    confidence: float | UnsetType = UNSET
    certain: bool | UnsetType = UNSET
    scores: list[Score] | UnsetType = UNSET
    labels: list[str] | UnsetType = UNSET
    value: float | UnsetType = UNSET
    cluster: str | UnsetType = UNSET
    distance: float | UnsetType = UNSET


class ModelName(Struct, frozen=True):
    """Which model answered; `version` is a hash of its content."""

    name: str
    version: str


class ClassifyResponse(Struct, frozen=True):
    """One prediction per text, in the order of the request."""

    model: ModelName
    predictions: list[Prediction]


class ModelInfo(Struct, frozen=True):
    """What a served model is; `metrics` were measured on its held-out texts."""

    name: str
    version: str
    default: bool
    task: str
    family: str
    labels: list[str]
    metrics: dict[str, float]
    threshold: float
    max_tokens: int


class ModelsResponse(Struct, frozen=True):
    """All that is served."""

    models: list[ModelInfo]


class HealthResponse(Struct, frozen=True):
    """The loaded versions, and the interpreter that runs them."""

    status: str
    runtime: str
    models: list[ModelName]


class Problem(Struct, omit_defaults=True):
    """An RFC 9457 problem; `errors` has a JSON pointer and a reason for each bad field."""

    title: str
    status: int
    detail: str
    request_id: str = ""
    errors: list[dict[str, str]] = []


T = TypeVar("T", bound=Struct)


def parse(body: bytes, kind: type[T]) -> T:
    """Decodes a JSON body into a struct.

    Raises MalformedRequest if it is not UTF-8 JSON, and InvalidRequest with one FieldError per bad field if
    it is, but does not fit.
    """
    try:
        request: T = _decode(body, kind)
        return request
    except msgspec.ValidationError as error:
        raise InvalidRequest(*_invalid(body, kind, error)) from None


def _decode(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest(f"The body is not valid UTF-8 JSON: {error}.") from None


def texts_of(request: ClassifyRequest) -> list[str]:
    """Gives the texts of a request. Raises InvalidRequest unless exactly one of `text`, `texts` is there."""
    if (request.text is UNSET) == (request.texts is UNSET):
        raise InvalidRequest(
            "Give either 'text' (a string) or 'texts' (a list of strings), and not both.",
            (FieldError("", "exactly one of 'text' and 'texts' is needed"),),
        )
    return [request.text] if isinstance(request.text, str) else list(request.texts or ())


def _invalid(body: bytes, kind: type[Struct], first: msgspec.ValidationError) -> tuple[str, tuple[FieldError, ...]]:
    """msgspec stops at the first bad field; look at each one by itself to report them all."""
    try:
        document = _decode(body, Any)
    except msgspec.ValidationError:  # a number that no type can hold
        document = None
    errors: list[FieldError] = []
    if isinstance(document, dict):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        for key, value in document.items():
            pointer = "/" + key.replace("~", "~0").replace("/", "~1")
            if key in fields:
                errors += _field_errors(pointer, value, fields[key])
            else:
                errors.append(FieldError(pointer, "unknown field"))
    errors = errors or [FieldError("", _reason(first))]
    return f"{errors[0].pointer or 'The body'}: {errors[0].detail}.", tuple(errors[:MAX_ERRORS])


def _field_errors(pointer: str, value: Any, kind: Any) -> list[FieldError]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        if isinstance(value, list) and "$[" in str(error):
            inner = [
                FieldError(f"{pointer}/{i}", reason) for i, item in enumerate(value) if (reason := _text_error(item))
            ]
            if inner:
                return inner
        return [FieldError(pointer, _reason(error))]
    return []


def _text_error(item: Any) -> str:
    try:
        msgspec.convert(item, Text)
    except msgspec.ValidationError as error:
        return _reason(error)
    return ""


_LOCATION = re.compile(r" - at `\$[^`]*`$")


def _reason(error: msgspec.ValidationError) -> str:
    reason = _LOCATION.sub("", str(error)).replace("`", "'")
    if reason.endswith(r"matching regex '\\S'"):
        return "the text is blank"
    return reason[:1].lower() + reason[1:]
