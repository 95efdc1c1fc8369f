"""Cross-validation: every text is answered once, by what did not see it."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.families import get_family
from training.learning.folds import FOLDS, deal, folds, standard_error
from training.learning.job import Controls, Encoded, Job, Spec
from training.learning.tasks import Classify
from training.learning.wide_part import OF_FEW, chosen_part

TEXTS = 60


def job(ids: list[list[int]], targets: list[int]) -> Job:
    spec = Spec(tuple(map(str, range(2 * TEXTS))), 8, 1)
    nothing = Encoded([], np.zeros(0, np.int64))
    texts = Encoded(ids, np.array(targets))
    return Job(get_family("linear"), spec, Classify(["no", "yes"]), texts, nothing, 0, Controls(lambda *_: None))


@given(targets=st.lists(st.integers(0, 4), min_size=FOLDS, max_size=60), seed=st.integers(0, 9))
def test_every_fold_has_its_share_of_each_label(targets: list[int], seed: int) -> None:
    fold = deal(np.array(targets), seed)

    sizes = Counter(fold.tolist())
    assert max(sizes.values()) - min(sizes[number] for number in range(FOLDS)) <= 1
    for label in set(targets):
        shares = [int(np.sum((np.array(targets) == label) & (fold == number))) for number in range(FOLDS)]
        assert max(shares) - min(shares) <= 1


@given(rows=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=FOLDS, max_size=30))
def test_texts_of_several_labels_are_dealt_by_their_set(rows: list[tuple[bool, bool]]) -> None:
    fold = deal(np.array(rows, np.int64), 0)

    for kind, count in Counter(rows).items():
        held = Counter(int(fold[i]) for i, row in enumerate(rows) if row == kind)
        assert max(held.values()) <= -(-count // FOLDS)


def test_numbers_are_dealt_by_their_size() -> None:
    fold = deal(np.linspace(0, 1, 50), 0)

    assert [sorted(fold[i : i + FOLDS].tolist()) for i in range(0, 50, FOLDS)] == [list(range(FOLDS))] * 10


def test_each_text_is_left_out_once_and_its_fold_is_trained_without_it() -> None:
    ids = [[i + 1] for i in range(TEXTS)]

    found = list(folds(job(ids, [i % 2 for i in range(TEXTS)])))

    assert sorted(row for fold in found for row in fold.rows.tolist()) == list(range(TEXTS))
    for fold in found:
        assert fold.left_out.ids == [ids[row] for row in fold.rows.tolist()]
        assert sorted(fold.job.train.ids + fold.left_out.ids) == ids


def test_texts_that_share_nothing_cannot_be_told_apart_out_of_fold() -> None:
    """Whoever had seen a text would know its one token, and so its label."""
    part = chosen_part(job([[i + 1] for i in range(TEXTS)], [i % 2 for i in range(TEXTS)]), most=10**6)

    assert part.crossed is not None
    assert np.ptp(part.crossed.logits) < 1e-3
    assert part.setting == OF_FEW[0]


def test_what_tells_labels_apart_in_every_text_is_found_out_of_fold() -> None:
    part = chosen_part(job([[1 + i % 2, 3 + i % 7] for i in range(TEXTS)], [i % 2 for i in range(TEXTS)]), most=10**6)

    assert part.crossed is not None
    assert ((part.crossed.logits[:, 0] > 0) == part.crossed.targets).all()


def test_the_standard_error_of_a_share() -> None:
    right = np.array([1.0] * 80 + [0.0] * 20)

    assert standard_error(right) == np.sqrt(0.8 * 0.2 / 99)
