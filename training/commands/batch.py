"""`fenlei batch`: the code that classifies files in S3, over files on a disk and all processors."""

import os
import sys
import tempfile
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
from msgspec import Struct

from handler.errors import Refused
from handler.files.batch import Tally, answer, pack, text_column, windows
from handler.files.lines import PIECE_BYTES
from handler.files.records import Layout, Row, layout_of, records
from handler.model import bundle as bundles
from handler.model.bundle import Manifest
from handler.model.classifier import Classifier
from handler.model.prediction import ModelName
from training.data.converted import as_json_lines, has_other_columns, in_utf8, other_encoding
from training.data.formats.any_file import suffix_of
from training.data.formats.encoding import spoken
from training.data.formats.rows import Columns, Say, silent
from training.errors import InputError, WorkError
from training.shipping.bundles import can_write, prefix_of

AHEAD = 4  # windows that wait for each process, so that none idles and memory stays flat
MOST_ON_WINDOWS = 61  # processes that it lets one wait for, says the documentation of ProcessPoolExecutor


class Options(NamedTuple):
    """What the command line says; `text_column` is the bundle's if empty."""

    text_column: str = ""
    id_column: str = "id"
    top_k: int = 1
    processes: int = 1


class Origin(Struct, frozen=True):
    """The file that was classified, as it was then."""

    path: str
    size: int
    modified_ns: int


class Summary(Struct, frozen=True, kw_only=True):
    """What became of a file: `status` is complete or damaged, as for an object in S3."""

    status: str
    reason: str = ""
    source: Origin
    model: ModelName
    options: list[str]
    output: str
    tally: Tally
    label_shares: dict[str, float]
    started: str
    seconds: float


class Reading(NamedTuple):
    """How a file is read: the layout of the pieces that are made of its bytes."""

    layout: Layout
    pieces: Callable[[IO[bytes]], Iterator[bytes]]


class Planned(NamedTuple):
    """A file, how it is read, and where its output goes; that is packed if the file is."""

    path: Path
    reading: Reading
    packed: bool
    output: Path
    summary: Path


Advance = Callable[[Path, int, int], None]


def processes_for(asked: int) -> int:
    """As many processes as are asked for, else one per processor: of those that are ours, where the system says it."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    wanted = asked or mine or 1
    return min(wanted, MOST_ON_WINDOWS) if sys.platform == "win32" else wanted


def plan(files: list[Path], directory: Path, manifest: Manifest, options: Options, say: Say = silent) -> list[Planned]:
    """Raises InputError for the first file that could not be classified, so that nothing is begun then."""
    planned: dict[str, Planned] = {}
    for path in files:
        if not path.is_file():
            raise InputError(f"{path} is no file; check the path.")
        reading = _reading(path, text_column(manifest), options, say)
        packed = path.suffix.lower() == ".gz"
        output = directory / f"{path.name}.predictions.jsonl{'.gz' if packed else ''}"
        place = _place(output)
        if place in planned:
            raise InputError(f"{planned[place].path} and {path} would both be written to {output}; call for each.")
        planned[place] = Planned(path, reading, packed, output, directory / f"{path.name}.summary.json")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{directory} cannot be made: {error.strerror}; choose another --output.") from None
    if not can_write(directory):
        raise InputError(f"{directory} cannot be written to; choose another --output.")
    return list(planned.values())


def _reading(path: Path, usual: str, options: Options, say: Say) -> Reading:
    """As in S3, if a file is of a format that is read there, in UTF-8, with the column; else by way of what is."""
    try:
        layout = layout_of(path.name, options.text_column or usual, options.id_column)
    except Refused as error:
        if not suffix_of(path):
            raise InputError(f"{path}: {error}") from None
        return _by_rows(path, usual, options, say)
    if layout.format != "txt" and not options.text_column and has_other_columns(path, usual):
        return _by_rows(path, usual, options, say)
    encoding = other_encoding(path)
    if not encoding:
        return Reading(layout, _pieces)
    say(f"{path.name} is read as {spoken(encoding)}")
    return Reading(layout._replace(gzip=False), lambda _: in_utf8(path, encoding))


def _by_rows(path: Path, usual: str, options: Options, say: Say) -> Reading:
    rows = as_json_lines(path, Columns(text=options.text_column or None, label=""), usual, options.id_column, say)
    return Reading(Layout("jsonl", text_column=usual, id_column=options.id_column), lambda _: rows)


def _place(output: Path) -> str:
    """What two outputs have in common that are one file: on macOS and Windows, case and spelling do not tell them."""
    apart = sys.platform not in ("darwin", "win32")
    return str(output) if apart else unicodedata.normalize("NFC", str(output)).casefold()


def run(bundle: Path, planned: list[Planned], options: Options, advance: Advance) -> list[tuple[Summary, bool]]:
    """Classifies the files in order, the windows of each on all processes; gives each summary, and whether it is new.

    A file whose summary speaks of it as it is now, and of this model, is left alone. `advance(path, bytes, lines)` is
    called as it goes. Raises InputError for a file that cannot be read, and WorkError if a process dies.
    """
    manifest = bundles.load(bundle).manifest
    summaries = []
    context = get_context("spawn")  # a forked TensorFlow Lite would share threads that are not there
    arguments = (bundle, options.top_k)
    with ProcessPoolExecutor(options.processes, context, initializer=_load, initargs=arguments) as pool:
        for one in planned:
            try:
                done = _done(one, manifest, options)
                summaries.append((done, False) if done else (_classify(one, pool, manifest, options, advance), True))
            except BrokenProcessPool:
                raise WorkError(f"A process died while it classified {one.path}; is there enough memory?") from None
            except Refused as error:
                raise InputError(f"{one.path}: {error}") from None
            except OSError as error:
                raise InputError(f"{error.filename or one.path} cannot be used: {error.strerror}.") from None
    return summaries


def _classify(
    one: Planned, pool: ProcessPoolExecutor, manifest: Manifest, options: Options, advance: Advance
) -> Summary:
    started, origin, tally = time.time(), _origin(one.path), Tally()
    waiting: deque[Future[tuple[bytes, Tally]]] = deque()
    with one.path.open("rb") as source, _atomic(one.output) as output:

        def collect() -> None:
            block, counted = waiting.popleft().result()
            output.write(pack(block, one.packed))
            tally.add(counted)
            advance(one.path, source.tell(), tally.lines)

        try:
            for window in windows(records(one.reading.pieces(source), one.reading.layout)):
                waiting.append(pool.submit(_answer, window))
                if len(waiting) > AHEAD * options.processes:
                    collect()
            while waiting:
                collect()
            if one.packed and not tally.lines:
                output.write(pack(b"", one.packed))
        finally:
            for future in waiting:
                future.cancel()
    summary = Summary(
        status="damaged" if tally.damage else "complete",
        reason=tally.damage or ("" if tally.lines else "The file is empty."),
        source=origin,
        model=ModelName(manifest.name, manifest.version),
        options=_named(options),
        output=str(one.output),
        tally=tally,
        label_shares=tally.label_shares(),
        started=datetime.fromtimestamp(started, UTC).isoformat(timespec="milliseconds"),
        seconds=round(time.time() - started, 3),
    )
    with _atomic(one.summary) as file:
        file.write(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    return summary


def _done(one: Planned, manifest: Manifest, options: Options) -> Summary | None:
    try:
        summary = msgspec.json.decode(one.summary.read_bytes(), type=Summary)
    except (OSError, msgspec.DecodeError):
        return None
    model = ModelName(manifest.name, manifest.version)
    same = (summary.source, summary.model, summary.options) == (_origin(one.path), model, _named(options))
    return summary if same and one.output.exists() else None


def _origin(path: Path) -> Origin:
    found = path.stat()
    return Origin(str(path.absolute()), found.st_size, found.st_mtime_ns)


def _named(options: Options) -> list[str]:
    return [options.text_column, options.id_column, str(options.top_k)]


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


@contextmanager
def _atomic(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=prefix_of(path), suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


# --- in each process --------------------------------------------------------------------------------

_loaded: dict[str, tuple[Classifier, int]] = {}


def _load(bundle: Path, top_k: int) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that the user sees
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _loaded["it"] = (Classifier(bundles.load(bundle)), top_k)


def _answer(window: list[Row]) -> tuple[bytes, Tally]:
    return answer(window, *_loaded["it"])
