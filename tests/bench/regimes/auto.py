"""`--family auto`: what it takes should be as good as the best that it tried, on texts that nobody chose on."""

from pathlib import Path

from tests.bench.regimes.row import Row, percent
from tests.bench.regimes.training import part
from tests.bench.training import plan, progress
from training.choose import name_of, smallest_of_the_best, try_families
from training.data.read import Example
from training.data.split import make_splits
from training.families import get_family
from training.learning.batches import predict
from training.learning.tasks import predict_labels
from training.options import CANDIDATES
from training.train import Learned

ROWS = 2000


def measure(data: Path) -> list[Row]:
    splits = make_splits(part(data, "sst2/train", ROWS), None, [], seed=0)
    planned = plan(get_family("hybrid"))
    tried = try_families(planned, [get_family(name) for name in CANDIDATES], splits, progress())
    taken, reason = smallest_of_the_best(tried)
    test = part(data, "sst2/test")
    found = {name_of(learned): accuracy(learned, test) for learned in tried}
    short = max(found.values()) - found[name_of(taken)]
    return [
        Row(
            f"auto: sst2, {ROWS:,} rows",
            "the smallest within 0.003, each converted",
            f"{reason}; on test {', '.join(f'{name} {percent(share)}' for name, share in found.items())}",
            "",
            "the best on test within a point, one converted",
            short <= 0.01,
        )
    ]


def accuracy(learned: Learned, test: list[Example]) -> float:
    """Of the model before it is converted."""
    tokenizer, targets = learned.read.tokenizer, learned.task.targets(test)
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast([e.text for e in test], add_special_tokens=False)]
    logits = predict(learned.fitted.model, ids, learned.read.spec.max_tokens)
    return float((predict_labels(logits) == targets).mean())
