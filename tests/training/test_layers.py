"""Layers that the families share: padding counts for nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
