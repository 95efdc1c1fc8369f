"""Whether live texts are still like those that the model was trained on, told without keeping any.

Of each text only four things are counted, in the memory of the process: its label, its confidence, its number of
tokens, and how many of them the tokenizer does not know. A window of texts closes by number or by time; then its
shares are held against those of training by the population stability index,

    PSI = sum over bins of (live share - expected share) x ln(live share / expected share)

N. Siddiqi, "Credit Risk Scorecards" (2006), takes a PSI under 0.1 for no change, and one over 0.25 for a large one.
Without any change it comes to about (bins - 1) x (1 / live texts + 1 / expected texts) (B. Yurdakul, J. Naranjo,
"Statistical properties of the population stability index", Journal of Risk Model Validation 14(4), 2020): with at most
10 bins and 500 texts that is 0.02, which is why a window is no smaller, and why rare labels share a bin.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from msgspec import UNSET
from tokenizers import Tokenizer

from handler.model.bundle import Bundle, Golden, Manifest
from handler.model.classifier import Encoded, Observe
from handler.model.prediction import Prediction
from handler.observability import emit

ALARM = 0.25
WINDOW_TEXTS = 500
WINDOW_SECONDS = 3600.0
FEWEST_TEXTS = 200  # a window that closes by time waits for so many
FREQUENT_LABELS = 9  # of training; all others share one more bin
OTHERS = "(others)"
CONFIDENCE_BINS = 5  # few, as the golden texts that they come from are some hundred
FEWEST_GOLDEN_TEXTS = 50
UNKNOWN = "[UNK]"


class Bins(NamedTuple):
    """The bins of one thing watched: their names, and the shares that training leads one to expect of them."""

    names: list[str]
    expected: list[float]
    edges: Sequence[float] = ()  # for a number: the upper bounds, included, of all but the last


class Window(NamedTuple):
    """What became of a window: an index for each thing watched, and the counts by bin that it comes from."""

    texts: int
    indices: dict[str, float]
    counts: dict[str, dict[str, int]]

    @property
    def drift(self) -> float:
        """The largest of the indices."""
        return max(self.indices.values())

    def share(self, name: str, bin: str) -> float:
        """The share of one bin."""
        return self.counts[name][bin] / max(1, sum(self.counts[name].values()))


def population_stability_index(expected: Sequence[float], counts: Sequence[int]) -> float:
    """Expected shares, and what was counted, by bin. Half a count goes to each, so that none is 0."""
    live = np.array(counts, float) + 0.5
    before = np.maximum(np.array(expected, float), 1e-4)
    live, before = live / live.sum(), before / before.sum()
    return float(((live - before) * np.log(live / before)).sum())


class Monitor:
    """One model's live traffic, window by window; `tell` gets each window that closes."""

    def __init__(
        self,
        manifest: Manifest,
        golden: Sequence[Golden],
        unknown_id: int | None,
        tell: Callable[[Window], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell, self._unknown_id, self._clock = tell, unknown_id, clock
        self.bins = {"length": _lengths(manifest)}
        if manifest.activation in ("sigmoid", "softmax", "independent") and len(golden) >= FEWEST_GOLDEN_TEXTS:
            self.bins["confidence"] = _confidences([max(one.probabilities) for one in golden])
        if manifest.baseline.label_shares:
            self.bins["labels"] = _labels(manifest.baseline.label_shares)
        if unknown_id is not None:
            rate = manifest.baseline.unknown_token_rate
            self.bins["unknown_tokens"] = Bins(["unknown", "known"], [rate, 1 - rate])
        self._open()

    def _open(self) -> None:
        self._texts, self._opened = 0, self._clock()
        self._counts = {name: dict.fromkeys(bins.names, 0) for name, bins in self.bins.items()}

    def add(self, encoded: Encoded, predictions: Sequence[Prediction]) -> None:
        """Counts texts; closes the window if it is full, or old."""
        for ids, answer in zip(encoded.ids, predictions, strict=True):
            self._count("length", len(ids))
            if self._unknown_id is not None:
                unknown = ids.count(self._unknown_id)
                self._counts["unknown_tokens"]["unknown"] += unknown
                self._counts["unknown_tokens"]["known"] += len(ids) - unknown
            whole, confidence = answer.whole
            if confidence is not UNSET and "confidence" in self.bins:
                self._count("confidence", confidence)
            if "labels" in self.bins:
                counts = self._counts["labels"]
                for label in [whole] if answer.labels is UNSET else answer.labels:
                    counts[label if label in counts else OTHERS] += 1
        self._texts += len(predictions)
        old = self._texts >= FEWEST_TEXTS and self._clock() - self._opened >= WINDOW_SECONDS
        if self._texts >= WINDOW_TEXTS or old:
            window = Window(self._texts, {name: self._index(name) for name in self.bins}, self._counts)
            self._open()
            self._tell(window)

    def _count(self, name: str, value: float) -> None:
        bins = self.bins[name]
        self._counts[name][bins.names[bisect_left(bins.edges, value)]] += 1

    def _index(self, name: str) -> float:
        return round(population_stability_index(self.bins[name].expected, list(self._counts[name].values())), 4)


def watch(bundle: Bundle, tokenizer: Tokenizer) -> Observe:
    """Gives what counts a classifier's answers, and makes lines of metrics of each window."""
    manifest = bundle.manifest
    monitor = Monitor(
        manifest, bundle.golden(), tokenizer.token_to_id(UNKNOWN), lambda window: report(manifest, window)
    )
    return monitor.add


def report(manifest: Manifest, window: Window) -> None:
    """Writes the drift, for an alarm; a model's indices with all counts; and the shares of at most 10 labels."""
    model = {"model": manifest.name}
    values: dict[str, float] = {f"Drift_{name}": value for name, value in window.indices.items()}
    values["WindowTexts"] = window.texts
    if "unknown_tokens" in window.counts:
        values["UnknownTokenRate"] = round(window.share("unknown_tokens", "unknown"), 6)
    properties: dict[str, Any] = {"model_version": manifest.version, "counts": window.counts}
    emit({"Drift": window.drift}, properties=model)
    emit(values, model, properties)
    for label in window.counts.get("labels", ()):
        emit({"LabelShare": round(window.share("labels", label), 4)}, model | {"label": label})


def _lengths(manifest: Manifest) -> Bins:
    """From quantiles. At the longest that a model reads, over-long texts pile up, so that it bounds nothing."""
    quantiles = [(length, int(name[1:]) / 100) for name, length in manifest.baseline.length_quantiles.items()]
    below = dict(sorted(pair for pair in quantiles if pair[0] < manifest.max_tokens))
    shares = [0.0, *below.values(), 1.0]
    return _between(list(below), [after - before for before, after in pairwise(shares)])


def _confidences(found: Sequence[float]) -> Bins:
    """From the golden texts' confidences: quantiles, and the shares that are really between them."""
    places = np.linspace(0, len(found) - 1, CONFIDENCE_BINS + 1)[1:-1]
    # np.quantile gives the same, but imports numpy.ma for it.
    edges = sorted({round(float(edge), 4) for edge in np.interp(places, np.arange(len(found)), sorted(found))})
    counts = np.bincount([bisect_left(edges, value) for value in found], minlength=len(edges) + 1)
    return _between(edges, [float(share) for share in counts / len(found)])


def _between(edges: Sequence[float], expected: list[float]) -> Bins:
    return Bins([*(f"<={edge:g}" for edge in edges), "more"], expected, list(edges))


def _labels(shares: dict[str, float]) -> Bins:
    frequent = sorted(shares, key=lambda label: (-shares[label], label))[:FREQUENT_LABELS]
    expected = [shares[label] for label in frequent]
    return Bins([*frequent, OTHERS], [*expected, max(0.0, 1 - sum(expected))])
