"""What is odd about the data, before anything is trained on it."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct

from training.data.read import Example
from training.data.split import Splits, core
from training.errors import InputError

FEW_EXAMPLES = 10
# The most frequent label over the rarest, from which on labels count as skewed.
SKEW = 10
LONG_TEXT = 100_000


class Finding(Struct):
    """One thing found; `leak` if it makes a held-out score too good."""

    text: str
    count: int
    leak: bool = False


class Audit(Struct):
    """Findings, and what the training texts look like: shares of labels and of scripts, length in characters."""

    findings: list[Finding]
    labels: dict[str, int]
    scripts: dict[str, float]
    characters: dict[str, int]


def audit(splits: Splits) -> Audit:
    """Looks at cleaned splits."""
    findings = [
        Finding(
            "copies of other texts, but for case, width, spaces and punctuation, dropped", splits.cleaning.duplicates
        ),
        Finding("rows whose text, or one alike, carries two labels, dropped", splits.cleaning.conflicting),
        Finding(
            "rows whose text, or one alike, has another number elsewhere: the mean is taken",
            len(splits.cleaning.averaged),
        ),
        Finding("numbers far out, which count as the nearest of the others", len(splits.cleaning.far_out)),
        Finding("blank rows, dropped", splits.cleaning.blank),
        *_overlaps(splits),
        *_balance(splits),
        Finding("texts with U+FFFD, the mark of an encoding gone wrong", _holding(splits.train, "\ufffd")),
        Finding("texts with control characters", sum(map(has_control, splits.train))),
        Finding(
            f"texts over {LONG_TEXT:,} characters, of which only the beginning is read",
            sum(len(e.text) > LONG_TEXT for e in splits.train),
        ),
    ]
    lengths = [len(example.text) for example in splits.train]
    return Audit(
        findings=[finding for finding in findings if finding.count],
        labels=dict(splits.kind.count(splits.train).most_common()) if splits.labels else {},
        scripts=_scripts(splits.train),
        characters={f"p{q}": int(np.percentile(lengths, q)) for q in (1, 50, 90, 99, 100)},
    )


def check_strict(found: Audit) -> None:
    """Raises InputError if anything leaks from training into a held-out set."""
    leaks = [f"{finding.count:,} {finding.text}" for finding in found.findings if finding.leak]
    if leaks:
        raise InputError(f"Leakage: {'; '.join(leaks)}; remove them from the training file, or train without --strict.")


def unseen(examples: Sequence[Example], train: Iterable[Example]) -> list[Example]:
    """The examples whose core stands in no training text."""
    seen = {core(example.text) for example in train}
    return [example for example in examples if core(example.text) not in seen]


def _overlaps(splits: Splits) -> list[Finding]:
    findings = []
    labels_of: dict[str, set[str]] = {}
    for example in splits.train:
        labels_of.setdefault(core(example.text), set()).add(example.label)
    for name, part in (("development", splits.dev), ("test", splits.test)):
        copies = [example for example in part if core(example.text) in labels_of]
        other = sum(example.label not in labels_of[core(example.text)] for example in copies)
        findings.append(Finding(f"{name} texts that also stand in training", len(copies), leak=True))
        if splits.labels:
            findings.append(Finding(f"of those {name} texts, with another label", other))
    both = {core(e.text) for e in splits.dev} & {core(e.text) for e in splits.test}
    return [*findings, Finding("texts in both development and test", len(both), leak=True)]


def _balance(splits: Splits) -> list[Finding]:
    if not splits.labels:
        return []
    counts = splits.kind.count(splits.train)
    few = sum(count < FEW_EXAMPLES for count in counts.values())
    skewed = counts.most_common()[0][1] >= SKEW * min(counts.values())
    missing = counts.keys() - splits.kind.count(splits.dev).keys() if splits.dev else set()
    return [
        Finding(f"labels with fewer than {FEW_EXAMPLES} training texts: expect little of them", few),
        Finding(f"times the rarest label fits into the most frequent, over {SKEW}", _ratio(counts) if skewed else 0),
        Finding("labels that no development text has, so that nothing is chosen for them", len(missing)),
    ]


def _ratio(counts: Counter[str]) -> int:
    return counts.most_common()[0][1] // min(counts.values())


def _holding(examples: Iterable[Example], character: str) -> int:
    return sum(character in example.text for example in examples)


def has_control(example: Example) -> bool:
    """Whether a control character stands in its text."""
    return any(unicodedata.category(c) == "Cc" for c in example.text)


def script_of(character: str) -> str:
    """The script of a letter or digit: the first word of its Unicode name tells it."""
    name = unicodedata.name(character, "UNKNOWN").split()[0]
    return {"CJK": "Han", "LATIN": "Latin", "DIGIT": "digits"}.get(name, name.capitalize())


def _scripts(examples: Iterable[Example]) -> dict[str, float]:
    """The share of letters and digits by script."""
    counts: Counter[str] = Counter()
    for example in examples:
        counts.update(c for c in example.text if c.isalnum())
    scripts: Counter[str] = Counter()
    for character, count in counts.items():
        scripts[script_of(character)] += count
    total = max(1, sum(scripts.values()))
    return {script: round(count / total, 4) for script, count in scripts.most_common(5)}
