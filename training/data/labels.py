"""What a label column can hold: labels, nothing, flags, and labels that are likely one."""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from training.data.formats.look import FLAGS
from training.data.formats.rows import checked
from training.data.read import SEPARATOR, Example, Kind
from training.errors import InputError

# From so many rows on, it is no chance if most labels are different, or if there are no more texts than so many.
FEWEST_ROWS, MOST_ALIKE = 20, 2
# A model has weights for each label; so many would be gigabytes of them.
MOST_LABELS = 20_000
# A list as Python, NumPy and JSON write it, which is what they leave of one in a cell of a table.
_ITEM = re.compile(r"""'([^']*+)'|"([^"]*+)"|(-?[0-9.]++)""")
_LIST = re.compile(rf"\[\s*+(?:(?:{_ITEM.pattern})[\s,]*+)*+\]")
# What else people write between several labels.
BETWEEN = (",", ";", "#", "、", "，")
# How people and programs write that there is nothing.
NOTHING = frozenset(("nan", "null", "none", "n/a", "na", "#n/a", "<na>", "nil"))


def label_of(where: str, value: object, several: bool) -> str | None:
    """What a label column holds, as a label or as label|label; None if nothing. Raises InputError for what is none."""
    if isinstance(value, str) and value.startswith('{"choices"'):
        value = _choices(value)
    if isinstance(value, str) and value.startswith("[") and _LIST.fullmatch(value):
        value = [one.group(1) or one.group(2) or one.group(3) or "" for one in _ITEM.finditer(value)]
    if isinstance(value, dict) and "choices" in value:
        value = value["choices"]
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str | int | float):
        return checked(where, str(value).strip()) or None
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return joined(where, [str(one).strip() for one in value], several) if value else None
    raise InputError(f"{where}: the label is not a text but {json.dumps(value, default=str)[:50]}.")


def flagged(where: str, row: Mapping[str, object], columns: Sequence[str], several: bool) -> str | None:
    """The names of the columns that hold 1. Raises InputError for one that holds anything but 0 and 1."""
    chosen = []
    for name in columns:
        told = str(row[name]).strip()
        if told not in FLAGS:
            raise InputError(f"{where}: the column {name!r} holds {told[:20]!r} and not 0 or 1.")
        chosen += [name] if FLAGS[told] else []
    return joined(where, chosen, several) if chosen or several else None


def joined(where: str, labels: Sequence[str], several: bool) -> str:
    """Several labels as one string. Raises InputError if there may be one only, or if one has the separator in it."""
    if len(labels) > 1 and not several:
        raise InputError(
            f"{where} has {len(labels)} labels ({', '.join(labels)[:100]}); --multi-label lets a text have several."
        )
    if len(labels) > 1 and any(SEPARATOR in label for label in labels):
        raise InputError(f"{where}: a label has {SEPARATOR} in it, which stands between labels; give it another name.")
    return checked(where, SEPARATOR.join(labels))


def is_nothing(label: str) -> bool:
    """Whether a label is a word for there being none."""
    return label.casefold() in NOTHING


def _choices(cell: str) -> object:
    """The choices that Label Studio has in a cell of its CSV, if the cell is that."""
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return cell
    return found.get("choices", cell)


def alike(labels: Iterable[str]) -> list[list[str]]:
    """Labels that differ only in case, width, spaces or the way a number is written; each group most frequent first."""
    groups: dict[str, list[str]] = {}
    for label, _ in Counter(labels).most_common():
        groups.setdefault(core(label), []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def merged(examples: Iterable[Example], groups: Iterable[Sequence[str]]) -> list[Example]:
    """The examples, with the first label of a group for each of the others."""
    first = {label: group[0] for group in groups for label in group}

    def of(label: str) -> str:
        return SEPARATOR.join(dict.fromkeys(first.get(one, one) for one in label.split(SEPARATOR)))

    return [example._replace(label=first.get(example.label) or of(example.label)) for example in examples]


def merged_onto(examples: Iterable[Example], known: Sequence[str]) -> list[Example]:
    """The examples, with a known label for each that is likely the same."""
    labels = {label for example in examples for label in (example.label, *example.label.split(SEPARATOR))}
    by_core = {core(label): label for label in reversed(known)}
    groups = [(by_core[core(label)], label) for label in labels - set(known) if core(label) in by_core]
    return merged(examples, groups)


def say_alike(group: Sequence[str]) -> str:
    """Tells of labels that are likely one."""
    return f"the labels {', '.join(map(repr, group[:5]))} are likely one; --merge-labels takes them as {group[0]!r}"


def say_unsplit(labels: Iterable[str]) -> str:
    """Tells of labels that are likely several, where a text may have several and none has; empty if they are not."""
    counts = Counter(labels)
    for between in BETWEEN:
        whole = [label for label in counts if between in label]
        parts = Counter(part.strip() for label in whole for part in label.split(between))
        if len(whole) > 1 and len(parts) < len(whole) + len(counts) and max(parts.values()) > 1:
            return (
                f"no text has several labels, though {len(whole):,} labels have {between!r} in them, such as "
                f"{whole[0][:50]!r}: if that stands between labels, write {SEPARATOR} for it"
            )
    return ""


def check_looks(examples: Sequence[Example], kind: Kind, source: str) -> None:
    """Raises InputError for what is likely the wrong column: labels that are ids, texts that are all alike."""
    labels = kind.labels_of(examples) if kind is Kind.LABEL else []
    check_looks_of({example.text for example in examples}, labels, len(examples), source)


def check_looks_of(texts: Collection[str], labels: Sequence[str], rows: int, source: str) -> None:
    """The same of so many rows, with these labels, of which a few different texts are enough."""
    if rows < FEWEST_ROWS:
        return
    if len(texts) <= MOST_ALIKE:
        raise InputError(
            f"{source}: the {rows:,} texts are all alike ({', '.join(map(repr, sorted(texts)))[:100]}); is "
            "that the right column? Another one is named with --text-column."
        )
    if len(labels) > MOST_LABELS:
        raise InputError(
            f"{source}: {len(labels):,} different labels (such as {labels[0][:50]!r}) are more than {MOST_LABELS:,}, "
            "the most that a model is made for; name another column with --label-column, or make groups of them."
        )
    if len(labels) > rows / 2:
        raise InputError(
            f"{source}: {rows:,} rows have {len(labels):,} different labels (such as {labels[0][:50]!r}), "
            "which looks like an id; name another column with --label-column."
        )


def core(label: str) -> str:
    """A label without case, width, more than single spaces, and the way in which a number is written."""
    told = " ".join(unicodedata.normalize("NFKC", label).casefold().split())
    try:
        number = float(told)
    except ValueError:
        return told
    return repr(number) if math.isfinite(number) else told
