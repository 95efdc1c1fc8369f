"""card.md and report.html: what was trained, on what, how good it is, and beside whom."""

import json
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from training import charts
from training.audit import Audit
from training.train import Trained

PEERS = Path(__file__).parent / "peers.json"


class Peer(NamedTuple):
    """A figure of another classifier on the same test set."""

    name: str
    accuracy: float


class Mistake(NamedTuple):
    """A test text that was answered wrongly, and how sure the model was."""

    text: str
    label: str
    answered: str
    confidence: float


def mistakes(trained: Trained, most: int = 20) -> list[Mistake]:
    """The test texts that the model is most wrongly sure of."""
    if trained.outputs is None or trained.outputs.targets.ndim == 2:
        return []
    predicted, labels = trained.outputs.calibrated, trained.bundle.manifest.labels
    found = [
        Mistake(example.text[:300], example.label, labels[int(row.argmax())], float(row.max()))
        for example, row in zip(trained.splits.test, predicted, strict=True)
        if labels[int(row.argmax())] != example.label
    ]
    return sorted(found, key=lambda mistake: -mistake.confidence)[:most]


def peers(trained: Trained) -> list[Peer]:
    """Figures that were measured for other classifiers on the very test set of this bundle, if any were."""
    known = json.loads(PEERS.read_text(encoding="utf-8"))
    found = known.get(str(trained.bundle.manifest.data.get("test_fingerprint")), {})
    return [Peer(name, accuracy) for name, accuracy in found.items()]


def documents(trained: Trained, audit: Audit) -> dict[str, str]:
    """Renders both documents, by file name."""
    environment = Environment(
        loader=PackageLoader("training"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "name": lambda text: text.replace("_", " ")}
    values = {
        "audit": audit,
        "charts": charts.all_of(trained),
        "evaluation": trained.evaluation,
        "manifest": trained.bundle.manifest,
        "megabytes": len(trained.bundle.model) / 1e6,
        "mistakes": mistakes(trained),
        "parity": trained.parity,
        "peers": peers(trained),
        "seconds": trained.seconds,
        "settings": trained.settings,
        "splits": trained.splits,
        "variants": trained.variants,
    }
    names = ("card.md", "report.html")
    return {name: environment.get_template(f"{name}.j2").render(values) for name in names}


def percent(share: float) -> str:
    """0.8537 -> 85.37"""
    return f"{100 * share:.2f}"
