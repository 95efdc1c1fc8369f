"""How texts become batches, and what many texts change: finer lengths, and a refit that renews the n-grams only."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.families import get_family
from training.learning import batches, fit
from training.learning.batches import make_batches
from training.learning.job import Controls, Encoded, Fitted, Job, Spec
from training.learning.perfect_hash import EMPTY
from training.learning.tasks import Classify

pytest.importorskip("tensorflow", reason="needs TensorFlow")

LONGEST = 40


def job(train: list[list[int]], dev: list[list[int]]) -> Job:
    """To tell texts that begin with token 2 from those that begin with another."""
    parts = [Encoded(ids, np.array([int(row[0] == 2) for row in ids])) for ids in (train, dev)]
    family = get_family("hybrid")._replace(batch_size=4, epochs=2)
    spec = Spec(tuple(map(str, range(9))), LONGEST, 1)
    return Job(family, spec, Classify(["no", "yes"]), *parts, 0, Controls(lambda *_: None))


@pytest.fixture(params=["few", "many"])
def number(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the few texts of a test count as many."""
    if request.param == "many":
        monkeypatch.setattr(batches, "STEPS", 3)
    return str(request.param)


@settings(deadline=None, max_examples=20)
@given(lengths=st.lists(st.integers(1, LONGEST), min_size=1, max_size=60))
def test_an_epoch_has_every_text_once_in_as_many_batches_as_is_said(lengths: list[int]) -> None:
    texts = [[1 + i % 8] * length for i, length in enumerate(lengths)]

    batches, steps = make_batches(job(texts, []))
    found = list(batches.as_numpy_iterator())

    assert len(found) == steps
    rows = [tuple(row[row > 0].tolist()) for ids, *_ in found for row in ids]
    assert Counter(rows) == Counter(map(tuple, texts))


def test_many_texts_are_padded_less(number: str) -> None:
    texts = [[1] * length for length in (3, 8, 9, 33, 40) for _ in range(8)]

    batches, steps = make_batches(job(texts, []))
    widths = [ids.shape[1] for ids, *_ in batches.as_numpy_iterator()]

    assert set(widths) == ({32, 40} if number == "few" else {8, 16, 40})
    assert len(widths) == steps


def test_a_refit_of_many_texts_renews_the_n_grams_and_keeps_the_deep_part(number: str) -> None:
    train = [[2, 3, 4], [5, 6], [2, 4], [6, 5, 3]] * 4
    dev = [[2, 7, 8], [5, 7, 7]] * 2
    first: Fitted = fit.run(job(train, dev))

    assert (first.again is None) == (number == "few")
    if first.again:
        both = job(train + dev, [])._replace(settings=first.settings)
        second = first.again(both)
        assert deep_weights(second) == deep_weights(first)
        assert second.settings == first.settings
        assert bigrams(second) - bigrams(first) >= {(2, 7), (7, 8)}


def deep_weights(fitted: Fitted) -> list[list[float]]:
    deep = next(layer for layer in fitted.model.layers if hasattr(layer, "layers"))
    return [weights.ravel().tolist() for weights in deep.get_weights()]


def bigrams(fitted: Fitted) -> set[tuple[int, int]]:
    dictionary = next(layer.dictionary for layer in fitted.model.layers if hasattr(layer, "dictionary"))
    return {divmod(int(key), dictionary.vocabulary) for key in dictionary.levels[0].keys if key != EMPTY}
