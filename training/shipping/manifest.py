"""What a bundle says of itself, and the texts that it is checked with."""

import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from itertools import chain

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from handler.model.activation import probabilities
from handler.model.bundle import FORMAT, Baseline, Golden, Manifest
from training.data.read import Example, fingerprint
from training.data.split import Splits
from training.data.tokenizer import UNKNOWN_ID
from training.learning.batches import served_lengths
from training.learning.job import Encoded, Spec
from training.learning.plan import Plan
from training.learning.tasks import Task
from training.shipping.convert import RUNTIMES, signatures_for

GOLDEN_TEXTS = 200


def manifest_of(
    plan: Plan, splits: Splits, task: Task, train_part: Encoded, spec: Spec, embedding_width: int
) -> Manifest:
    """All that is known before calibration; version, seal and files are set when it is written."""
    import tensorflow

    shares = splits.kind.count(splits.train) if task.labels else Counter[str]()
    sizes = np.array([len(row) for row in train_part.ids])
    unknown = sum(row.count(UNKNOWN_ID) for row in train_part.ids) / max(1, int(sizes.sum()))
    data: dict[str, str | int | float] = {
        "source": plan.source,
        "text_column": plan.text_column,
        "seed": plan.seed,
    }
    if plan.family.pretrained:
        data["checkpoint"] = plan.family.pretrained.checkpoint.name
        data["checkpoint_commit"] = plan.family.pretrained.checkpoint.commit
    for name, part in (("train", splits.train), ("dev", splits.dev), ("test", splits.test)):
        data[f"{name}_texts"] = len(part)
        data[f"{name}_fingerprint"] = fingerprint(part)
    data["trained_on_texts"] = len(train_part.ids)
    return Manifest(
        format=FORMAT,
        name=plan.name,
        version="",
        task=task.name,
        family=plan.family.name,
        labels=task.labels,
        activation=task.activation,
        max_tokens=max(spec.max_tokens, spec.text_tokens),
        embedding_width=embedding_width,
        signatures=signatures_for(
            (plan.family.lengths or served_lengths)(spec.max_tokens), plan.family.pretrained is not None
        ),
        temperature=1.0,
        threshold=0.0,
        quantization="none",
        runtimes=RUNTIMES,
        metrics={},
        data=data,
        baseline=Baseline(
            label_shares={label: round(n / shares.total(), 6) for label, n in sorted(shares.items())},
            unknown_token_rate=round(unknown, 6),
            length_quantiles={f"p{q}": int(np.percentile(sizes, q)) for q in (1, 10, 50, 90, 99)},
        ),
        versions={
            "python": platform.python_version(),
            "fenlei": version("fenlei"),
            "tensorflow": tensorflow.__version__,  # by whichever name it was installed
            "keras": version("keras"),
            "tokenizers": version("tokenizers"),
        },
        files={},
        documents={},
        seal="",
        separator=plan.separator,
    )


def golden_lines(examples: Sequence[Example], keras_logits: NDArray[np.float32], manifest: Manifest) -> bytes:
    """Evenly spaced texts with the probabilities that Keras gives them, a JSON line each."""
    chosen = np.unique(np.linspace(0, len(examples) - 1, min(GOLDEN_TEXTS, len(examples)), dtype=int))
    expected = probabilities(manifest, keras_logits[chosen])
    winners = expected.argmin(axis=1) if manifest.task == "cluster" else expected.argmax(axis=1)
    golden = [
        Golden(examples[i].text, [round(p, 7) for p in row], manifest.labels[winner] if manifest.labels else UNSET)
        for i, row, winner in zip(chosen.tolist(), expected.tolist(), winners.tolist(), strict=True)
    ]
    return b"".join(chain.from_iterable((msgspec.json.encode(g), b"\n") for g in golden))
