"""card.md and report.html: what was trained, on what, how good it is, and beside whom."""

import json
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from training.train import Trained

PEERS = Path(__file__).parent / "peers.json"


class Peer(NamedTuple):
    """A figure of another classifier on the same test set."""

    name: str
    accuracy: float


def peers(trained: Trained) -> list[Peer]:
    """Figures that were measured for other classifiers on the very test set of this bundle, if any were."""
    known = json.loads(PEERS.read_text(encoding="utf-8"))
    found = known.get(str(trained.bundle.manifest.data.get("test_fingerprint")), {})
    return [Peer(name, accuracy) for name, accuracy in found.items()]


def documents(trained: Trained) -> dict[str, str]:
    """Renders both documents, by file name."""
    environment = Environment(
        loader=PackageLoader("training"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values = {
        "manifest": trained.bundle.manifest,
        "cleaning": trained.splits.cleaning,
        "splits": trained.splits,
        "evaluation": trained.evaluation,
        "parity": trained.parity,
        "history": trained.history,
        "seconds": trained.seconds,
        "model_bytes": len(trained.bundle.model),
        "peers": peers(trained),
    }
    names = ("card.md", "report.html")
    return {name: environment.get_template(f"{name}.j2").render(values) for name in names}
