"""A small model that learns from a large one: `--teacher BUNDLE`.

The student is trained on the teacher's probabilities instead of labels (Hinton et al. 2015, "Distilling the Knowledge
in a Neural Network"), over the training texts, unlabelled texts, and pieces of both (n-gram sampling: Tang et al. 2019,
"Distilling Task-Specific Knowledge from BERT into Simple Neural Networks"): a piece of a text says what its words
weigh, which the whole does not.
"""

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handler.model.bundle import load
from handler.model.classifier import Classifier
from training.data.read import Example, squeeze
from training.data.split import Splits
from training.errors import InputError
from training.judging.evaluate import evaluate
from training.judging.outcome import Trained
from training.learning.plan import Plan, Progress
from training.learning.soft_labels import SoftLabels

# How many pieces of each text are added, and the fewest units of one.
PIECES, FEWEST = 4, 2
# A teacher may take long: how far it is, is said after each so many texts.
AT_ONCE = 1024
# Kana and Han characters.
UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


def ask_teacher(
    path: Path, plan: Plan, splits: Splits, unlabelled: Sequence[Example], progress: Progress
) -> tuple[Plan, Splits, dict[str, float]]:
    """The plan and splits with what the teacher says, and how good it is on the test texts.

    Raises InputError if it cannot teach these labels, or if the plan is for another task.
    """
    if plan.task != "classify" or plan.multi_label:
        raise InputError("--teacher is for one label a text; leave it out, or --task and --multi-label.")
    teacher = open_teacher(path, splits.labels)
    larger, answers = distil(teacher, splits, unlabelled, plan.seed, progress.controls.checkpoint, progress.step)
    outcome = {"texts_answered_by_the_teacher": float(len(answers))}
    if splits.test:
        outcome["teacher_accuracy"] = evaluate(teacher, splits.test, "the test set").summary["accuracy"]
    return plan._replace(answers=answers), larger, outcome


def share_kept(student: Trained, outcome: Mapping[str, float]) -> dict[str, float]:
    """The share of the teacher's accuracy that the student has, if both were measured."""
    if "teacher_accuracy" not in outcome or not student.evaluation:
        return {}
    kept = student.evaluation.summary["accuracy"] / max(outcome["teacher_accuracy"], 1e-9)
    return {"share_of_the_teacher_s_accuracy_kept": round(kept, 4)}


def open_teacher(path: Path, labels: Sequence[str]) -> Classifier:
    """Gives a bundle that can teach these labels. Raises InputError if it cannot, BundleError if it is damaged."""
    teacher = Classifier(load(path), os.cpu_count())
    manifest = teacher.manifest
    if manifest.activation not in ("sigmoid", "softmax"):
        raise InputError(
            f"{path} gives no probabilities of one label a text, so it cannot teach; choose another bundle."
        )
    if sorted(manifest.labels) != sorted(labels):
        raise InputError(
            f"{path} knows the labels {', '.join(manifest.labels[:10])}, and the training texts carry "
            f"{', '.join(labels[:10])}; a teacher must know the same."
        )
    return teacher


def distil(
    teacher: Classifier,
    splits: Splits,
    unlabelled: Sequence[Example],
    seed: int,
    kept: Path | None = None,
    step: Callable[[str], None] = lambda _: None,
) -> tuple[Splits, SoftLabels]:
    """The teacher's answers over training texts, unlabelled texts and pieces of both; the splits with what is new.

    Held-out texts are never answered, so that what is measured on them stays honest. What the teacher said is kept in
    that directory, and not asked again if it is there.
    """
    held_out = {example.text for example in [*splits.dev, *splits.test]}
    texts = {example.text for example in splits.train} | {squeeze(example.text) for example in unlabelled}
    whole = sorted(texts - held_out - {""})
    pieces = sorted({piece for text in cut(whole, seed) for piece in text} - held_out - set(whole) - {""})
    asked = [*whole, *pieces]
    columns = [teacher.manifest.labels.index(label) for label in splits.labels]
    answers: SoftLabels = dict(zip(asked, _ask(teacher, asked, kept, step)[:, columns], strict=True))
    known = {example.text for example in splits.train}
    added = [Example(t, splits.labels[int(row.argmax())]) for t, row in answers.items() if t not in known]
    return Splits([*splits.train, *added], splits.dev, splits.test, splits.labels, splits.cleaning), answers


def _ask(
    teacher: Classifier, texts: Sequence[str], kept: Path | None, step: Callable[[str], None]
) -> NDArray[np.float32]:
    """Probabilities [n, labels] of n texts."""
    if kept is None:
        answered = [np.empty((0, len(teacher.manifest.labels)), np.float32)]
        for start in range(0, len(texts), AT_ONCE):
            step(f"asking the teacher: {start:,} of {len(texts):,} texts")
            answered.append(teacher.predict(teacher.encode(texts[start : start + AT_ONCE]).ids).astype(np.float32))
        return np.vstack(answered)
    asked = hashlib.sha256(repr((teacher.manifest.version, texts)).encode()).hexdigest()
    path = kept / f"answers-{asked[:16]}.npy"
    if not path.exists():
        kept.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".tmp")
        with fresh.open("wb") as file:
            np.save(file, _ask(teacher, texts, None, step))
        fresh.replace(path)
    answers: NDArray[np.float32] = np.load(path)
    return answers


def cut(texts: Sequence[str], seed: int) -> list[list[str]]:
    """PIECES stretches of each text, of words, or of characters in writing without spaces; none if too short."""
    generator = np.random.default_rng(seed)
    found = []
    for text in texts:
        units, glue = (list(text), "") if UNSPACED.search(text) else (text.split(" "), " ")
        pieces = []
        for _ in range(PIECES if len(units) > FEWEST else 0):
            length = int(generator.integers(FEWEST, len(units)))
            start = int(generator.integers(0, len(units) - length + 1))
            pieces.append(squeeze(glue.join(units[start : start + length])))
        found.append(pieces)
    return found
