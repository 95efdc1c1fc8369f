"""Groups of like texts, without labels: k-means over embeddings by Euclidean distance.

Source: Lloyd 1982, "Least Squares Quantization in PCM": assign each point to the nearest centre, move each centre to
the mean of its points, repeat; started as in Arthur and Vassilvitskii 2007, "k-means++". The embeddings are those of
`learning.vectors`, or with `--checkpoint` those of a pre-trained encoder. A cluster is named by the tokens that stand
in it most out of proportion.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.families.encoder import asking
from training.learning.batches import predict
from training.learning.job import Family, Fitted, Job
from training.learning.vectors import token_vectors

STARTS = 4
ITERATIONS = 60
NAME_TOKENS = 3

Floats = NDArray[np.float32]


def fit(job: Job) -> Fitted:
    """Learns token vectors or takes an encoder, clusters the training texts, and names the clusters (the labels)."""
    embedder, points = _embedded(job)
    generator = np.random.default_rng(job.seed)
    runs = [k_means(points, job.spec.width, generator) for _ in range(STARTS)]
    centres, nearest, spread = min(runs, key=lambda run: run[2])
    job.task.labels = names(job.train.ids, nearest, job.spec.tokens, len(centres))
    return Fitted(distances(embedder, centres), [], {"mean_squared_distance": spread}, embedder)


def _embedded(job: Job) -> tuple[Any, Floats]:
    """What embeds, and the embeddings of the training texts [n, width]; what an encoder said of them before is kept."""
    from training.encoders.transformer import build_encoder
    from training.learning.layers import embedder

    if job.family.pretrained is not None:
        encoder = build_encoder(job.family.pretrained.checkpoint, job.spec.max_tokens)
        return encoder.embed, asking(job, encoder)(job.train.ids)
    embed = embedder(token_vectors(job.train.ids, job.spec.vocabulary))
    return embed, predict(embed, job.train.ids, job.spec.max_tokens)


def k_means(points: Floats, clusters: int, generator: np.random.Generator) -> tuple[Floats, NDArray[np.int64], float]:
    """Points [n, width] -> centres [clusters, width], each point's nearest centre, and the mean squared distance."""
    centres = points[generator.integers(len(points))][None]
    squared = _squared_distances(points, centres)[:, 0]
    while len(centres) < clusters:
        total = float(squared.sum())
        chance = squared.astype(np.float64) / total if total > 0 else np.full(len(points), 1 / len(points))
        chosen = points[generator.choice(len(points), p=chance / chance.sum())]
        centres = np.vstack([centres, chosen])
        squared = np.minimum(squared, _squared_distances(points, chosen[None])[:, 0])
    nearest = np.full(len(points), -1)
    for _ in range(ITERATIONS):
        table = _squared_distances(points, centres)
        moved, nearest = nearest, table.argmin(axis=1)
        if np.array_equal(moved, nearest):
            break
        for cluster in np.unique(nearest):
            centres[cluster] = points[nearest == cluster].mean(axis=0)
    return centres, nearest, float(_squared_distances(points, centres).min(axis=1).mean())


def names(ids: Sequence[Sequence[int]], nearest: NDArray[np.int64], tokens: Sequence[str], clusters: int) -> list[str]:
    """Each cluster's most telling tokens: those with the largest share of p(token | cluster) log(p / p overall)."""
    counts = np.zeros((clusters, len(tokens)))
    for row, cluster in zip(ids, nearest.tolist(), strict=True):
        np.add.at(counts[cluster], np.unique(row), 1)
    words = [len(token) > 1 and any(c.isalpha() for c in token) for token in tokens]
    share = (counts + 0.01) / (counts + 0.01).sum(axis=1, keepdims=True)
    telling = np.where(words, share * np.log(share / share.mean(axis=0)), -1.0)
    found = [" ".join(tokens[i] for i in np.argsort(-row, kind="stable")[:NAME_TOKENS]) for row in telling]
    return [f"{name} ({i})" if found.count(name) > 1 else name for i, name in enumerate(found, 1)]


def distances(embedder: Any, centres: Floats) -> Any:
    """Token ids -> Euclidean distances of their embedding to the centres: float32 [batch, clusters]."""
    import keras
    from keras import ops

    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    points = embedder(token_ids)
    # By differences: |p|² - 2pc + |c|² cancels where a text lies on a centre, and a root makes 1e-7 into 3e-4.
    differences = ops.expand_dims(points, 1) - centres
    squares = ops.sum(differences * differences, axis=2)
    return keras.Model(token_ids, ops.power(squares, 0.5))


def _squared_distances(points: Floats, centres: Floats) -> Floats:
    squares = np.sum(points * points, axis=1)[:, None] + np.sum(centres * centres, axis=1)
    distances: Floats = np.maximum(squares - 2 * points @ centres.T, 0.0)
    return distances


FAMILY = Family(
    name="cluster",
    summary="k-means over embeddings, no labels needed",
    fit=fit,
    tokenizer="bpe",
    vocabulary=16_000,
    max_tokens=256,
)
