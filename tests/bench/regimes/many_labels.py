"""A thousand labels, of which each has twenty texts: the peer is LinearSVC, and what it takes.

The label of a title is one of its words, a pair of characters. It is left out of half of the titles: there it has to be
told from the others.
"""

import resource
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.bench.regimes.row import Row, percent
from tests.bench.regimes.training import linear_svc, on, part, trained_on
from training.data.read import Example

LABELS, ROWS, TEST_TEXTS = 1000, 20_000, 3000
# So often a word stands in the titles, or about as often.
USUAL = 150
GIGABYTES = 4.0


def measure(data: Path) -> list[Row]:
    examples = titles_by_word(data)
    rows, test = examples[:ROWS], examples[ROWS : ROWS + TEST_TEXTS]
    known = {example.label for example in rows}
    # What is held out of too few texts may carry a label that no other text has: so may the test texts here.
    test = [example for example in test if example.label in known]
    started = time.process_time()
    trained = trained_on(rows)
    between, gigabytes = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    answers = linear_svc(rows, test)
    seconds, of_peer = between - started, time.process_time() - between
    accuracy = on(trained, test)["accuracy"]
    peer = float(np.mean([answer == example.label for answer, example in zip(answers, test, strict=True)]))
    megabytes = len(trained.bundle.model) / 1e6
    return [
        Row(
            f"many labels: {len(known):,}, of {ROWS:,} titles",
            "no n-gram kept, and not said",
            f"{percent(accuracy)} %, {seconds:.0f} s of processor, {gigabytes:.1f} GB, a bundle of {megabytes:.0f} MB",
            f"LinearSVC {percent(peer)} %, {of_peer:.0f} s",
            "at least the peer, under twice its time and 4 GB",
            accuracy >= peer and seconds < 2 * of_peer and gigabytes < GIGABYTES,
        )
    ]


def titles_by_word(data: Path) -> list[Example]:
    """Titles with one of LABELS words as their label, each word out of half of its titles; in an order by chance."""
    titles = sorted({example.text for name in ("thucnews10", "tnews") for example in part(data, f"{name}/train")})
    counts = Counter(word for title in titles for word in set(words_of(title)))
    often = sorted((word for word in counts if counts[word] >= USUAL / 3), key=lambda w: (abs(counts[w] - USUAL), w))
    chosen, generator = set(often[:LABELS]), np.random.default_rng(0)
    examples = []
    for i in generator.permutation(len(titles)).tolist():
        here = [word for word in words_of(titles[i]) if word in chosen]
        if here:
            word = min(here, key=lambda word: (counts[word], word))
            shown = titles[i].replace(word, "") if generator.random() < 0.5 else titles[i]
            examples.append(Example(shown, word))
    return examples


def words_of(title: str) -> Iterator[str]:
    """Pairs of Han characters."""
    for i in range(len(title) - 1):
        if all("\u4e00" <= character <= "\u9fff" for character in title[i : i + 2]):
            yield title[i : i + 2]
