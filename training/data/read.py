"""Labelled texts: what they are."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

SEPARATOR = "|"
_SPACES = re.compile(r"\s+")


class Example(NamedTuple):
    """One labelled text and the line it came from."""

    text: str
    label: str
    line: int = 0


class Kind(Enum):
    """What the label column holds."""

    LABEL = "one label"
    LABELS = "labels with | between them"
    NUMBER = "a number"
    NOTHING = "nothing that counts"

    @property
    def named(self) -> bool:
        """Whether the column holds labels."""
        return self in (Kind.LABEL, Kind.LABELS)

    def labels_of(self, examples: Iterable[Example]) -> list[str]:
        """The distinct labels, sorted; none for numbers."""
        if not self.named:
            return []
        return sorted({label for example in examples for label in self.split(example.label)})

    def count(self, examples: Iterable[Example]) -> Counter[str]:
        """How many texts carry each label."""
        return Counter(label for example in examples for label in self.split(example.label))

    def split(self, label: str) -> list[str]:
        """The labels that a label column's value names, each once."""
        if self is not Kind.LABELS:
            return [label]
        return list(dict.fromkeys(filter(None, (one.strip() for one in label.split(SEPARATOR)))))

    def canonical(self, label: str) -> str:
        """The one way to write the labels that a label column's value names."""
        return SEPARATOR.join(sorted(self.split(label)))

    def meaning(self, label: str) -> str | float:
        """What a label column's value says: of numbers, 1 and 1.0 say the same."""
        return float(label) if self is Kind.NUMBER else label


def squeeze(text: str) -> str:
    """Makes runs of white space one space, so that texts that differ in nothing else count as the same."""
    return _SPACES.sub(" ", text).strip()


def fingerprint(examples: Iterable[Example]) -> str:
    """A hash of the set of (label, text), whatever their order: 16 hexadecimal digits."""
    digests = sorted(hashlib.sha256(f"{e.label}\t{e.text}".encode()).digest() for e in examples)
    return hashlib.sha256(b"".join(digests)).hexdigest()[:16]
