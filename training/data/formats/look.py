"""A look at the columns of a table: all its rows, and little memory."""

import re

from training.data.formats.rows import Table
from training.data.read import SEPARATOR

# So many different values are kept of a column; labels are not more.
MOST_LABELS = 1000
# Each stands so many times, on average; of a table with few rows, there are no more than so many.
AGAIN, FEW = 5, 3
LONGEST_LABEL = 60  # characters, on average
_UNSPACED = re.compile("[\u2e80-\u9fff\uac00-\ud7af]")


class Look:
    """What the values of one column look like."""

    def __init__(self, name: str, several: bool) -> None:
        self.name, self.several = name, several
        self.values: dict[str, int] = {}
        self.filled = self.characters = self.worded = self.many = 0
        self.example = ""

    def add(self, value: object) -> None:
        """Looks at one more value; what is nested is none."""
        told = str(value).strip() if isinstance(value, str | int | float) else ""
        if not told:
            return
        self.example = self.example or told
        self.filled += 1
        self.characters += len(told)
        self.worded += bool(_UNSPACED.search(told)) or (" " in told and any(c.isalpha() for c in told))
        for one in self._labels(told):
            if one in self.values or len(self.values) < MOST_LABELS:
                self.values[one] = self.values.get(one, 0) + 1
            else:
                self.many += 1

    @property
    def length(self) -> float:
        return self.characters / max(1, self.filled)

    @property
    def is_label(self) -> bool:
        """Few values, again and again, and short ones."""
        most = min(max(FEW, self.filled / AGAIN), self.filled / 2)
        return 1 < len(self.values) <= most and not self.many and self.length <= LONGEST_LABEL

    @property
    def is_flag(self) -> bool:
        """Nothing but 0 and 1."""
        return bool(self.values) and not self.many and self.values.keys() <= FLAGS.keys()

    @property
    def is_text(self) -> bool:
        """Words, hardly ever the same twice."""
        return self.worded > self.filled / 2 and len(self.values) + self.many > self.filled / 2

    @property
    def has_its_name(self) -> bool:
        """Whether the name of the column is one of its values, too: then it was the first of them."""
        return all(one in self.values for one in self._labels(self.name))

    def _labels(self, value: str) -> list[str]:
        return value.split(SEPARATOR) if self.several else [value]


# What stands for yes and no in a column of 0 and 1.
FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True, "False": False, "True": True}


def look_at(table: Table, several: bool) -> dict[str, Look]:
    """A look at each column that has a name, in order; where `several`, a value may be label|label."""
    looks = {name: Look(name, several) for name in table.names if name}
    for _, row in table.rows():
        for name, look in looks.items():
            look.add(row.get(name))
    return looks
