"""What there is to do with an object in S3, how far it is, and what became of it."""

from collections.abc import Callable

from msgspec import Struct

from handler.files.batch import Tally
from handler.files.objects import Paused, Source, Written
from handler.model.prediction import ModelName

PREDICTIONS, SUMMARY = ".predictions.jsonl", ".summary.json"
# Of an invocation's time, kept to put aside or finish what was begun.
RESERVE_SECONDS = 10

Seconds = Callable[[], float]


class Before(Struct, frozen=True):
    """The ETags of what the output's keys held when the work began."""

    predictions: str
    summary: str


class Checkpoint(Struct, frozen=True):
    """All that another invocation needs to go on with an object; `made_by` names the code whose windows it counts."""

    source: Source
    model_version: str
    before: Before
    made_by: str
    windows: int
    tally: Tally
    upload: Paused
    started: float
    invocations: int


class Job(Struct, frozen=True):
    """An object whose outputs are to match it; `version_id` is the version that was heard of, maybe an older one."""

    bucket: str
    key: str
    output_bucket: str
    output_key: str
    version_id: str = ""
    checkpoint: Checkpoint | None = None


class Summary(Struct, frozen=True, kw_only=True):
    """What became of an object.

    `status` is complete; damaged (predictions up to a line that says why); refused or deleted (no predictions). The
    shares of the labels are of the predicted lines. `seconds` is from the first invocation's start, waiting included.
    `attempt` is drawn at random, so that no two summaries have the same bytes.
    """

    status: str
    reason: str = ""
    source: Source
    model: ModelName
    output: Written | None = None
    tally: Tally
    label_shares: dict[str, float] = {}
    started: str = ""
    seconds: float = 0
    invocations: int = 1
    attempt: str = ""


class Outcome(Struct, frozen=True):
    """`result` is the summary's status, or: duplicate (nothing was to be done), paused (with its checkpoint)."""

    result: str
    summary: Summary | None = None
    checkpoint: Checkpoint | None = None
