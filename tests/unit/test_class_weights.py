"""Rare labels: how much their texts count, and when."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.families import get_family
from training.learning.class_weights import balance, skewed
from training.learning.job import Controls, Encoded, Job, Spec
from training.learning.tasks import Classify, macro_f1, predict_labels
from training.learning.wide_part import chosen_part


@given(targets=st.lists(st.integers(0, 3), min_size=1, max_size=50))
def test_balanced_each_label_counts_the_same(targets: list[int]) -> None:
    weights = balance(np.array(targets), 4)

    totals = [weights[np.array(targets) == label].sum() for label in set(targets)]
    np.testing.assert_allclose(totals, totals[0], rtol=1e-4)
    assert weights.mean() == pytest.approx(1, rel=1e-4)


def test_ten_of_one_label_for_each_of_another_are_skewed() -> None:
    assert skewed(np.array([0] * 20 + [1] * 2), 2)
    assert not skewed(np.array([0] * 19 + [1] * 2), 2)


def job(class_weight: str) -> Job:
    """240 texts, of which ten are of the rare label and share most of their tokens with the others."""
    generator = np.random.default_rng(0)
    targets = np.array([1] * 10 + [0] * 230)
    ids = [[int(token) for token in generator.integers(1, 40, 6)] for _ in targets]
    for row in ids[:10]:
        row[:2] = [40 + int(generator.integers(0, 6)), int(generator.integers(1, 40))]
    spec, task = Spec(tuple(map(str, range(50))), 8, 1), Classify(["usual", "rare"], class_weight)
    parts = Encoded(ids, targets), Encoded([], targets[:0])
    return Job(get_family("linear"), spec, task, *parts, 0, Controls(lambda *_: None))


def test_rare_labels_weigh_more_where_that_finds_them_better() -> None:
    plain, weighed, forced = (chosen_part(job(name), 10**6) for name in ("none", "auto", "balanced"))

    assert plain.crossed is not None
    assert weighed.crossed is not None
    assert forced.crossed is not None
    scores = [macro_f1(part.targets, predict_labels(part.logits)) for part in (plain.crossed, weighed.crossed)]
    assert scores[1] > scores[0]
    assert (plain.setting.balanced, weighed.setting.balanced) == (False, True)
    rare = plain.crossed.targets == 1
    assert (forced.crossed.logits - plain.crossed.logits)[rare].mean() > 0


@pytest.mark.parametrize(("doubtful", "balanced"), [(0, True), (60, False)])
def test_with_development_texts_rare_labels_weigh_more_unless_that_is_worse_beyond_chance(
    doubtful: int, balanced: bool
) -> None:
    """Token 45 stands in the ten rare texts and in thirty of the others."""
    generator, given = np.random.default_rng(1), job("auto")
    for row in given.train.ids[:40]:
        row[0] = 45
    ids = [[int(token) for token in generator.integers(1, 40, 6)] for _ in range(100)]
    for row in ids[:doubtful]:
        row[0] = 45

    part = chosen_part(given._replace(dev=Encoded(ids, np.zeros(100, np.int64))), 10**6)

    assert part.setting.balanced == balanced
