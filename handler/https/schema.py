"""What goes in and out: the request and response types, and how a body becomes one."""

import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from handler.errors import FieldError, InvalidRequest, MalformedRequest
from handler.model.prediction import ModelName, ModelVersion, Prediction, Replay

MAX_BODY_BYTES = 1_048_576
MAX_TEXTS = 128
MAX_EXPLAINED = 8
MAX_CHARACTERS = 10_000
MAX_ERRORS = 20

# Blank texts are refused by the pattern, before any work is done. What \s means differs between the languages that
# read the contract, so what they disagree about is named.
NOT_BLANK = r"[^\s\u001c-\u001f\u0085\ufeff]"
Text = Annotated[str, Meta(min_length=1, max_length=MAX_CHARACTERS, pattern=NOT_BLANK)]


Texts = Annotated[list[Text], Meta(min_length=1, max_length=MAX_TEXTS)]


class ClassifyRequest(Struct, forbid_unknown_fields=True):
    """One text or many, never both; `top_k` limits the scores to the best k, `explain` asks for an explanation."""

    text: Text | UnsetType = UNSET
    texts: Texts | UnsetType = UNSET
    model: str | UnsetType = UNSET
    top_k: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    explain: bool = False


class EmbedRequest(Struct, forbid_unknown_fields=True):
    """One text or many, never both."""

    text: Text | UnsetType = UNSET
    texts: Texts | UnsetType = UNSET
    model: str | UnsetType = UNSET


class ClassifyResponse(Struct, frozen=True):
    """One prediction per text, in the order of the request."""

    model: ModelName
    predictions: list[Prediction]


class EmbedResponse(Struct, frozen=True):
    """One L2-normalised vector per text, in the order of the request."""

    model: ModelName
    embeddings: list[list[float]]


class Limits(Struct, frozen=True):
    """What one call may hold; bytes count after decompression."""

    body_bytes: int = MAX_BODY_BYTES
    texts: int = MAX_TEXTS
    explained_texts: int = MAX_EXPLAINED
    characters_per_text: int = MAX_CHARACTERS


class ModelInfo(Struct, frozen=True):
    """What a served model is; `metrics` were measured on its held-out texts.

    `embedding_width` is 0 if it cannot embed; of a text it reads the first `max_tokens`. Where labels are paths, their
    `separator`, and what `threshold` is for each level.
    """

    name: str
    version: str
    default: bool
    task: str
    family: str
    labels: list[str]
    metrics: dict[str, float]
    threshold: float
    max_tokens: int
    embedding_width: int
    limits: Limits
    separator: str | UnsetType = UNSET
    level_thresholds: list[float] | UnsetType = UNSET


class ModelsResponse(Struct, frozen=True):
    """All that is served."""

    models: list[ModelInfo]


class HealthResponse(Struct, frozen=True):
    """The loaded versions, and the interpreter that runs them; `golden` if the check was asked to be deep.

    `published` has the versions that a registry's pointer names, loaded or not; it is there if a registry is followed.
    """

    status: str
    runtime: str
    models: list[ModelName]
    published: list[ModelVersion] | UnsetType = UNSET
    golden: list[Replay] | UnsetType = UNSET


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
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 (byte {error.start})"
    except RecursionError:
        reason = "it is nested too deeply"
    except msgspec.DecodeError as error:
        reason = str(error)
    raise MalformedRequest(f"The body is not valid UTF-8 JSON: {reason}.")


def texts_of(request: ClassifyRequest | EmbedRequest) -> list[str]:
    """Gives the texts of a request.

    Raises InvalidRequest unless exactly one of `text`, `texts` is there, or if they are too many to explain.
    """
    if (request.text is UNSET) == (request.texts is UNSET):
        raise InvalidRequest(
            "Give either 'text' (a string) or 'texts' (a list of strings), and not both.",
            (FieldError("", "exactly one of 'text' and 'texts' is needed"),),
        )
    texts = [request.text] if isinstance(request.text, str) else list(request.texts or ())
    if isinstance(request, ClassifyRequest) and request.explain and len(texts) > MAX_EXPLAINED:
        raise InvalidRequest(
            f"At most {MAX_EXPLAINED} texts are explained in one call; send fewer, or leave out 'explain'.",
            (FieldError("/texts", f"expected 'array' of length <= {MAX_EXPLAINED} with 'explain'"),),
        )
    return texts


def _invalid(body: bytes, kind: type[Struct], first: msgspec.ValidationError) -> tuple[str, tuple[FieldError, ...]]:
    """msgspec stops at the first bad field; look at each one by itself to report them all."""
    try:
        document = _decode(body, Any)
    except msgspec.ValidationError as error:  # a number that no type can hold
        document, first = None, error
    errors: list[FieldError] = []
    if isinstance(document, dict):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        for key, value in document.items():
            if key in fields:
                errors += _field_errors(f"/{key}", value, fields[key])
            else:
                errors.append(_unknown(key))
    errors = errors or [FieldError("", _reason(first))]
    return f"{errors[0].pointer or 'The body'}: {errors[0].detail}.", tuple(errors[:MAX_ERRORS])


_FIELD_NAME = re.compile(r"[a-z_]{1,20}")


def _unknown(key: str) -> FieldError:
    """A key could be a text that went astray; only what looks like the name of a field is sent back."""
    return FieldError(f"/{key}" if _FIELD_NAME.fullmatch(key) else "", "unknown field")


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
    if "matching regex" in reason:
        return "the text is blank"
    return reason[:1].lower() + reason[1:]
