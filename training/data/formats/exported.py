"""What exports of labelling tools have in common: they become rows with these two columns, and some are left out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from training.data.formats.rows import Say

TEXT, LABEL = "text", "label"


def row(text: object, labels: object) -> dict[str, object]:
    """A row of an export; no labels are None, of one that is still to be labelled."""
    return {TEXT: text, LABEL: labels or None}


def majority(answers: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...] | None, bool]:
    """What most annotators chose, and whether that is a tie, in which case there is no answer."""
    counts = Counter(answers).most_common(2)
    tied = len(counts) > 1 and counts[0][1] == counts[1][1]
    return (counts[0][0] if counts and not tied else None), tied


def say_left_out(counts: Mapping[str, int], say: Say) -> None:
    """Says how many records were left out, and why."""
    for reason, count in counts.items():
        say(f"{count:,} {reason}: left out")


def strings(value: Any) -> list[str]:
    """The strings in a list, or a string alone; of anything else none."""
    return [value] if isinstance(value, str) else [one for one in value if isinstance(one, str)] if value else []
