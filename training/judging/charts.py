"""Line charts as SVG text, for the report: no script, no network, readable in light and dark."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.judging.outcome import Trained
from training.learning.calibrate import confidence_and_errors, reliability

WIDTH, HEIGHT, MARGIN = 440, 260, 44
Point = tuple[float, float]


class Line(NamedTuple):
    """A named line; its style is the CSS class `line-{style}`."""

    name: str
    points: Sequence[Point]
    style: int = 0


def all_of(trained: Trained) -> dict[str, str]:
    """The charts that the training has figures for, by title."""
    found = {}
    if len(trained.history) > 1:
        for key in trained.history[0]:
            name = key.replace("_", " ")
            points = [(i, row[key]) for i, row in enumerate(trained.history, 1)]
            found[f"{name} per epoch"] = line_chart([Line(name, points)], "epoch", name)
    if trained.outputs is not None and len(trained.outputs.targets):
        found["Does the confidence mean what it says?"] = _reliability_chart(trained)
        found["Accuracy when only the more certain answers count"] = _coverage_chart(trained)
    return found


def line_chart(lines: Sequence[Line], across: str, up: str) -> str:
    """Lines over a common scale, with a label at each end of each axis."""
    xs, ys = (np.array([p[i] for line in lines for p in line.points], float) for i in (0, 1))
    (left, right), (low, high) = _range(xs), _range(ys)

    def place(point: Point) -> str:
        x = MARGIN + (point[0] - left) / (right - left) * (WIDTH - 2 * MARGIN)
        y = HEIGHT - MARGIN - (point[1] - low) / (high - low) * (HEIGHT - 2 * MARGIN)
        return f"{x:.1f},{y:.1f}"

    drawn = "".join(
        f'<polyline class="line-{line.style}" points="{" ".join(map(place, line.points))}"/>' for line in lines
    )
    base, end = HEIGHT - MARGIN, WIDTH - MARGIN
    # Above the lines, which may be anywhere below.
    names = "".join(f'<tspan class="key-{line.style}" dx="10">{line.name}</tspan>' for line in lines)
    legend = f'<text x="{end}" y="{MARGIN - 10}" text-anchor="end">{names}</text>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{up} over {across}">'
        f'<path class="axis" d="M{MARGIN},{MARGIN}V{base}H{end}"/>{drawn}{legend if len(lines) > 1 else ""}'
        f'<text x="{MARGIN}" y="{base + 16}">{left:.3g}</text>'
        f'<text x="{end}" y="{base + 16}" text-anchor="end">{right:.3g}</text>'
        f'<text x="{WIDTH / 2}" y="{base + 32}" text-anchor="middle">{across}</text>'
        f'<text x="{MARGIN - 4}" y="{base}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{MARGIN - 4}" y="{MARGIN + 8}" text-anchor="end">{high:.3g}</text>'
        f'<text x="{MARGIN}" y="{MARGIN - 10}">{up}</text></svg>'
    )


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _reliability_chart(trained: Trained) -> str:
    assert trained.outputs is not None
    lines = [Line("perfect", [(0.0, 0.0), (1.0, 1.0)], 2)]
    for style, (name, predicted) in enumerate(
        (("after calibration", trained.outputs.calibrated), ("before", trained.outputs.uncalibrated))
    ):
        rows = reliability(predicted, trained.outputs.targets, trained.outputs.applies, 10)
        lines.append(Line(name, [(row["confidence"], row["right"]) for row in rows], style))
    return line_chart(lines, "confidence", "share that is right")


def _coverage_chart(trained: Trained) -> str:
    assert trained.outputs is not None
    assert trained.evaluation is not None
    confidence, wrong = confidence_and_errors(
        trained.outputs.calibrated, trained.outputs.targets, trained.outputs.applies
    )
    order = np.argsort(-confidence, kind="stable")
    total = len(order)
    right = np.cumsum(~wrong[order]) / np.arange(1, total + 1)
    kept = np.unique(np.linspace(total // 20, total - 1, 60, dtype=int))
    chosen = trained.evaluation.summary["coverage"]
    lines = [Line("accuracy", [(float(i + 1) / total, float(right[i])) for i in kept])]
    if chosen > 0 and not trained.bundle.manifest.separator:  # of levels each has its own
        lines.append(Line("the bundle's threshold", [(chosen, float(right[kept].min())), (chosen, 1.0)], 2))
    return line_chart(lines, "share of texts answered", "accuracy")
