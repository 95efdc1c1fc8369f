"""Which texts to label next: those that a model is least sure of, and that are unlike each other and what is labelled.

Least sure by margin sampling: Scheffer et al. 2001, "Active Hidden Markov Models for Information Extraction". Of these
so many are taken as are asked for, by the seeding of k-means++ over embeddings (Arthur and Vassilvitskii 2007), as in
Ash et al. 2020, "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds": one after the other, with a
chance that grows with the squared distance from the nearest text that was taken or labelled before.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handler.model.activation import label_thresholds, least_sure
from handler.model.classifier import Classifier
from handler.model.prediction import Prediction

# So many of the least sure texts are looked at for each that is taken: of 1, 5 and 20 the best on development texts.
LOOKED_AT = 5
# Texts that are read at a time, and labelled ones that all others are compared with at a time: memory stays flat.
READ, COMPARED = 8192, 512

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]


class Suggested(NamedTuple):
    """A text to label, the place it has among those that were given, and what the model would say."""

    place: int
    text: str
    labels: list[str]
    confidence: float


def suggest(classifier: Classifier, texts: Sequence[str], labelled: Sequence[str], count: int) -> list[Suggested]:
    """Of n texts the `count` most useful ones to label, in the order in which they are taken, always the same.

    `count` is at most n, and the bundle is one of labels. Raises InvalidRequest if it has no token vectors.
    """
    margins = np.concatenate([_margins(classifier, texts[i : i + READ]) for i in range(0, len(texts), READ)])
    looked_at = np.argsort(margins, kind="stable")[: LOOKED_AT * count].tolist()
    points = classifier.embed([texts[i] for i in looked_at])
    nearest = np.full(len(points), np.inf, np.float32)
    for start in range(0, len(labelled), COMPARED):
        others = classifier.embed(labelled[start : start + COMPARED])
        nearest = np.minimum(nearest, _squared_distances(points, others).min(axis=1))
    places = [looked_at[i] for i in spread(points, nearest, count)]
    predictions = classifier.answer([texts[place] for place in places])[1]
    return [
        Suggested(place, texts[place], _labels(one), float(one.whole[1] or 0))
        for place, one in zip(places, predictions, strict=True)
    ]


def spread(points: Vectors, nearest: Vectors, count: int) -> list[int]:
    """`count` of the points [n, width], in the order in which they are taken; `nearest` [n] is how far, squared, each
    is from what was taken before: infinitely if that was nothing, and then the first point is taken first.
    """
    generator = np.random.default_rng(0)
    free, squared, taken = np.ones(len(points), bool), nearest.astype(np.float64), list[int]()
    while len(taken) < count:
        chance = np.where(free, squared, 0.0)
        if np.isinf(squared).all() or chance.sum() == 0:  # nothing is taken, or all that is left are copies
            one = int(free.argmax())
        else:
            one = int(generator.choice(len(points), p=chance / chance.sum()))
        taken.append(one)
        free[one] = False
        squared = np.minimum(squared, _squared_distances(points, points[one : one + 1])[:, 0])
    return taken


def _labels(prediction: Prediction) -> list[str]:
    return prediction.labels if isinstance(prediction.labels, list) else [str(prediction.whole[0])]


def _margins(classifier: Classifier, texts: Sequence[str]) -> Floats:
    """By how much each text's best label beats the next; of several labels, how sure the least sure of them is."""
    manifest, predicted = classifier.manifest, classifier.predict(classifier.encode(texts).ids)
    if manifest.activation == "independent":
        return least_sure(predicted, label_thresholds(manifest))
    best = np.partition(predicted, -2, axis=1)[:, -2:]
    return np.asarray(best[:, 1] - best[:, 0])


def _squared_distances(points: Vectors, others: Vectors) -> Vectors:
    """Between L2-normalised points [n, width] and [m, width]: [n, m]."""
    return np.maximum(2 - 2 * points @ others.T, 0)
