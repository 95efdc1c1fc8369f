"""Every error that fenlei raises on purpose.

    FenleiError
    ├── BundleError             a bundle is missing, altered or of another format
    ├── RequestError            a request cannot be answered; carries the HTTP status
    │   ├── MalformedRequest        400  the body is not the JSON (or the encoding) it claims to be
    │   ├── NotFound                404  no such route or model
    │   ├── MethodNotAllowed        405  the route exists, this method does not
    │   ├── TooLarge                413  too many bytes
    │   ├── UnsupportedMediaType    415  not application/json in UTF-8, plain or gzip
    │   ├── InvalidRequest          422  well-formed, but does not fit the schema
    │   ├── InternalError           500  a mistake of ours
    │   └── Unavailable             503  no model could be loaded
    ├── FileError               a file of texts cannot be answered
    │   ├── Refused                 and never will be; its summary says why
    │   ├── Damaged                 from here on: its bytes break off or are not what they claim to be
    │   ├── Changed                 in this attempt: it, or its output, was replaced meanwhile
    │   └── OutOfTime               in this invocation, which is nearly over
    ├── EventError              an event is none of those that are known
    └── training.errors.*       what goes wrong on the command line

The text of each error is one sentence for the user: what, where, what to do instead. `api.py` turns a
RequestError into an RFC 9457 problem, `attempt.py` a FileError into a summary or another attempt; the command line
prints the sentence and exits.
"""

from http import HTTPStatus
from typing import NamedTuple


class FenleiError(Exception):
    """Base of the tree above."""


class BundleError(FenleiError):
    """A bundle is missing, altered or of another format; names the file and what is wrong."""


class FieldError(NamedTuple):
    """One bad field: `pointer` is an RFC 6901 JSON pointer into the body, `detail` the reason."""

    pointer: str
    detail: str


class RequestError(FenleiError):
    """A request that cannot be answered."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, detail: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors


class MalformedRequest(RequestError):
    """The body is not the JSON, or not in the encoding, that it claims to be."""


class NotFound(RequestError):
    """No such route or model."""

    status = HTTPStatus.NOT_FOUND


class MethodNotAllowed(RequestError):
    """The route exists, but not with this method; `allow` names those it has."""

    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, detail: str, allow: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.allow = allow


class TooLarge(RequestError):
    """The body holds too many bytes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(RequestError):
    """The body is not application/json in UTF-8, plain or gzip."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class InvalidRequest(RequestError):
    """The body is JSON but does not fit the schema; `errors` points at each bad field."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InternalError(RequestError):
    """A mistake of ours; says nothing of what is inside."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR


class Unavailable(RequestError):
    """No model could be loaded; the log says why."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class FileError(FenleiError):
    """A file of texts cannot be answered."""


class Refused(FileError):
    """It never will be, whatever is tried again; the sentence goes into its summary."""


class Damaged(FileError):
    """From here on its bytes break off or are not what they claim to be; what came before is answered."""


class Changed(FileError):
    """The file, or its output, was replaced meanwhile; look again at what is there now."""


class OutOfTime(FileError):
    """The invocation is nearly over; another one goes on."""


class EventError(FenleiError):
    """An event is none of those that are known."""
