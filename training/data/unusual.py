"""Texts unlike the others from outside: far longer or shorter, in another script, or damaged."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from training.data.audit import has_control, script_of
from training.data.read import Example

# From so many texts on there is a usual, and a script is unusual that is the first of so few.
FEWEST_TEXTS, RARE = 20, 0.01
# Far out is what is so many times the middle half's width beyond it (Tukey 1977, "Exploratory Data Analysis"), in
# logarithms of lengths; a middle half narrower than LEAST_SPREAD counts as so wide.
FAR, LEAST_SPREAD = 3.0, 0.4


class Unusual(NamedTuple):
    """A text, by its number from 0, and what is unusual about it."""

    text: int
    reason: str


def unusual(examples: Sequence[Example]) -> list[Unusual]:
    """What is unusual, in the order of the texts; of few texts only what is damaged."""
    found = []
    usual = len(examples) >= FEWEST_TEXTS
    lengths = np.log([max(1, len(example.text)) for example in examples]) if usual else np.zeros(0)
    low, middle, high = np.percentile(lengths, (25, 50, 75)) if usual else (0.0, 0.0, 0.0)
    far = FAR * max(high - low, LEAST_SPREAD)
    scripts = [scripts_of(example.text) for example in examples]
    count = Counter(script for told in scripts for script in told[:1])
    common = {script for script in count if count[script] > max(1, RARE * len(examples))}
    for number, example in enumerate(examples):
        if "\ufffd" in example.text or has_control(example):
            found.append(Unusual(number, "damaged: it has U+FFFD or control characters"))
        elif usual and not low - far <= lengths[number] <= high + far:
            found.append(Unusual(number, f"{len(example.text):,} characters, and usual are {np.exp(middle):,.0f}"))
        elif usual and common and not common.intersection(scripts[number]):
            written = scripts[number][0] if scripts[number] else "without letters"
            found.append(Unusual(number, f"{written}, and usual is {count.most_common(1)[0][0]}"))
    return found


def scripts_of(text: str) -> list[str]:
    """The scripts of the letters of a text, that of most of them first."""
    scripts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            scripts[script_of(character)] += count
    return [script for script, _ in scripts.most_common()]
