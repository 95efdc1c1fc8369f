"""Choices between trainings: which family suits the data, and whether unlabelled texts help."""

import numpy as np

from handler.model.activation import activate
from training.data.read import Example, squeeze
from training.data.split import Splits
from training.errors import InputError
from training.families import get_family
from training.learning.batches import predict
from training.learning.calibrate import temperature
from training.learning.job import Family
from training.learning.plan import Plan, Progress
from training.train import Learned, learn

CANDIDATES = ("logistic", "linear", "hybrid")
RESAMPLES = 100
# Pseudo-labels are taken from answers at least so confident.
CONFIDENT = 0.95


def choose_family(plan: Plan, splits: Splits, progress: Progress) -> tuple[Plan, Learned, str]:
    """Trains the cheap families; gives the plan with the one to take, what it learned, and the reason in a sentence.

    The smallest is taken that is within one standard error of the best: Breiman et al. 1984, "Classification and
    Regression Trees". Raises InputError if there are no development texts to choose on.
    """
    if not splits.dev:
        raise InputError("--family auto needs development texts to choose on; give --dev, or name a family.")
    tried = {name: learn(plan._replace(family=as_wanted(name, plan.family)), splits, progress) for name in CANDIDATES}
    best = max(tried, key=lambda name: tried[name].score)
    short = {name: tried[best].score - one.score for name, one in tried.items()}
    errors = {name: error_of_difference(tried[best], one) for name, one in tried.items()}
    as_good = [name for name in tried if short[name] <= errors[name]]
    taken = min(as_good, key=lambda name: parameters(tried[name]))
    scores = ", ".join(
        f"{name} {one.score:.4f} ± {errors[name]:.4f} with {parameters(one):,} parameters"
        for name, one in tried.items()
    )
    reason = (
        f"{taken} is the smallest within a standard error of the best score on {len(splits.dev):,} development texts "
        f"({scores}; ± of the difference to {best})"
    )
    return plan._replace(family=tried[taken].job.family), tried[taken], reason


def as_wanted(name: str, planned: Family) -> Family:
    """A family with what the user wants otherwise than suits the planned one, as its tokenizer."""
    usual = get_family(planned.name)
    return get_family(name)._replace(
        **{
            field: wanted
            for field, wanted, suiting in zip(Family._fields, planned, usual, strict=True)
            if wanted is not suiting
        }
    )


def error_of_difference(one: Learned, other: Learned) -> float:
    """The standard error of the difference of two development scores.

    By resampling the texts, the same for both, since both find the same texts hard: Efron 1979, "Bootstrap Methods:
    Another Look at the Jackknife".
    """
    targets, generator = one.read.dev.targets, np.random.default_rng(0)
    differences = []
    for _ in range(RESAMPLES):
        rows = generator.integers(0, len(targets), len(targets))
        scores = [learned.task.score(learned.dev_logits[rows], targets[rows]) for learned in (one, other)]
        differences.append(scores[0] - scores[1])
    return float(np.std(differences))


def parameters(learned: Learned) -> int:
    """How many numbers a model holds."""
    return int(learned.fitted.model.count_params())


def self_train(
    plan: Plan, splits: Splits, unlabelled: list[Example], progress: Progress
) -> tuple[Splits, dict[str, float]]:
    """Adds confident answers on unlabelled texts to the training part if that helps by over a standard error.

    Gives the splits to train on, and what came of it. Source: Yarowsky 1995, "Unsupervised Word Sense Disambiguation
    Rivaling Supervised Methods". Raises InputError if there are no development texts to tell by, or another task.
    """
    if not splits.dev or plan.task != "classify" or plan.multi_label:
        raise InputError(
            "--unlabelled needs one label a text and development texts; give --dev or more labelled texts."
        )
    before = learn(plan, splits, progress)
    known = {example.text for example in [*splits.train, *splits.dev, *splits.test]}
    fresh = sorted({squeeze(example.text) for example in unlabelled} - known - {""})
    added = confident_answers(before, fresh)
    larger = Splits([*splits.train, *added], splits.dev, splits.test, splits.labels, splits.cleaning)
    after = learn(plan, larger, progress) if added else before
    gain, error = after.score - before.score, error_of_difference(after, before)
    outcome = {
        "unlabelled_texts": len(fresh),
        "pseudo_labelled_texts": len(added),
        "development_score_before": before.score,
        "development_score_after": after.score,
        "standard_error_of_the_difference": error,
        "used": float(gain > error),
    }
    return (larger if gain > error else splits), outcome


def confident_answers(learned: Learned, texts: list[str]) -> list[Example]:
    """Those of the texts whose answer is CONFIDENT, with it.

    Few development texts justify little confidence; but it is the surest texts that are asked for here.
    """
    if not texts:
        return []
    read, task = learned.read, learned.task
    encodings = read.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    logits = predict(learned.fitted.model, [encoding.ids for encoding in encodings], read.spec.max_tokens)
    scale = temperature(learned.dev_logits, read.dev.targets, task.activation)
    predicted = activate(logits, task.activation, scale)
    pairs = zip(texts, predicted.argmax(axis=1).tolist(), predicted.max(axis=1).tolist(), strict=True)
    return [Example(text, task.labels[best]) for text, best, confidence in pairs if confidence >= CONFIDENT]
