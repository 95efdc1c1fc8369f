"""card.md and report.html: what was trained, on what, how good it is, and beside whom."""

import json
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from handler.model.bundle import Manifest
from handler.model.classifier import Classifier
from handler.model.prediction import Prediction
from training.data.audit import Audit
from training.judging import charts
from training.judging.outcome import Trained, certainty
from training.judging.pages import render
from training.learning.reading import cut_texts

PEERS = Path(__file__).parent / "peers.json"
SHOWN_CHARACTERS = 300


class Peer(NamedTuple):
    """A figure of another classifier on the same test set."""

    name: str
    accuracy: float


class Piece(NamedTuple):
    """A stretch of a text, and how much it spoke for the answer: from -1 (against) to 1, relative to the strongest."""

    text: str
    weight: float


class Mistake(NamedTuple):
    """A test text that was answered wrongly, in pieces, and how sure the model was."""

    pieces: list[Piece]
    label: str
    answered: str
    confidence: float


def mistakes(trained: Trained, most: int = 20) -> list[Mistake]:
    """The test texts that the model is most wrongly sure of, and what in them it went by."""
    if trained.outputs is None or trained.outputs.targets.ndim == 2:
        return []
    predicted, labels = trained.outputs.calibrated, trained.bundle.manifest.labels
    wrong = np.flatnonzero(predicted.argmax(axis=1) != trained.outputs.targets)
    worst = wrong[np.argsort(-predicted[wrong].max(axis=1), kind="stable")][:most]
    examples = [trained.splits.test[i] for i in worst]
    explained = Classifier(trained.bundle).explain([example.text for example in examples]) if examples else []
    return [
        Mistake(pieces(example.text, prediction), example.label, labels[int(row.argmax())], float(row.max()))
        for example, prediction, row in zip(examples, explained, predicted[worst], strict=True)
    ]


def pieces(text: str, prediction: Prediction) -> list[Piece]:
    """The text up to SHOWN_CHARACTERS, cut where the explanation cuts it; what no token covers weighs nothing."""
    contributions = prediction.explanation or []
    strongest = max((abs(c.effect) for c in contributions), default=0.0) or 1.0
    found, done = [], 0
    for c in contributions:
        if c.start >= SHOWN_CHARACTERS:
            break
        found += [Piece(text[done : c.start], 0.0), Piece(text[c.start : c.end], c.effect / strongest)]
        done = c.end
    found.append(Piece(text[done : max(done, SHOWN_CHARACTERS)], 0.0))
    return [piece for piece in found if piece.text]


def peers(manifest: Manifest) -> list[Peer]:
    """Accuracies of other classifiers on the very test set of this bundle, if there are any to compare with."""
    if "accuracy" not in manifest.metrics:
        return []
    known = json.loads(PEERS.read_text(encoding="utf-8"))
    found = known.get(str(manifest.data.get("test_fingerprint")), {})
    return [Peer(name, accuracy) for name, accuracy in found.items()]


def documents(trained: Trained, audit: Audit) -> dict[str, str]:
    """Renders both documents, by file name."""
    long = cut_texts(trained.cut, len(trained.splits.train), trained.bundle.manifest.max_tokens)
    values = {
        "audit": msgspec.structs.replace(audit, findings=[*audit.findings, *long]),
        "certainty": certainty(trained.bundle.manifest) if trained.bundle.manifest.task == "classify" else "",
        "charts": charts.all_of(trained),
        "crossed": trained.crossed,
        "evaluation": trained.evaluation,
        "manifest": trained.bundle.manifest,
        "megabytes": len(trained.bundle.model) / 1e6,
        "mistakes": mistakes(trained),
        "parity": trained.parity,
        "peers": peers(trained.bundle.manifest),
        "seconds": trained.seconds,
        "settings": trained.settings,
        "splits": trained.splits,
        "variants": trained.variants,
    }
    names = ("card.md", "report.html")
    return {name: render(name, values) for name in names}
