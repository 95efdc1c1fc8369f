"""Drift: live texts that are not like those of training are told of, and none of them is kept."""

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.drift import (
    ALARM,
    FEWEST_TEXTS,
    OTHERS,
    UNKNOWN,
    WINDOW_SECONDS,
    WINDOW_TEXTS,
    Monitor,
    Window,
    population_stability_index,
    report,
    watch,
)
from handler.files.batch import answer
from handler.files.records import BLANK, Record, Rejected, Row
from handler.model.bundle import Bundle
from handler.model.classifier import Classifier, Encoded
from handler.model.prediction import Prediction
from training.data.read import Example, fingerprint
from training.data.split import make_splits

REQUESTS = 1000


class Watched:
    """A monitor with a clock of its own, and what it told."""

    def __init__(self, bundle: Bundle, classifier: Classifier) -> None:
        self.windows: list[Window] = []
        self.now = 0.0
        unknown = classifier.tokenizer.token_to_id(UNKNOWN)
        self.monitor = Monitor(bundle.manifest, bundle.golden(), unknown, self.windows.append, lambda: self.now)
        self.classifier = classifier

    def read(self, texts: list[str]) -> list[Window]:
        """Each text is a request of its own, though all are answered at once."""
        encoded, predictions = self.classifier.answer(texts)
        for ids, prediction in zip(encoded.ids, predictions, strict=True):
            self.monitor.add(encoded._replace(ids=[ids]), [prediction])
        return self.windows


@pytest.fixture
def watched(bundle: Bundle, classifier: Classifier) -> Watched:
    return Watched(bundle, classifier)


@pytest.fixture(scope="module")
def held_out(bundle: Bundle, default_examples: list[Example]) -> list[str]:
    """The texts that the default model was never trained on, in no order."""
    test = make_splits(default_examples, None, None, 0).test
    if fingerprint(test) != bundle.manifest.data["test_fingerprint"]:
        pytest.skip("the bundle at hand was not trained on reviews-zh with seed 0")
    texts = [example.text for example in test]
    random.Random(0).shuffle(texts)
    return texts


def test_held_out_reviews_stay_under_the_alarm(watched: Watched, held_out: list[str]) -> None:
    windows = watched.read(held_out)

    print("held-out reviews:", [window.indices for window in windows])
    assert len(windows) == len(held_out) // WINDOW_TEXTS
    assert all(window.drift < ALARM / 2 for window in windows)


def test_news_titles_raise_the_alarm_within_a_thousand_requests(watched: Watched, data_directory: Path) -> None:
    lines = (data_directory / "thucnews10/test.tsv").read_text(encoding="utf-8").splitlines()[:REQUESTS]

    windows = watched.read([line.partition("\t")[2] for line in lines])

    print("titles of news:", [window.indices for window in windows])
    assert windows
    assert all(window.drift > ALARM for window in windows)


def test_other_lengths_raise_the_alarm(watched: Watched, held_out: list[str]) -> None:
    (window, *_) = watched.read([text[:8] for text in held_out])

    assert window.indices["length"] > ALARM


def test_texts_in_another_script_raise_the_alarm(watched: Watched, reviews: list[str]) -> None:
    (window, *_) = watched.read(["".join(chr(ord(c) + 0xA000) for c in text) for text in reviews * 3])

    assert window.indices["unknown_tokens"] > ALARM
    assert window.share("unknown_tokens", "unknown") > 0.5


@given(
    st.lists(st.floats(0.01, 1), min_size=2, max_size=10),
    st.lists(st.integers(0, 1000), min_size=10, max_size=10),
)
def test_the_index_is_never_negative_and_small_where_nothing_changed(shares: list[float], counts: list[int]) -> None:
    expected = [share / sum(shares) for share in shares]

    assert population_stability_index(expected, counts[: len(expected)]) >= 0
    assert population_stability_index(expected, [round(share * 1_000_000) for share in expected]) < 1e-4


def test_a_window_closes_by_number_or_when_it_is_old(watched: Watched, reviews: list[str]) -> None:
    watched.read(reviews[:FEWEST_TEXTS] * 2)
    assert not watched.windows

    watched.read(reviews[: WINDOW_TEXTS - 2 * FEWEST_TEXTS])
    assert [window.texts for window in watched.windows] == [WINDOW_TEXTS]

    watched.now += 2 * WINDOW_SECONDS
    watched.read(reviews[: FEWEST_TEXTS - 1])
    assert len(watched.windows) == 1  # too few to say anything
    watched.read(reviews[:1])
    assert [window.texts for window in watched.windows] == [WINDOW_TEXTS, FEWEST_TEXTS]


MANY = {f"标签{i}": 1 / 300 for i in range(300)}


def test_hundreds_of_labels_make_ten_bins_and_as_many_lines(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = msgspec.structs.replace(
        bundle.manifest,
        labels=list(MANY),
        baseline=msgspec.structs.replace(bundle.manifest.baseline, label_shares=MANY),
    )
    monitor = Monitor(manifest, bundle.golden(), 1, lambda window: report(manifest, window))
    answers = [Prediction(3, False, label=label, confidence=0.9) for label in list(MANY) * 2]

    monitor.add(Encoded([[2, 3, 4]] * len(answers), [False] * len(answers)), answers)

    written = capsys.readouterr().out
    lines: list[dict[str, Any]] = [json.loads(line) for line in written.splitlines()]
    assert len(lines) == 12
    shares = {line["label"]: line["LabelShare"][0] for line in lines if "label" in line}
    assert shares[OTHERS] == pytest.approx(291 / 300, abs=0.001)
    assert r"\u6807\u7b7e0" in shares  # CloudWatch takes ASCII only
    assert lines[1]["Drift_labels"][0] < 0.05
    assert len(written.encode()) < 8000


def test_what_is_written_holds_no_text(bundle: Bundle, reviews: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    own = Classifier(bundle, watch=watch)

    own.classify(reviews * 3)

    written = capsys.readouterr().out
    lines = [json.loads(line) for line in written.splitlines()]
    assert lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert lines[0]["Drift"][0] >= 0
    assert {"Drift_length", "Drift_confidence", "Drift_labels", "Drift_unknown_tokens"} <= set(lines[1])
    assert {line["label"] for line in lines[2:]} == {"negative", "positive", OTHERS}
    assert not any(text in written for text in reviews if len(text) > 3)


def test_golden_texts_and_warming_up_are_not_traffic(bundle: Bundle) -> None:
    from handler.model.models import Models

    seen: list[int] = []
    models = Models([bundle], watch=lambda *_: lambda encoded, _: seen.append(len(encoded.ids)))

    models.warm()
    assert models.replays
    assert seen == []
    models.get().classify(["好"])
    models.get().explain(["好", "坏"])
    assert seen == [1, 2]


def test_a_file_reads_the_same_whether_its_answers_are_watched_or_not(
    classifier: Classifier, bundle: Bundle, reviews: list[str]
) -> None:
    """Those that nobody watches are put together a column at a time."""
    seen: list[int] = []
    watched = Classifier(bundle, watch=lambda *_: lambda encoded, _: seen.append(len(encoded.ids)))
    rows: list[Row] = [Record(n, text, b'"a"' if n % 2 else b"") for n, text in enumerate([*reviews, "很" * 999], 1)]
    rows.insert(3, Rejected(4, BLANK))

    block, tally = answer(rows, classifier)

    assert (block, tally) == answer(rows, watched)
    assert seen == [len(rows) - 1]
    assert tally.rejected == 1 <= tally.truncated
    assert answer(rows[3:4], classifier) == answer(rows[3:4], watched)
