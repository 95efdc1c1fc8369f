"""Choices between trainings: which family suits the data, and whether unlabelled texts help."""

from collections.abc import Sequence

from handler.model.activation import activate
from training.data.read import Example, squeeze
from training.data.split import Splits
from training.errors import InputError
from training.learning.batches import predict
from training.learning.calibrate import temperature
from training.learning.folds import resampled_error
from training.learning.job import Family
from training.learning.plan import Plan, Progress
from training.train import Learned, learn

# Pseudo-labels are taken from answers at least so confident.
CONFIDENT = 0.95


def try_families(plan: Plan, families: Sequence[Family], splits: Splits, progress: Progress) -> list[Learned]:
    """Trains the families, each as far as it need be to tell how good it is.

    Where texts are few and none are held out, those alone that are cross-validated. Raises InputError if there are no
    texts to choose by.
    """
    judged = [family for family in families if splits.dev or family.crossed]
    tried = [learn(plan._replace(family=family), splits, progress) for family in judged]
    if not all(len(one.unseen.targets) for one in tried):
        raise InputError("--family auto needs development texts to choose on; give --dev, or name a family.")
    return tried


def smallest_of_the_best(tried: Sequence[Learned]) -> tuple[Learned, str]:
    """The family to take, and the reason in a sentence.

    The smallest is taken that is within one standard error of the best: Breiman et al. 1984, "Classification and
    Regression Trees".
    """
    best = max(tried, key=lambda one: one.score)
    errors = [error_of_difference(best, one) for one in tried]
    as_good = [one for one, error in zip(tried, errors, strict=True) if best.score - one.score <= error]
    taken = min(as_good, key=parameters)
    scores = ", ".join(
        f"{name_of(one)} {one.score:.4f} ± {error:.4f} with {parameters(one):,} parameters"
        for one, error in zip(tried, errors, strict=True)
    )
    texts = len(taken.unseen.targets)
    where = f"{texts:,} texts, each answered by a model that was trained without it"
    if not taken.fitted.crossed:
        where = f"{texts:,} development texts"
    reason = (
        f"{name_of(taken)} is the smallest within a standard error of the best score on {where} "
        f"({scores}; ± of the difference to {name_of(best)})"
    )
    return taken, reason


def gain(taken: Learned, tried: Sequence[Learned], size: float) -> str:
    """What an encoder brought for a bundle of so many bytes, in a sentence; empty if none was taken."""
    others = [one for one in tried if one.job.family.pretrained is None]
    if taken.job.family.pretrained is None or not others:
        return ""
    other = max(others, key=lambda one: one.score)
    return (
        f"{name_of(taken)} scores {taken.score - other.score:+.4f} (± {error_of_difference(taken, other):.4f}) beside "
        f"{name_of(other)}, the best without it, for a bundle of {size / 1e6:.1f} MB: "
        f"{parameters(taken) / 1e6:.1f} million numbers, and {parameters(other) / 1e6:.1f} million"
    )


def name_of(learned: Learned) -> str:
    return learned.job.family.name


def error_of_difference(one: Learned, other: Learned) -> float:
    """The standard error of the difference of two scores on the same texts."""
    return resampled_error(one.task.score, one.unseen.logits, other.unseen.logits, one.unseen.targets)


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
