"""Long texts by windows: each token is read once, windows are of like length, and the mean of theirs is the answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.model.windows import Windows


@given(st.lists(st.lists(st.integers(1, 9), max_size=40), max_size=8), st.integers(1, 12))
def test_each_token_stands_in_one_window_and_windows_are_of_like_length(ids: list[list[int]], longest: int) -> None:
    windows = Windows.of(ids, longest)

    starts = list(range(len(ids))) if windows.starts is None else windows.starts.tolist()
    ends = [*starts, len(windows.ids)][1:]
    for row, start, end in zip(ids, starts, ends, strict=True):
        own = windows.ids[start:end]
        assert [token for window in own for token in window] == row
        assert max(map(len, own)) <= longest
        assert max(map(len, own)) - min(map(len, own)) <= 1


@pytest.mark.parametrize(("lengths", "longest"), [((3, 8), 8), ((), 4), ((0, 0), 4)])
def test_texts_that_are_short_enough_are_left_alone(lengths: tuple[int, ...], longest: int) -> None:
    ids = [[1] * length for length in lengths]

    windows = Windows.of(ids, longest)

    assert windows.ids is ids
    said = np.ones((len(ids), 2), np.float32)
    assert windows.pooled(said) is said


def test_what_is_said_of_a_text_is_the_mean_over_its_windows() -> None:
    windows = Windows.of([[1], [1, 2, 3, 4, 5], []], 2)

    said = np.array([[sum(row), 1] for row in windows.ids], np.float32)

    assert [list(row) for row in windows.ids] == [[1], [1], [2, 3], [4, 5], []]
    np.testing.assert_allclose(windows.pooled(said), [[1, 1], [5, 1], [0, 1]])
