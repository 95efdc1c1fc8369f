"""Every key has a slot of its own, and nothing else is found."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from training.learning.perfect_hash import EMPTY, arrange

LARGEST = 2**31 - 1


def check(keys: list[int], others: list[int]) -> None:
    found = arrange(np.array(keys, np.int32))

    slots = found.find(np.array(keys, np.int32))
    assert found.keys[slots - 1].tolist() == keys
    assert sorted(key for key in found.keys.tolist() if key != EMPTY) == sorted(keys)
    assert not found.find(np.array(others, np.int32)).any()
    assert found.displacements.dtype == np.int32
    assert (found.displacements <= 0).all()
    assert (found.displacements > -len(found.keys)).all()


@given(st.sets(st.integers(0, LARGEST), min_size=1, max_size=300), st.sets(st.integers(0, LARGEST), max_size=50))
@example({0}, {1, LARGEST})
@example({LARGEST, LARGEST - 1}, {0})
@example(set(range(300)), set())
@example({6 * i for i in range(300)}, set())
def test_every_key_has_a_slot_of_its_own(keys: set[int], others: set[int]) -> None:
    check(list(keys), list(others - keys))


@pytest.mark.parametrize("vocabulary", [7, 1_000, 9_973, 10_000])
@pytest.mark.parametrize(("count", "displacements_a_key"), [(100, 0.8), (1_000, 0.5), (10_000, 0.36)])
def test_keys_of_ngrams_need_few_slots_and_displacements(
    vocabulary: int, count: int, displacements_a_key: float
) -> None:
    generator = np.random.default_rng(vocabulary)
    keys = generator.integers(1, LARGEST // vocabulary, count) * vocabulary + generator.integers(1, 7, count)
    keys = np.unique(keys).astype(np.int32)

    found = arrange(keys)

    assert np.array_equal(found.keys[found.find(keys) - 1], keys)
    assert len(found.keys) < len(keys) + 100
    assert len(found.displacements) < displacements_a_key * len(keys)


def test_the_order_of_the_keys_does_not_matter() -> None:
    keys = np.random.default_rng(0).choice(10**6, 1_000, replace=False).astype(np.int32)

    one, other = arrange(keys), arrange(keys[::-1].copy())

    assert np.array_equal(one.keys, other.keys)
    assert np.array_equal(one.displacements, other.displacements)
