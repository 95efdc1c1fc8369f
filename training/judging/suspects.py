"""What a person should look at in a file of labelled texts: label errors, copies, phrases, unusual texts."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec

from training.data.audit import Audit, Finding, audit
from training.data.files import Content
from training.data.near_copies import near_copies
from training.data.phrases import Phrase, phrases
from training.data.read import Example, Kind
from training.data.split import Cleaning, Splits, clean, core
from training.data.unusual import unusual
from training.errors import InputError
from training.families import get_family
from training.judging.label_errors import label_errors
from training.learning.reading import cut_texts, fit_tokenizer

# Texts that are held out, by part: dev and test.
Held: TypeAlias = Mapping[str, Sequence[Example]]
NOTHING_HELD: Held = {"dev": (), "test": ()}


class Why(Enum):
    """Why a text is suspected, in English and in Chinese, the gravest first."""

    CONFLICT = "copies with another label", "相同文本、不同标签"
    LEAK = "copies of held-out texts", "与留出文本相同"
    MISSING = "texts without a label", "没有标签的文本"
    LABEL = "likely label errors", "可能标错的标签"
    NEAR_LEAK = "near copies of held-out texts", "与留出文本近似"
    NEAR_CONFLICT = "near copies with another label", "近似文本、不同标签"
    UNUSUAL = "unusual texts", "异常文本"
    COPY = "copies", "重复文本"
    NEAR_COPY = "near copies", "近似文本"

    def __init__(self, english: str, chinese: str) -> None:
        self.english, self.chinese = english, chinese


class Suspect(NamedTuple):
    """A row, why it is suspected, what speaks for that, and the label that it should likely have, if one is known."""

    example: Example
    why: Why
    detail: str
    suggested: str = ""


class Examined(NamedTuple):
    """The labelled rows of a file, what is odd in all, the suspects, gravest first, and phrases that tell a label."""

    examples: list[Example]
    audit: Audit
    suspects: list[Suspect]
    phrases: list[Phrase]

    def of(self, why: Why) -> list[Suspect]:
        return [suspect for suspect in self.suspects if suspect.why is why]


def examine(
    content: Content, kind: Kind, step: Callable[[str], None] = lambda _: None, held: Held = NOTHING_HELD
) -> Examined:
    """Looks at all rows, and for copies of what is `held` out; `step` is told what comes next.

    A set of labels counts as a label of its own. Raises InputError if there are fewer than two labels, or no text but
    blank ones.
    """
    rows = [example._replace(label=kind.canonical(example.label)) for example in content.examples]
    cleaning = Cleaning()
    kept = clean(rows, cleaning, kind)
    labels = kind.labels_of(rows)
    if len(labels) < 2:
        raise InputError(
            f"The texts carry {len(labels)} distinct label(s) ({', '.join(labels)}), and there is nothing to confuse; "
            "check the label column."
        )
    if not kept:
        raise InputError("Every text is blank, or stands there with two labels; check the text column.")
    step("looking for copies")
    suspects = [*_copies(rows), *_leaks(rows, held), *_near(kept)]
    step("looking for unusual texts and phrases")
    suspects += [Suspect(kept[one.text], Why.UNUSUAL, one.reason) for one in unusual(kept)]
    telling = phrases(kept)
    step("answering each text without having seen it")
    suspects += _label_errors(rows, kept)
    suspects += [Suspect(example, Why.MISSING, "") for example in content.unlabelled]
    order = list(Why)
    suspects.sort(key=lambda suspect: order.index(suspect.why))
    odd = audit(Splits(kept, list(held["dev"]), list(held["test"]), labels, cleaning, kind))
    return Examined(rows, msgspec.structs.replace(odd, findings=odd.findings + _cut(kept)), suspects, telling)


def _cut(kept: Sequence[Example]) -> list[Finding]:
    """How many texts are longer than what n-grams read of one, if they are many."""
    fitted = fit_tokenizer(get_family("linear"), [example.text for example in kept])
    return cut_texts(round(fitted.share * len(kept)), len(kept), fitted.max_tokens)


def _copies(rows: Sequence[Example]) -> list[Suspect]:
    """Texts that are alike: all of them if their labels differ, else all but the first."""
    found = []
    for alike in _alike(rows).values():
        counts = Counter(example.label for example in alike).most_common()
        if len(counts) == 1:
            found += [Suspect(copy, Why.COPY, f"as line {alike[0].line:,}") for copy in alike[1:]]
            continue
        told = ", ".join(f"{label} ({count:,})" for label, count in counts[:5])
        most = counts[0][0] if counts[0][1] > counts[1][1] else ""
        found += [
            Suspect(
                one, Why.CONFLICT, f"the text of line {alike[0].line:,} is {told}", most if one.label != most else ""
            )
            for one in alike
        ]
    return found


def _leaks(rows: Sequence[Example], held: Held) -> list[Suspect]:
    """Rows whose text, or nearly so, is held out: what is learned from them makes a score too good."""
    out: dict[str, tuple[str, Example]] = {}
    for part, examples in held.items():
        for told, alike in _alike(examples).items():
            out.setdefault(told, (part, alike[0]))
    others = list(out.values())
    found, rest = [], []
    for told, alike in _alike(rows).items():
        if told in out:
            found += [Suspect(one, Why.LEAK, _as_held(one, *out[told])) for one in alike]
        else:
            rest.append(alike[0])
    texts = [example.text for example in (*(other for _, other in others), *rest)]
    for near in near_copies(texts, len(others)) if others else ():
        one, (part, other) = rest[near.text - len(others)], others[near.earlier]
        found.append(Suspect(one, Why.NEAR_LEAK, f"{near.share:.0%} {_as_held(one, part, other)}"))
    return found


def _as_held(one: Example, part: str, other: Example) -> str:
    differs = f", which is {other.label}" if other.label != one.label else ""
    return f"as line {other.line:,} of {part}{differs}"


def _near(kept: Sequence[Example]) -> list[Suspect]:
    found = []
    for near in near_copies([example.text for example in kept]):
        text, earlier = kept[near.text], kept[near.earlier]
        differs = text.label != earlier.label
        detail = f"{near.share:.0%} as line {earlier.line:,}" + (f", which is {earlier.label}" if differs else "")
        found.append(Suspect(text, Why.NEAR_CONFLICT if differs else Why.NEAR_COPY, detail))
    return found


def _label_errors(rows: Sequence[Example], kept: Sequence[Example]) -> list[Suspect]:
    """Told of every copy of a text, too."""
    alike = _alike(rows)
    return [
        Suspect(copy, Why.LABEL, f"{error.own:.0%} {copy.label}, {error.other:.0%} {error.suggested}", error.suggested)
        for error in label_errors(kept)
        for copy in alike[core(kept[error.text].text)]
    ]


def _alike(rows: Iterable[Example]) -> dict[str, list[Example]]:
    """The rows that are not blank, by what makes their texts."""
    groups: dict[str, list[Example]] = {}
    for example in rows:
        if example.text:
            groups.setdefault(core(example.text), []).append(example)
    return groups


def write_corrections(examined: Examined, path: Path) -> None:
    """Writes all rows as CSV, the suspected first, to be corrected by hand and trained on.

    With a byte order mark, without which Excel takes Chinese for something else. Raises InputError if the file cannot
    be written, or is there: it may hold corrections.
    """
    suspected: dict[Example, list[Suspect]] = {}
    for suspect in examined.suspects:
        suspected.setdefault(suspect.example, []).append(suspect)
    rest = [example for example in examined.examples if example not in suspected]
    try:
        with path.open("x", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "label", "suggested", "reason", "line"))
            for example in (*suspected, *rest):
                found = suspected.get(example, [])
                suggested = next((suspect.suggested for suspect in found if suspect.suggested), "")
                reason = "; ".join(": ".join(filter(None, (one.why.english, one.detail))) for one in found)
                writer.writerow((example.text, example.label, suggested, reason, example.line))
    except FileExistsError:
        raise InputError(f"{path} exists already and may hold corrections; give --fix another name.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; give --fix another name.") from None
