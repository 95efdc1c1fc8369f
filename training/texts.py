"""The labelled texts of a training: read, split, and looked at."""

from collections.abc import Sequence
from typing import NamedTuple

from training.data.audit import Audit, audit, check_strict
from training.data.datasets import read_dataset
from training.data.read import read
from training.data.split import Splits, make_splits
from training.learning.plan import Progress
from training.learning.tasks import check_task
from training.options import Options

# A warning names so many lines.
NAMED_LINES = 10


class Data(NamedTuple):
    """Texts in their parts, and what is odd about them."""

    splits: Splits
    audit: Audit


def read_data(options: Options, progress: Progress) -> Data:
    """Reads, splits and audits the labelled texts, and says what was found. Raises InputError."""
    texts = options.texts
    rows = read(texts.file, texts.columns) if texts.file else read_dataset(texts.dataset)
    dev, test = (read(path, texts.columns) if path else None for path in (texts.dev, texts.test))
    splits = make_splits(rows, dev, test, options.seed, check_task(options.task, options.multi_label))
    data = Data(splits, audit(splits))
    _tell(data, progress)
    if texts.strict:
        check_strict(data.audit)
    return data


def _lines(lines: Sequence[int]) -> str:
    """Which lines, by number: the first of them, if they are many."""
    named = ", ".join(f"{line:,}" for line in sorted(lines)[:NAMED_LINES])
    return f"line{'s'[: len(lines) > 1]} {named}{' …'[: 2 * (len(lines) > NAMED_LINES)]}"


def _tell(data: Data, progress: Progress) -> None:
    splits = data.splits
    progress.say(
        f"{splits.cleaning.read:,} rows read: {len(splits.train):,} texts to train on, {len(splits.dev):,} to develop "
        f"on, {len(splits.test):,} to test on; {len(splits.labels)} labels"
    )
    for finding in data.audit.findings:
        progress.say(f"audit: {finding.count:,} {finding.text}")
    cleaning = splits.cleaning
    if cleaning.averaged:
        progress.warn(f"{_lines(cleaning.averaged)}: the same text has different numbers; it is trained on their mean")
    if cleaning.far_out and cleaning.usual:
        low, high = cleaning.usual
        progress.warn(
            f"{_lines(cleaning.far_out)}: so far out that other numbers would count for nothing; the others are from "
            f"{low:g} to {high:g}, and these count as the nearer end; correct or remove them"
        )
    if splits.labels and not splits.dev:
        progress.warn("no development texts are held out, so settings and confidences are not adjusted to these data")
    if not splits.test:
        progress.warn("no test texts are held out, so there will be no score")
