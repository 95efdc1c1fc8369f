"""The labelled texts of a training: read, split, and looked at."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from training.data.audit import Audit, audit, check_strict
from training.data.datasets import read_dataset
from training.data.files import Content, read, read_content
from training.data.formats.parts import parts_of
from training.data.labels import alike, check_looks, merged, say_alike, say_unsplit
from training.data.read import SEPARATOR, Example, Kind
from training.data.split import Splits, make_splits
from training.learning.folds import FEW_TEXTS, FOLDS
from training.learning.job import Family
from training.learning.levels import check_paths, likely_separator
from training.learning.plan import Progress
from training.learning.tasks import check_task
from training.options import Options, Texts

# A warning names so many lines.
NAMED_LINES = 10
# Where a frozen encoder was measured to be far ahead, and by how much.
FEW_A_LABEL = 64
ADVICE = (
    "few texts a label: a pre-trained encoder knows more than they say (with 8 a label it had 71, 78 and 71 % of three "
    "sets right, and n-grams 50, 53 and 56 %): --checkpoint intfloat/multilingual-e5-small --tune none"
)


class Data(NamedTuple):
    """Texts in their parts, what is odd about them, and texts without labels to learn from."""

    splits: Splits
    audit: Audit
    unlabelled: list[Example]
    text_column: str


class _Parts(NamedTuple):
    """The labelled texts as they were read; those that are not given will be held out."""

    train: list[Example]
    dev: list[Example] | None
    test: list[Example] | None


def read_data(options: Options, family: Family, progress: Progress) -> Data:
    """Reads, splits and audits the texts, and says what was found. Raises InputError.

    Where texts are few, a family that is cross-validated has none held out for development, unless it is chosen from
    several small ones, or taught: that is judged on development texts.
    """
    texts, kind = options.texts, check_task(options.task, options.multi_label)
    content = _train(texts, progress)
    parts = _Parts(content.examples, *(_held_out(name, texts, progress) for name in ("dev", "test")))
    check_looks(parts.train, kind, str(texts.file or texts.dataset))
    if kind.named:
        parts = _one_spelling(parts, kind, texts.merge_labels, progress)
    unsplit = kind is Kind.LABELS and all(SEPARATOR not in example.label for example in parts.train)
    if unsplit and (told := say_unsplit(example.label for example in parts.train)):
        progress.warn(told)
    unlabelled = read(texts.unlabelled, texts.columns._replace(label=""), say=progress.say) if texts.unlabelled else []
    unlabelled += content.unlabelled
    small = options.automatic and not family.pretrained
    few = FEW_TEXTS if family.crossed and not (small or options.teacher or unlabelled) else 0
    if options.separator:
        check_paths(kind.labels_of(parts.train), options.separator)
    elif kind is Kind.LABEL and (likely := likely_separator(kind.labels_of(parts.train))):
        progress.say(f"labels look like paths; --separator {shlex.quote(likely)} answers as deep as is certain")
    splits = make_splits(*parts, options.seed, kind, few)
    data = Data(splits, audit(splits), unlabelled, content.text_column)
    _tell(data, crossed=FOLDS <= len(splits.train) < few, progress=progress)
    if not (options.model.checkpoint or options.teacher) and few_a_label(splits):
        progress.say(ADVICE)
    if texts.strict:
        check_strict(data.audit)
    return data


def _files(texts: Texts, part: str) -> list[Path]:
    """The files of a part: those that are named, or found where all of them lie in one folder."""
    named = {"train": None, "dev": texts.dev, "test": texts.test}[part]
    if named or not texts.file:
        return [named] if named else []
    found = parts_of(texts.file)
    return found.get(part, []) if found or part != "train" else [texts.file]


def _train(texts: Texts, progress: Progress) -> Content:
    if not texts.file:
        return Content(read_dataset(texts.dataset), [], "text")
    contents = [read_content(file, texts.columns, texts.missing, progress.say) for file in _files(texts, "train")]
    return Content(
        [example for content in contents for example in content.examples],
        [example for content in contents for example in content.unlabelled],
        contents[0].text_column,
    )


def _held_out(part: str, texts: Texts, progress: Progress) -> list[Example] | None:
    files = _files(texts, part)
    contents = [read(file, texts.columns, texts.missing, progress.say) for file in files]
    return [example for content in contents for example in content] if files else None


def _one_spelling(parts: _Parts, kind: Kind, merge: bool, progress: Progress) -> _Parts:
    """The parts, with one spelling for labels that are likely one if that is wanted; else it is said."""
    groups = alike(label for part in parts for example in part or () for label in kind.split(example.label))
    if merge:
        dev, test = (None if part is None else merged(part, groups) for part in parts[1:])
        return _Parts(merged(parts.train, groups), dev, test)
    for group in groups:
        progress.warn(say_alike(group))
    return parts


def few_a_label(splits: Splits) -> bool:
    """Whether there are labels, and on average so few training texts of each that an encoder is much better."""
    return bool(splits.labels) and len(splits.train) <= FEW_A_LABEL * len(splits.labels)


def _lines(lines: Sequence[int]) -> str:
    """Which lines, by number: the first of them, if they are many."""
    named = ", ".join(f"{line:,}" for line in sorted(lines)[:NAMED_LINES])
    return f"line{'s'[: len(lines) > 1]} {named}{' …'[: 2 * (len(lines) > NAMED_LINES)]}"


def _tell(data: Data, crossed: bool, progress: Progress) -> None:
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
    if splits.labels and not splits.dev and not crossed:
        progress.warn("no development texts are held out, so settings and confidences are not adjusted to these data")
    if not splits.test:
        progress.warn("no test texts are held out, so there will be no score")
