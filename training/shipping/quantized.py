"""Which quantisation is shipped, and the proof that what is shipped says what Keras said."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from handler.model.activation import probabilities
from handler.model.bundle import PREDICT, Bundle, Manifest
from handler.model.classifier import Classifier
from training.data.read import Example
from training.errors import ParityError
from training.learning.job import Encoded, Family
from training.learning.plan import Plan, Progress
from training.learning.tasks import Task
from training.shipping.convert import QUANTIZATIONS, convert

LATENCY_TEXTS = 200
FLOAT_TOLERANCE = 1e-5
# Blocks times width up to which FLOAT_TOLERANCE holds: MiniLM-L6, 2e-6 off. MPNet, four times that, was 2.5e-5 off.
SMALL_ENCODER = 6 * 384
QUANTIZED_AGREEMENT = 0.995


class Parity(msgspec.Struct):
    """How far TensorFlow Lite is from Keras: float max |dp|, and the share of equal labels as shipped."""

    texts: int
    float_max_difference: float
    agreement: float


class Comparison(NamedTuple):
    """Texts on which TensorFlow Lite is compared with Keras, what Keras says, and sample texts for quantisation.

    `judge` says how good logits are, in figures, given how a manifest reads them and which texts were cut.
    """

    examples: list[Example]
    encoded: Encoded
    keras_logits: NDArray[np.float32]
    task: Task
    samples: list[list[int]]
    judge: Callable[[Manifest, NDArray[np.float32], Sequence[bool]], dict[str, float]]


class Variant(msgspec.Struct):
    """One quantisation: its size, how good it is on the texts compared on, and how fast on one text."""

    quantization: str
    megabytes: float
    summary: dict[str, float]
    agreement: float
    microseconds: float


class Attempt(NamedTuple):
    """A bundle in one quantisation, what it says of the texts compared on, which were cut, and a line of it all."""

    bundle: Bundle
    logits: NDArray[np.float32]
    truncated: list[bool]
    variant: Variant


def choose(
    functions: dict[str, Any], bare: Bundle, plan: Plan, comparison: Comparison, progress: Progress
) -> tuple[Attempt, Parity, list[Variant]]:
    """What is to be shipped: quantised as asked, or less so if too many answers would change; how far it is from Keras;
    and all that was tried.

    Raises ParityError if the float conversion is not exact.
    """
    difference = _check_exact(functions[PREDICT], bare, comparison, float_tolerance(plan.family))
    compared = QUANTIZATIONS if plan.all_quantizations else ()
    tried = {choice: _attempt(choice, functions, bare, comparison) for choice in compared}
    for choice in QUANTIZATIONS[QUANTIZATIONS.index(plan.quantization) :: -1]:
        if choice not in tried:
            tried[choice] = _attempt(choice, functions, bare, comparison)
        agreement = tried[choice].variant.agreement
        if agreement >= QUANTIZED_AGREEMENT or choice == "none":
            break
        progress.warn(
            f"quantised as {choice!r}, only {agreement:.2%} of {len(comparison.examples):,} texts keep their "
            f"answer; {QUANTIZED_AGREEMENT:.1%} is needed, so the next finer one is taken"
        )
    parity = Parity(len(comparison.examples), difference, agreement)
    return tried[choice], parity, [tried[choice].variant for choice in QUANTIZATIONS if choice in tried]


def _attempt(choice: str, functions: dict[str, Any], bare: Bundle, comparison: Comparison) -> Attempt:
    manifest = msgspec.structs.replace(bare.manifest, quantization=choice)
    model = convert(functions, manifest.signatures, choice, comparison.samples)
    bundle = msgspec.structs.replace(bare, manifest=manifest, model=model)
    classifier = Classifier(bundle)
    read = classifier.encode([example.text for example in comparison.examples])
    logits = classifier.logits(read.ids)
    agreement = comparison.task.agreement(logits, comparison.keras_logits)
    times = []
    for row in read.ids[:LATENCY_TEXTS]:
        begun = time.perf_counter()
        classifier.logits([row])
        times.append((time.perf_counter() - begun) * 1e6)
    microseconds = round(float(np.median(times)), 1)
    variant = Variant(
        choice, len(model) / 1e6, comparison.judge(manifest, logits, read.truncated), agreement, microseconds
    )
    return Attempt(bundle, logits, read.truncated, variant)


def float_tolerance(family: Family) -> float:
    """How far a float conversion may be from Keras: more for an encoder whose products are more, or wider."""
    if family.pretrained is None:
        return FLOAT_TOLERANCE
    shape = family.pretrained.checkpoint.shape
    return FLOAT_TOLERANCE * max(1.0, float(shape.blocks * shape.width) / SMALL_ENCODER)


def _check_exact(model: Any, bare: Bundle, comparison: Comparison, tolerance: float) -> float:
    """The greatest difference of a float conversion from Keras, text by text. Raises ParityError if it is too great."""
    manifest = bare.manifest
    single = [signature for signature in manifest.signatures if signature.batch == 1]
    exact = msgspec.structs.replace(bare, manifest=msgspec.structs.replace(manifest, signatures=single))
    exact = msgspec.structs.replace(exact, model=convert({PREDICT: model}, single, "none"))
    expected = probabilities(manifest, comparison.keras_logits)
    difference = np.abs(Classifier(exact).predict(comparison.encoded.ids) - expected)
    if comparison.task.name == "regress":
        difference /= max(1.0, float(np.abs(expected).max()))
    if difference.max() > tolerance:
        raise ParityError(
            f"The converted model is off by {difference.max():.1e} from Keras, over {tolerance:.0e}; "
            "this is a fault of the family's layers, so train another family."
        )
    return float(difference.max())
