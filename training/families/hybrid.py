"""A linear model over an exact n-gram dictionary beside a small convolutional reader, their scores summed.

logits = wide(x) + mix * deep(x). Wide: `learning.wide`, Naive Bayes scaled one-against-rest margins (Wang and Manning
2012). Deep: character and bigram vectors, convolutions (Kim 2014), the maximum and the sum / sqrt(n) of each. The two
are trained apart, since training them together spoils the wide part, and mixed by what is best in development. The
idea of a wide and a deep part is that of Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems".
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.learning.batches import many, predict
from training.learning.fit import descend
from training.learning.folds import few
from training.learning.job import Family, Fitted, Job, Spec
from training.learning.ngrams import NgramDictionary, learn, pad
from training.learning.vectors import EMBEDDING_WIDTH
from training.learning.wide import Floats, Wide
from training.learning.wide_part import chosen_part

MODEL_BYTES = 4_400_000
LEAST_TEXTS = 2
BIGRAMS = 20_000
CHARACTERS_WIDTH, BIGRAMS_WIDTH, FILTERS = 64, 32, 96
MIXES = (0.0, 0.25, 0.5, 0.75, 1.0)
EPOCHS_OF_MANY = 6
TEXTS_A_LABEL = 64
# Where labels are so many that MODEL_BYTES would hold fewer n-grams, the model is larger, up to LARGEST_BYTES.
LEAST_NGRAMS, LARGEST_BYTES = 20_000, 40_000_000

Criterion = Callable[[NDArray[Any], NDArray[Any]], float]


def fit(job: Job) -> Fitted:
    """Trains the deep part, and adds the wide part. Many texts take fewer epochs, and refits leave the deep part."""
    if wide_suffices(job):
        return wide_only(job)
    enough = many(job)
    if enough:
        job = job._replace(family=job.family._replace(epochs=min(EPOCHS_OF_MANY, job.family.epochs)))
    deep = descend(job, deep_model(job.spec, learn_bigrams(job)))
    fitted = beside_ngrams(job, deep, most_ngrams(job.spec))
    return fitted if enough else fitted._replace(again=None)


def wide_suffices(job: Job) -> bool:
    """Whether the texts are too few for a deep part: up to 1,600, or 64 a label, it added nothing, on three sets."""
    if job.settings:
        return "deep_weight" not in job.settings
    rare = job.spec.width > 1 and len(job.train.ids) < job.spec.width * TEXTS_A_LABEL
    return rare or (few(job) and not job.dev.ids)


def beside_ngrams(
    job: Job, deep: Fitted, most: int, mixes: Sequence[float] = MIXES, by: Criterion | None = None
) -> Fitted:
    """The deep model and the n-grams, at most so many, of all texts of the job.

    Done `again` with other texts, it renews the n-grams only, which costs a tenth of training the deep model.
    """
    part = chosen_part(job, most)
    settings = dict(job.settings) or part.setting._asdict() | deep.settings
    if not job.settings:
        settings |= best_mix(job, part.scores, deep.model, mixes, by)
    return deep._replace(
        model=combine(part.dictionary, part.wide, deep.model, settings["deep_weight"]),
        settings=settings,
        again=lambda job: beside_ngrams(job, deep, most),
        remark=remark(job.spec, part.dictionary),
    )


def wide_only(job: Job) -> Fitted:
    """The wide part by itself: the family `linear`."""
    part = chosen_part(job, most_ngrams(job.spec))
    model = combine(part.dictionary, part.wide, None, 0.0)
    said = remark(job.spec, part.dictionary)
    return Fitted(model, [], part.setting._asdict(), crossed=part.crossed, remark=said)


def most_ngrams(spec: Spec) -> int:
    """How many n-grams there is room for, tokens included."""
    fixed = spec.vocabulary * (CHARACTERS_WIDTH + EMBEDDING_WIDTH) + BIGRAMS * (BIGRAMS_WIDTH + 4) + 150_000
    room = (MODEL_BYTES - fixed) // ngram_bytes(spec)
    return max(room, min(spec.vocabulary + LEAST_NGRAMS, LARGEST_BYTES // ngram_bytes(spec)))


def remark(spec: Spec, dictionary: NgramDictionary) -> str:
    """What is to be said where labels are so many that the model is larger than others, or has no room for n-grams."""
    if most_ngrams(spec) <= spec.vocabulary:
        return (
            f"with a weight for each of {spec.width:,} labels, {LARGEST_BYTES / 1e6:.0f} MB have no room for n-grams "
            "of several tokens; fewer labels would be told apart better"
        )
    size, kept = dictionary.rows * ngram_bytes(spec), dictionary.rows - spec.vocabulary
    if size <= MODEL_BYTES:
        return ""
    return (
        f"{kept:,} n-grams and a weight of each for {spec.width:,} labels make the model about {size / 1e6:.0f} MB "
        "large, or more where numbers of 8 bits would change answers"
    )


def ngram_bytes(spec: Spec) -> int:
    """What an n-gram takes: its key of four bytes, its weights, its frequency, and the power of its row.

    Its third of a displacement, a byte and a third, is not counted.
    """
    return spec.width + 6


def learn_bigrams(job: Job) -> NgramDictionary:
    """The most frequent bigrams, which have vectors in the deep part."""
    ids = pad(job.train.ids, job.spec.max_tokens)
    return learn(ids, job.spec.vocabulary, 2, job.spec.vocabulary + BIGRAMS, LEAST_TEXTS)


def best_mix(job: Job, wide_dev: Floats, deep: Any, mixes: Sequence[float], by: Criterion | None) -> dict[str, float]:
    """How much the deep part weighs, as its deviation over that of the wide part; ties go to what is nearest half.

    The best is what has the highest score in development, or the highest of `by`(logits, targets).
    """
    if not job.dev.ids:
        return {"deep_weight": 1.0}
    deep_dev = predict(deep, job.dev.ids, job.spec.max_tokens)
    scale = float(np.std(wide_dev)) / max(float(np.std(deep_dev)), 1e-9)
    mixed = {mix: wide_dev + mix * scale * deep_dev for mix in mixes}
    scores = {mix: (by or job.task.score)(logits, job.dev.targets) for mix, logits in mixed.items()}
    mix = max(mixes, key=lambda mix: (round(scores[mix], 4), -abs(mix - 0.5)))
    return {
        "deep_weight": mix * scale,
        "mix": mix,
        "wide_dev": job.task.score(wide_dev.astype(np.float32), job.dev.targets),
        "mixed_dev": job.task.score(mixed[mix], job.dev.targets),
    }


def deep_model(spec: Spec, bigrams: NgramDictionary) -> Any:
    """Vectors of tokens and frequent bigrams -> convolutions of widths 1 to 3 -> maximum and sum -> logits."""
    import keras
    from keras import layers, ops

    from training.learning.layers import MaximumAndSum, NgramLookup, Table

    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    places = NgramLookup(bigrams)(token_ids)
    around_zero = keras.initializers.RandomNormal(stddev=0.1)
    vectors = [Table(spec.vocabulary, CHARACTERS_WIDTH, around_zero)(places[0])]
    if bigrams.levels:
        vectors.append(Table(len(bigrams.levels[0].keys) + 1, BIGRAMS_WIDTH, around_zero)(places[1]))
    present = ops.cast(token_ids > 0, "float32")[..., None]
    embedded = layers.Dropout(0.3)(
        layers.Concatenate()(vectors) * present if len(vectors) > 1 else vectors[0] * present
    )
    pool = MaximumAndSum()
    pooled = [
        pool(layers.Conv1D(FILTERS, width, padding="same", activation="relu")(embedded), present) for width in (1, 2, 3)
    ]
    return keras.Model(token_ids, layers.Dense(spec.width)(layers.Dropout(0.5)(layers.Concatenate()(pooled))))


def combine(dictionary: NgramDictionary, wide: Wide, deep: Any, weight: float) -> Any:
    """token ids -> wide scores + weight * deep logits; without the deep part if it weighs nothing."""
    import keras

    from training.learning.layers import NgramLookup, WideSum

    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    scores = WideSum(dictionary, wide)(NgramLookup(dictionary)(token_ids))
    return keras.Model(token_ids, scores + weight * deep(token_ids) if weight else scores)


FAMILY = Family(
    name="hybrid",
    summary="exact n-grams with Naive Bayes scaling beside a convolutional reader",
    fit=fit,
    tokenizer="mixed",
    vocabulary=10_000,
    max_tokens=256,
    longest=1024,
    epochs=8,
    batch_size=32,
    learning_rate=2e-3,
    crossed=True,
)
