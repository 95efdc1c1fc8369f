"""Token vectors learned from unlabelled text, so that every bundle can embed, whatever its family.

Positive pointwise mutual information of tokens that stand near each other, reduced by a truncated singular value
decomposition: Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix Factorization". Frequent tokens
count less: Arora et al. 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", weight a / (a + p).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

EMBEDDING_WIDTH = 64
WINDOW = 5
CONTEXTS = 4096
SMOOTHING = 0.75
RARITY = 1e-3
OVERSAMPLING = 16
POWER_ITERATIONS = 4

Floats = NDArray[np.float32]


def token_vectors(ids: Sequence[Sequence[int]], vocabulary: int, width: int = EMBEDDING_WIDTH, seed: int = 0) -> Floats:
    """Token ids of n texts -> float32 [vocabulary, width]; row 0 (padding) and tokens never seen are zero.

    The sum of a text's rows, L2-normalised, is its embedding. `width` is cut to what the texts can fill.
    """
    counts = np.bincount(np.concatenate([np.asarray(row, np.int64) for row in ids]), minlength=vocabulary)
    contexts = np.argsort(-counts, kind="stable")[: min(CONTEXTS, vocabulary)]
    table = _positive_mutual_information(_cooccurrences(ids, vocabulary, contexts))
    vectors = _left_singular_vectors(table, width, seed)
    share = counts / max(1, int(counts.sum()))
    weighted = vectors * (RARITY / (RARITY + share))[:, None]
    weighted[0] = 0.0
    if weighted.shape[1] < width:
        weighted = np.pad(weighted, ((0, 0), (0, width - weighted.shape[1])))
    scaled: Floats = (weighted / max(float(np.abs(weighted).max()), 1e-12)).astype(np.float32)
    return scaled


def _cooccurrences(ids: Sequence[Sequence[int]], vocabulary: int, contexts: NDArray[np.int64]) -> Floats:
    """How often each token stands within WINDOW of each context token: float32 [vocabulary, contexts]."""
    column = np.full(vocabulary, -1, np.int64)
    column[contexts] = np.arange(len(contexts))
    # One long row with gaps of padding between texts, so that no window crosses from one to the next.
    gap = [0] * WINDOW
    flat = np.concatenate([np.asarray([*row, *gap], np.int64) for row in ids])
    table = np.zeros(vocabulary * len(contexts), np.float32)
    for distance in range(1, WINDOW + 1):
        for token, near in ((flat[:-distance], flat[distance:]), (flat[distance:], flat[:-distance])):
            kept = (token > 0) & (near > 0) & (column[near] >= 0)
            cells = token[kept] * len(contexts) + column[near[kept]]
            unique, times = np.unique(cells, return_counts=True)
            table[unique] += times
    return table.reshape(vocabulary, len(contexts))


def _positive_mutual_information(table: Floats) -> Floats:
    """max(0, log p(token, context) / p(token) p(context)); contexts smoothed as Levy et al. 2015 advise."""
    rows = table.sum(axis=1, keepdims=True)
    columns = table.sum(axis=0, keepdims=True) ** SMOOTHING
    columns /= max(float(columns.sum()), 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(table / (rows * columns))
    positive: Floats = np.nan_to_num(np.maximum(information, 0.0), nan=0.0, posinf=0.0)
    return positive


def _left_singular_vectors(table: Floats, width: int, seed: int) -> Floats:
    """U sqrt(S) of the first `width` components, by randomised iteration (Halko et al. 2011, algorithm 4.4)."""
    width = min(width, *table.shape)
    generator = np.random.default_rng(seed)
    basis = table @ generator.standard_normal((table.shape[1], min(width + OVERSAMPLING, *table.shape)), np.float32)
    for _ in range(POWER_ITERATIONS):
        basis = table @ (table.T @ np.linalg.qr(basis)[0])
    orthonormal = np.linalg.qr(basis)[0]
    left, strengths, _ = np.linalg.svd(orthonormal.T @ table, full_matrices=False)
    vectors: Floats = (orthonormal @ left)[:, :width] * np.sqrt(strengths[:width])
    return vectors
