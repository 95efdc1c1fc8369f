"""The wide part of a model, and how its settings are chosen: on development texts, or by cross-validation if few."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.data.tokenizer import LETTERS
from training.learning.folds import crossed, few, folds, resampled_error, standard_error
from training.learning.job import Encoded, Job, OutOfFold
from training.learning.ngrams import NgramDictionary, learn, pad
from training.learning.wide import MANY_LABELS, TOGETHER, Features, Floats, Wide, featurize, fit_wide, score_wide


class Setting(NamedTuple):
    """How much errors cost, which share of the scale is Naive Bayes, in how many texts an n-gram must stand, how long
    it may be, and whether each label counts the same, however rare it is.
    """

    cost: float
    naive_bayes_share: float
    least_texts: int = 2
    orders: int = 3
    balanced: bool = False

    @classmethod
    def of(cls, settings: Mapping[str, float]) -> "Setting":
        """What was chosen before, from among all that was."""
        return cls(
            settings["cost"],
            settings["naive_bayes_share"],
            int(settings["least_texts"]),
            int(settings["orders"]),
            bool(settings["balanced"]),
        )


# Of few texts the first is taken unless another is better beyond chance.
OF_FEW = [
    Setting(10.0, 0.0, 1, 2),
    *(Setting(cost, share, 1, 3) for cost, share in ((10.0, 0.0), (1.0, 0.5), (1.0, 1.0))),
    *(Setting(1.0, share, 2, 3) for share in (0.0, 0.5)),
]
# Of letters, three in a row tell what one piece does.
OF_FEW_LETTERS = [OF_FEW[2], OF_FEW[1], OF_FEW[3], OF_FEW[0], *OF_FEW[4:]]
LEAST_TO_CHOOSE = 200
# Of many, the cost is chosen at the first share, and then the share.
COSTS, SHARES = (0.1, 0.3, 1.0), (1.0, 0.5)


class Texts(NamedTuple):
    """Texts to fit weights to, and others to be answered, in terms of a dictionary that was learned from the first."""

    dictionary: NgramDictionary
    train: Features
    others: Features


class Tried(NamedTuple):
    """Weights that were fitted with a setting, what they say of the development texts, and how good that is."""

    score: float
    logits: NDArray[np.float32]
    setting: Setting
    texts: Texts
    wide: Wide


class Chosen(NamedTuple):
    """The wide part, how it was fitted, and the scores [n, width] that it gives the development texts.

    `crossed` are its answers on few texts, each by a part that was fitted without it.
    """

    dictionary: NgramDictionary
    wide: Wide
    setting: Setting
    scores: Floats
    crossed: OutOfFold | None


def chosen_part(job: Job, most: int) -> Chosen:
    """The wide part of all texts of the job, with `most` n-grams at most, tokens included, as is best for it."""
    if job.dev.ids and not job.settings:
        best = choose_on_dev(job, most)
        scores = score_wide(best.texts.others, best.wide)
        return Chosen(best.texts.dictionary, best.wide, best.setting, scores, None)
    answered = None
    if job.settings:
        setting = Setting.of(job.settings)
    elif crossed(job):
        setting, answered = choose_on_folds(job, most)
    else:
        setting = of_few(job)[0] if few(job) else of_many(job, COSTS[1])
    texts = read(job, job.dev, most, setting)
    wide = _fit(job, texts.train, setting)
    return Chosen(texts.dictionary, wide, setting, score_wide(texts.others, wide), answered)


def choose_on_folds(job: Job, most: int) -> tuple[Setting, OutOfFold]:
    """The setting whose answers are better than the usual one's by more than the standard error of that, or the usual.

    Among several, one is best by chance (Breiman et al. 1984, "Classification and Regression Trees", for the rule of
    one standard error); of fewer than LEAST_TO_CHOOSE texts it is not looked for.
    """
    settings = of_few(job) if len(job.train.ids) >= LEAST_TO_CHOOSE else of_few(job)[:1]
    scores = cross(job, most, settings)
    right = {setting: job.task.rightness(logits, job.train.targets) for setting, logits in scores.items()}
    usual, best = settings[0], max(settings, key=lambda setting: float(right[setting].mean()))
    gain = right[best] - right[usual]
    taken = best if gain.mean() > standard_error(gain) else usual
    if job.task.weighs(job.train.targets):
        balanced = taken._replace(balanced=True)
        scores |= cross(job, most, [balanced])
        taken = max((taken, balanced), key=lambda setting: job.task.score(scores[setting], job.train.targets))
    return taken, OutOfFold(scores[taken], job.train.targets)


def cross(job: Job, most: int, settings: Sequence[Setting]) -> dict[Setting, NDArray[np.float32]]:
    """By setting, what each training text of the job is answered [n, width] by a part that was fitted without it."""
    scores = {setting: np.zeros((len(job.train.ids), job.spec.width), np.float32) for setting in settings}
    for fold in folds(job):
        for group in _alike(settings):
            texts = read(fold.job, fold.left_out, most, group[0])
            for setting in group:
                scores[setting][fold.rows] = score_wide(texts.others, _fit(fold.job, texts.train, setting))
    return scores


def choose_on_dev(job: Job, most: int) -> Tried:
    """What scores best on the development texts; of skewed labels, balanced unless that is worse beyond chance."""
    if few(job):
        tried = []
        for settings in _alike(of_few(job)):
            tried += _try(job, read(job, job.dev, most, settings[0]), settings)
    else:
        many_labels = job.spec.width >= MANY_LABELS
        by_cost = [of_many(job, cost) for cost in COSTS[many_labels:]]
        texts = read(job, job.dev, most, by_cost[0])
        tried = _try(job, texts, by_cost)
        usual = max(tried, key=lambda one: one.score).setting
        if not many_labels:
            tried += _try(job, texts, [usual._replace(naive_bayes_share=share) for share in SHARES[1:]])
    best = max(tried, key=lambda one: one.score)
    if job.task.weighs(job.train.targets):
        return _balanced(job, best)
    return best


def _balanced(job: Job, plain: Tried) -> Tried:
    """The same with each label counting the same, or as it was if that is better by over a standard error.

    Of a rare label a dozen texts are held out, and these alone are chance. Of hundreds of labels it has to be no worse:
    texts of the rarest would count for all.
    """
    (balanced,) = _try(job, plain.texts, [plain.setting._replace(balanced=True)])
    few_labels = job.spec.width < MANY_LABELS
    error = resampled_error(job.task.score, plain.logits, balanced.logits, job.dev.targets) if few_labels else 0.0
    return plain if plain.score - balanced.score > error else balanced


def of_few(job: Job) -> list[Setting]:
    """The settings for few texts, the usual one first."""
    return OF_FEW_LETTERS if job.family.tokenizer == LETTERS else OF_FEW


def of_many(job: Job, cost: float) -> Setting:
    """A setting for many texts: of two labels longer n-grams tell more, but of few texts none is seen again."""
    share = SHARES[0] if job.spec.width < MANY_LABELS else 0.0
    return Setting(cost, share, least_texts=2, orders=4 if job.spec.width == 1 else 3)


def _try(job: Job, texts: Texts, settings: Sequence[Setting]) -> list[Tried]:
    def one(setting: Setting) -> Tried:
        wide = _fit(job, texts.train, setting)
        logits = score_wide(texts.others, wide).astype(np.float32)
        return Tried(job.task.score(logits, job.dev.targets), logits, setting, texts, wide)

    # Of several labels, weights are found together already.
    with ThreadPoolExecutor(TOGETHER if job.spec.width == 1 else 1) as pool:
        return list(pool.map(one, settings))


def _alike(settings: Sequence[Setting]) -> list[list[Setting]]:
    """The settings in groups that share a dictionary, which takes longer to learn than weights of few texts."""
    return [list(group) for _, group in groupby(settings, lambda setting: (setting.least_texts, setting.orders))]


def _fit(job: Job, features: Features, setting: Setting) -> Wide:
    signs, exact = job.task.signs(job.train.targets), job.task.exact
    balanced = setting.balanced or job.task.class_weight == "balanced"
    importance = job.task.balance(job.train.targets) if balanced else None
    return fit_wide(features, signs, exact, setting.cost, setting.naive_bayes_share, importance)


def read(job: Job, others: Encoded, most: int, setting: Setting) -> Texts:
    """The texts of the job and others in terms of a dictionary of the first."""
    ids = pad(job.train.ids, job.spec.max_tokens)
    dictionary = learn(ids, job.spec.vocabulary, setting.orders, most, setting.least_texts)
    train = featurize(dictionary, ids, len(ids))
    return Texts(dictionary, train, featurize(dictionary, pad(others.ids, job.spec.max_tokens), len(ids)))
