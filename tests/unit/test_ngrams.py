"""The n-gram dictionary: exact. That the graph finds the same is in tests/training/test_layers.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.learning import ngrams
from training.learning.ngrams import NgramDictionary, learn, pad
from training.learning.perfect_hash import EMPTY
from training.learning.wide import featurize

texts = st.lists(st.lists(st.integers(1, 6), max_size=8), min_size=1, max_size=20)


def spelled(dictionary: NgramDictionary, level: int, place: int) -> tuple[int, ...]:
    """The tokens of an n-gram, from its key and those of its prefixes."""
    if level == 1:
        return (place,)
    key = int(dictionary.levels[level - 2].keys[place - 1])
    return (*spelled(dictionary, level - 1, key // dictionary.vocabulary), key % dictionary.vocabulary)


@given(texts, st.integers(2, 4), st.integers(1, 3))
def test_exactly_the_ngrams_in_enough_texts_are_kept_and_found(rows: list[list[int]], orders: int, least: int) -> None:
    ids = pad(rows, 8)
    dictionary = learn(ids, 7, orders, 10_000, least)
    found = dictionary.places(ids)

    for level in range(2, len(dictionary.levels) + 2):
        grams = [{tuple(row[i : i + level]) for i in range(len(row) - level + 1)} for row in rows]
        known = {gram for row in grams for gram in row if sum(gram in other for other in grams) >= least}
        places = np.flatnonzero(dictionary.levels[level - 2].keys != EMPTY) + 1
        assert {spelled(dictionary, level, place) for place in places.tolist()} == known
        for row, places_of_row in zip(rows, found[:, level - 1], strict=True):
            for i, place in enumerate(places_of_row.tolist()):
                gram = tuple(row[i : i + level])
                assert (spelled(dictionary, level, place) == gram) if gram in known else place == 0


@given(texts, st.integers(2, 4))
def test_document_frequency_counts_texts(rows: list[list[int]], orders: int) -> None:
    ids = pad(rows, 8)
    dictionary = learn(ids, 7, orders, 10_000, 1)
    rows_found = dictionary.rows_of(dictionary.places(ids))

    for row in range(1, dictionary.rows):
        assert dictionary.document_frequency[row] == sum(row in text for text in rows_found)


@given(texts, st.integers(2, 4), st.integers(1, 2), st.integers(1, 40))
def test_some_texts_at_a_time_give_the_same_as_all_at_once(
    rows: list[list[int]], orders: int, least: int, places: int
) -> None:
    ids = pad(rows, 8)
    dictionary = learn(ids, 7, orders, 12, least)
    features = featurize(dictionary, ids, len(ids))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngrams, "PLACES_AT_ONCE", places)
        by_block = learn(ids, 7, orders, 12, least)
        assert np.array_equal(featurize(by_block, ids, len(ids)).matrix.toarray(), features.matrix.toarray())

    assert np.array_equal(by_block.document_frequency, dictionary.document_frequency)
    assert len(by_block.levels) == len(dictionary.levels)
    for one, other in zip(by_block.levels, dictionary.levels, strict=True):
        assert np.array_equal(one.keys, other.keys)


def test_over_the_limit_the_most_frequent_are_kept() -> None:
    ids = pad([[1, 2], [1, 2], [1, 2], [3, 4], [3, 4], [5, 6]], 2)

    dictionary = learn(ids, 7, 2, most=7 + 2, least_texts=1)

    assert dictionary.rows == 9
    assert {spelled(dictionary, 2, 1), spelled(dictionary, 2, 2)} == {(1, 2), (3, 4)}


def test_keys_never_leave_int32() -> None:
    generator = np.random.default_rng(0)
    ids = generator.integers(40_000, 46_000, (200, 30)).astype(np.int32)

    dictionary = learn(ids, 46_000, 3, 10**9, 1)

    for level in dictionary.levels:
        assert level.keys.dtype == level.displacements.dtype == np.int32
        assert (level.keys != 0).all()
        assert (len(level.keys) + 1) * 46_000 < 2**31
