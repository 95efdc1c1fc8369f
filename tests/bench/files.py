"""A million lines through the code for files in S3, beside fastText's Python API: `make bench-files`.

    python -m tests.bench.files DATA          # a directory with train.tsv, dev.tsv and test.tsv

Throughput: read JSON lines, predict, write JSON lines, in processor time of one thread, so that other work on the
machine counts little; fenlei (the family that `auto` picks) and fastText take turns. Then the function itself over
moto's server: N lines of jsonl.gz in, N lines out in the same order, and the memory that it took; and lines as long as
a line may be, of which a model reads little. Ends with an error if these took over MEMORY_CEILING megabytes. A line
that is one word has to be tokenized whole, and takes more. Linux only: it keeps to one processor, and reads /proc.
"""

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

LINES = 1_000_000
SIZES = (10_000, 100_000, LINES)
TURNS = 5
SLICE = 50_000
SINGLE = 2_000
KEY = "texts.jsonl.gz"
MEMORY_CEILING = 250
LONGEST = 1_000_000  # bytes of a line, a little less than may be


def main(data: Path) -> None:
    processors = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as work:
        bundle, peer = Path(work, "bundle"), Path(work, "fasttext.bin")
        train(data, bundle, peer)
        texts = [line.split("\t", 1)[1] for line in (data / "test.tsv").read_text(encoding="utf-8").splitlines()]
        os.sched_setaffinity(0, processors[:1])
        beside_fasttext(bundle, peer, texts)
        where_the_time_goes(bundle, texts)
        one_text(bundle, peer, texts)
        os.sched_setaffinity(0, processors)
        through_s3(bundle, texts)


def long_lines(texts: list[str], count: int, word: bool = False) -> Iterator[bytes]:
    """Of real texts and of words in turns; or each of them one word, in which no tokenizer finds an end."""
    chinese = "".join(texts * (1 + LONGEST // sum(map(len, texts))))[: LONGEST // 3]
    kinds = ["x" * LONGEST] if word else [chinese, "good book " * (LONGEST // 10)]
    for i in range(count):
        yield json.dumps({"id": i, "text": kinds[i % len(kinds)]}, ensure_ascii=False).encode() + b"\n"


def train(data: Path, bundle: Path, peer: Path) -> None:
    """Trains both in processes of their own; FENLEI_BENCH_BUNDLE names a bundle that is there already."""
    import fasttext

    if "FENLEI_BENCH_BUNDLE" in os.environ:
        bundle.symlink_to(Path(os.environ["FENLEI_BENCH_BUNDLE"]).absolute())
    else:
        files = ["--dev", str(data / "dev.tsv"), "--test", str(data / "test.tsv"), "--columns", "label,text"]
        command = [
            sys.executable,
            "-c",
            "from training.commands.cli import main; main()",
            "train",
            str(data / "train.tsv"),
        ]
        subprocess.run([*command, *files, "--family", "auto", "-o", str(bundle)], check=True)
    rows = [line.split("\t", 1) for line in (data / "train.tsv").read_text(encoding="utf-8").splitlines()]
    file = peer.with_suffix(".txt")
    file.write_text("".join(f"__label__{label} {' '.join(text)}\n" for label, text in rows), encoding="utf-8")
    # What tests/bench/accuracy.py found best on these.
    fasttext.train_supervised(
        str(file), epoch=10, lr=0.5, wordNgrams=2, bucket=200_000, thread=2, verbose=0
    ).save_model(str(peer))


def lines_of(texts: list[str], count: int) -> Iterator[bytes]:
    for i in range(count):
        yield json.dumps({"id": i, "text": texts[i % len(texts)]}, ensure_ascii=False).encode() + b"\n"


# --- one processor, both do the same ---------------------------------------------------------------


def beside_fasttext(bundle: Path, peer: Path, texts: list[str]) -> None:
    content = b"".join(lines_of(texts, SLICE))
    contestants = {"fenlei": fenlei(bundle), "fastText": fast_text(peer), "fastText, lists": fast_text(peer, 1024)}
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(TURNS + 1):
        for name, run in contestants.items():
            began = time.process_time()
            out = run(content)
            if turn:
                taken[name].append(time.process_time() - began)
            assert out.count(b"\n") == SLICE
    print(f"read, predict, write, processor time of one thread: median of {TURNS} turns of {SLICE:,} lines")
    for name, seconds in taken.items():
        best = median(seconds)
        print(f"{name:<18} {SLICE / best:>9,.0f} lines/s  {best / SLICE * 1e6:>6.1f} us a line")
    print(f"fenlei / fastText: {median(taken['fastText']) / median(taken['fenlei']):.2f}")


def fenlei(bundle: Path) -> Callable[[bytes], bytes]:
    from handler.files.batch import answer, windows
    from handler.files.lines import PIECE_BYTES
    from handler.files.records import layout_of, records
    from handler.model.bundle import load
    from handler.model.classifier import Classifier

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    loaded = load(bundle)
    classifier = Classifier(loaded)
    print(f"{loaded.manifest.family}: {loaded.manifest.metrics['accuracy']:.4f} accuracy")

    def run(content: bytes) -> bytes:
        pieces = (content[i : i + PIECE_BYTES] for i in range(0, len(content), PIECE_BYTES))
        return b"".join(answer(window, classifier)[0] for window in windows(records(pieces, layout_of("a.jsonl"))))

    return run


def fast_text(peer: Path, together: int = 1) -> Callable[[bytes], bytes]:
    """As one would write it: a line at a time, or lists of lines."""
    import fasttext
    import msgspec

    model = fasttext.load_model(str(peer))
    encode, decode = msgspec.json.encode, msgspec.json.decode

    def run(content: bytes) -> bytes:
        out = []
        rows = [decode(line) for line in content.splitlines()]
        if together == 1:
            for number, row in enumerate(rows, 1):
                (label,), (p,) = model.predict(" ".join(row["text"]))
                out.append(
                    encode({"line": number, "id": row["id"], "label": label[9:], "confidence": float(p)}) + b"\n"
                )
        for start in range(0, len(rows) if together > 1 else 0, together):
            part = rows[start : start + together]
            labels, ps = model.predict([" ".join(row["text"]) for row in part])
            for number, (row, label, p) in enumerate(zip(part, labels, ps, strict=True), start + 1):
                found = {"line": number, "id": row["id"], "label": label[0][9:], "confidence": float(p[0])}
                out.append(encode(found) + b"\n")
        return b"".join(out)

    return run


def where_the_time_goes(bundle: Path, texts: list[str]) -> None:
    from handler.files.records import layout_of, records
    from handler.model.bundle import load
    from handler.model.classifier import Classifier

    classifier = Classifier(load(bundle))
    content = b"".join(lines_of(texts, 10_000))
    chosen = [texts[i % len(texts)] for i in range(10_000)]
    parts = [chosen[i : i + 1024] for i in range(0, len(chosen), 1024)]
    ids = [classifier.encode(part).ids for part in parts]
    steps: dict[str, Callable[[], object]] = {
        "reading": lambda: list(records([content], layout_of("a.jsonl"))),
        "tokenizer": lambda: [classifier.encode(part) for part in parts],
        "interpreter": lambda: [classifier.logits(part) for part in ids],
    }
    print("of that, us a line:", end="")
    for name, step in steps.items():
        seconds = []
        for _ in range(TURNS):
            began = time.process_time()
            step()
            seconds.append(time.process_time() - began)
        print(f"  {name} {median(seconds) / len(chosen) * 1e6:.1f}", end="")
    print("  (the rest is Python: windows, predictions, JSON)")


def one_text(bundle: Path, peer: Path, texts: list[str]) -> None:
    """One call a text, in turns: the median of each."""
    import fasttext

    from handler.model.bundle import load
    from handler.model.classifier import Classifier

    classifier, model = Classifier(load(bundle)), fasttext.load_model(str(peer))
    calls: dict[str, Callable[[str], object]] = {
        "fenlei": lambda text: classifier.classify([text]),
        "fastText": lambda text: model.predict([" ".join(text)]),
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for text in texts[:SINGLE]:
        for name, call in calls.items():
            began = time.perf_counter()
            call(text)
            taken[name].append(time.perf_counter() - began)
    print("one text:", ", ".join(f"{name} {median(seconds) * 1e6:.0f} us" for name, seconds in taken.items()))


# --- the function over HTTP, each size in a process of its own -----------------------------------------


def through_s3(bundle: Path, texts: list[str]) -> None:
    from tests.cloud import cloud

    print(
        f"{'lines':>10} {'in order':>9} {'processor s':>12} {'us a line':>10} {'peak RSS MB':>12} {'after loading':>14}"
    )
    peaks = []
    with cloud() as aws:
        for size in SIZES:
            peaks.append(one_file(aws, bundle, lines_of(texts, size), size, f"{size:,}"))
        peaks.append(one_file(aws, bundle, long_lines(texts, 12), 12, "12 of 1 MB"))
        one_file(aws, bundle, long_lines(texts, 3, word=True), 3, "3 words")
    if max(peaks) > MEMORY_CEILING:
        sys.exit(f"error: {max(peaks):.0f} MB of memory were taken, and {MEMORY_CEILING} are to be enough")


def one_file(aws: Any, bundle: Path, lines: Iterator[bytes], size: int, name: str) -> float:
    """Prints a row of the table; gives the most megabytes that the function held."""
    from tests.s3_events import s3_event

    event = s3_event(KEY, aws.put(KEY, gzip.compress(b"".join(lines), 1)))
    environment = os.environ | aws.environment | {"MODEL_DIR": str(bundle), "POWERTOOLS_METRICS_DISABLED": "true"}
    command = [sys.executable, "-m", "tests.bench.files", "--invoke", json.dumps(event)]
    ran = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True)
    found = json.loads(ran.stdout.splitlines()[-1])
    out = gzip.decompress(aws.get(f"{KEY}.predictions.jsonl.gz")).splitlines()
    assert [json.loads(line)["id"] for line in out] == list(range(size))
    seconds, peak = found["seconds"], float(found["peak"])
    each = seconds / size * 1e6
    print(f"{name:>10} {'yes':>9} {seconds:>12.1f} {each:>10.1f} {peak:>12.0f} {found['loaded']:>14.0f}", flush=True)
    return peak


def invoke(event: Any) -> None:
    """In a process of its own: one invocation, its processor time and its memory."""

    from handler.files.objects import client
    from handler.model.models import models
    from handler.s3 import lambda_handler
    from tests.s3_events import Invocation

    models().warm()
    client("s3")
    loaded = peak_mb()
    began = time.process_time()
    lambda_handler(event, Invocation())
    print(json.dumps({"seconds": time.process_time() - began, "peak": peak_mb(), "loaded": loaded}))


def peak_mb() -> float:
    """The most that this process ever held; what getrusage says would start with the parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


if __name__ == "__main__":
    if sys.argv[1] == "--invoke":
        invoke(json.loads(sys.argv[2]))
    else:
        main(Path(sys.argv[1]))
