"""Choices between trainings: which family suits the data, and whether unlabelled texts help."""

from typing import NamedTuple

import msgspec

from training.data.read import Example, squeeze
from training.data.split import Splits
from training.errors import InputError
from training.families import get_family
from training.judging.outcome import Trained
from training.learning.plan import Plan, Progress
from training.train import train

CANDIDATES = ("logistic", "linear", "hybrid")
# A family that scores less than this below the best one is as good; the smallest such is taken.
AS_GOOD = 0.003
# Pseudo-labels are taken from answers at least so confident.
CONFIDENT = 0.95


class Candidate(NamedTuple):
    """A family that was tried: its development score and its size."""

    family: str
    score: float
    megabytes: float


def choose_family(plan: Plan, splits: Splits, progress: Progress) -> tuple[Plan, str]:
    """Trains the cheap families, and gives the plan with the one to take, and the reason in a sentence.

    Raises InputError if there are no development texts to choose on.
    """
    if not splits.dev:
        raise InputError("--family auto needs development texts to choose on; give --dev, or name a family.")
    tried = []
    for name in CANDIDATES:
        trained = rehearse(plan._replace(family=get_family(name)), splits, progress)
        tried.append(Candidate(name, development_score(trained), len(trained.bundle.model) / 1e6))
    best = max(candidate.score for candidate in tried)
    taken = min((c for c in tried if c.score >= best - AS_GOOD), key=lambda candidate: candidate.megabytes)
    scores = ", ".join(f"{c.family} {c.score:.4f} at {c.megabytes:.1f} MB" for c in tried)
    reason = f"{taken.family} is the smallest within {AS_GOOD} of the best development score ({scores})"
    return plan._replace(family=get_family(taken.family)), reason


def self_train(
    plan: Plan, splits: Splits, unlabelled: list[Example], progress: Progress
) -> tuple[Splits, dict[str, float]]:
    """Adds confident answers on unlabelled texts to the training part if that helps in development.

    Gives the splits to train on, and what came of it. Source: Yarowsky 1995, "Unsupervised Word Sense Disambiguation
    Rivaling Supervised Methods". Raises InputError if there are no development texts to tell by, or another task.
    """
    from handler.model.classifier import Classifier

    if not splits.dev or plan.task != "classify" or plan.multi_label:
        raise InputError(
            "--unlabelled needs one label a text and development texts; give --dev or more labelled texts."
        )
    before = rehearse(plan, splits, progress)
    known = {example.text for example in [*splits.train, *splits.dev, *splits.test]}
    fresh = sorted({squeeze(example.text) for example in unlabelled} - known - {""})
    # Few development texts justify little confidence; but it is the surest texts that are asked for here.
    surest = msgspec.structs.replace(before.bundle.manifest, smoothing=0.0)
    teacher = Classifier(msgspec.structs.replace(before.bundle, manifest=surest))
    predictions = teacher.classify(fresh, 1) if fresh else []
    added = [
        Example(text, str(prediction.label))
        for text, prediction in zip(fresh, predictions, strict=True)
        if isinstance(prediction.confidence, float) and prediction.confidence >= CONFIDENT
    ]
    larger = Splits([*splits.train, *added], splits.dev, splits.test, splits.labels, splits.cleaning)
    after = rehearse(plan, larger, progress) if added else before
    scores = {
        "development_score_before": development_score(before),
        "development_score_after": development_score(after),
    }
    gain = scores["development_score_after"] - scores["development_score_before"]
    outcome = {"unlabelled_texts": len(fresh), "pseudo_labelled_texts": len(added), **scores, "used": float(gain > 0)}
    return (larger if gain > 0 else splits), outcome


def rehearse(plan: Plan, splits: Splits, progress: Progress) -> Trained:
    """A training that does not see the test texts, to be judged in development."""
    without_test = Splits(splits.train, splits.dev, [], splits.labels, splits.cleaning)
    return train(plan._replace(refit=False), without_test, progress)


def development_score(trained: Trained) -> float:
    """The macro-F1 (or R2) in development of the model as it would be shipped."""
    quantization = trained.bundle.manifest.quantization
    summary = next(v.summary for v in trained.variants if v.quantization == quantization)
    return summary["macro_f1"] if "macro_f1" in summary else summary["r2"]
