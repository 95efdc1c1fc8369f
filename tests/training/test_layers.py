"""Layers that the families share: padding counts for nothing, and n-grams are found as NumPy finds them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.learning.ngrams import learn, pad

states = st.lists(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=2), min_size=1, max_size=6)


@given(states, st.integers(1, 4))
def test_a_pooled_text_is_the_same_with_padding_and_without(rows: list[list[float]], padding: int) -> None:
    layers = pytest.importorskip("training.learning.layers", reason="needs TensorFlow")
    pool = layers.MaximumAndSum()
    hidden = np.array([rows], np.float32)
    present = np.ones((1, len(rows), 1), np.float32)
    around = [(0, 0), (0, padding), (0, 0)]

    bare = pool(hidden, present)
    padded = pool(np.pad(hidden, around, constant_values=0.5), np.pad(present, around))

    assert np.asarray(padded) == pytest.approx(np.asarray(bare), abs=1e-6)


def test_all_states_of_a_recurrent_layer_are_pooled_without_a_warning() -> None:
    pytest.importorskip("tensorflow")
    from training.families import get_family
    from training.learning.job import Spec

    model = get_family("rnn").build(Spec(tuple("abc"), max_tokens=4, width=2))

    assert model(np.array([[1, 2, 0]], np.int32)).shape == (1, 2)


@pytest.mark.parametrize("orders", [2, 3, 4])
def test_the_graph_finds_the_ngrams_that_numpy_finds(orders: int) -> None:
    layers = pytest.importorskip("training.learning.layers", reason="needs TensorFlow")
    generator = np.random.default_rng(orders)
    rows = [generator.integers(1, 30, generator.integers(0, 17)).tolist() for _ in range(300)]
    dictionary = learn(pad(rows[:150], 16), 30, orders, 2_000, 2)

    found = layers.NgramLookup(dictionary)(pad(rows, 16))

    assert np.array_equal(np.stack(found, axis=1), dictionary.places(pad(rows, 16)))
