"""Texts that stand there twice, in another case and with other punctuation: what is held out must hold none of them."""

from pathlib import Path

from tests.bench.regimes.row import Row, percent
from tests.bench.regimes.training import on, part, trained_on

ROWS = 1000


def measure(data: Path) -> list[Row]:
    rows = part(data, "sst2/train", ROWS)
    copies = [example._replace(text=f"{example.text.upper()} !") for example in rows]
    trained = trained_on([*rows, *copies])
    assert trained.evaluation is not None
    held_out = trained.evaluation.summary["accuracy"]
    test = part(data, "sst2/test")
    official = on(trained, test)["accuracy"]
    # Two deviations of the difference between two such shares.
    noise = 2 * (official * (1 - official) * (1 / len(trained.splits.test) + 1 / len(test))) ** 0.5
    return [
        Row(
            f"near-copies: {ROWS:,} sst2 rows, and each in capitals with ' !'",
            "held out 98.0 %, official test 70.3",
            f"held out {percent(held_out)} % of {len(trained.splits.test)}, official test {percent(official)}",
            "",
            f"held out within {percent(noise)} of the official test",
            abs(held_out - official) <= noise,
        )
    ]
