"""What a training came to, all of it: what is written, and what the documents tell."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handler.model.bundle import Bundle
from training.data.split import Splits
from training.judging.evaluate import Evaluation
from training.shipping.quantized import Parity, Variant


class Outputs(NamedTuple):
    """Probabilities [n, labels] of the test texts, before and after calibration, and their targets."""

    uncalibrated: NDArray[np.float64]
    calibrated: NDArray[np.float64]
    targets: NDArray[np.int64]


class Trained(NamedTuple):
    """A bundle in memory and what is known of it; `evaluation` is None without test texts."""

    bundle: Bundle
    splits: Splits
    evaluation: Evaluation | None
    parity: Parity
    history: list[dict[str, float]]
    settings: dict[str, float]
    seconds: float
    variants: list[Variant]
    outputs: Outputs | None
