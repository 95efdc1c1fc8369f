"""What training makes of a data set, part by part: `make bench-training`.

    python -m tests.bench.training PART [DIRECTORY ...]

A directory holds train.tsv, dev.tsv and test.tsv (label TAB text, no header); without one, the data set of the default
model is taken. The parts:

    tokenizers    each kind of tokenizer under the family `linear`
    quantization  each quantisation of each family: size, same answers, accuracy, calibration, time
    clusters      the family `cluster` beside scikit-learn's k-means over TF-IDF, the labels hidden from both
    self-training 5 % of the labels, the other texts unlabelled
    throughput    texts a second in an epoch of each family that is trained by gradient steps
    solver        what finds the weights of n-grams beside liblinear, from 2 labels to 200
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.bench.accuracy import Data
from training.choose import self_train
from training.data.datasets import read_dataset
from training.data.split import Splits, make_splits
from training.data.tokenizer import KINDS
from training.families import families, get_family
from training.judging.outcome import Trained
from training.learning.fit import load_tensorflow
from training.learning.job import Controls, Family
from training.learning.ngrams import learn, pad
from training.learning.plan import Plan, Progress
from training.learning.tasks import normalized_mutual_information
from training.learning.wide import featurize, fit_wide, score_wide
from training.train import train

LABELLED = 20  # one text in so many
EPOCHS, TEXTS = 3, 8192

Table = Iterator[tuple[object, ...]]


def tokenizers(data: Data) -> Table:
    """In development, since that is where a default may be chosen."""
    yield "data", "tokenizer", "accuracy in development", "MB"
    for kind in KINDS:
        family = get_family("linear")._replace(tokenizer=kind)
        trained = fit(data._replace(test=data.dev), family, refit=False)
        yield data.name, kind, f"{100 * summary(trained)['accuracy']:.2f}", f"{len(trained.bundle.model) / 1e6:.1f}"


def quantization(data: Data) -> Table:
    yield "data", "family", "quantisation", "MB", "same answer %", "accuracy", "calibration error", "µs a text"
    for name, family in families().items():
        if name in ("cluster", "encoder"):
            continue
        for variant in fit(data, family, all_quantizations=True).variants:
            figures = variant.summary
            yield (
                data.name,
                name,
                variant.quantization,
                f"{variant.megabytes:.2f}",
                f"{100 * variant.agreement:.2f}",
                f"{100 * figures['accuracy']:.2f}",
                f"{figures['calibration_error']:.4f}",
                f"{variant.microseconds:.0f}",
            )


def clusters(data: Data) -> Table:
    """As many clusters as labels; both learn from the training texts and are judged on the test texts."""
    from sklearn.cluster import KMeans
    from sklearn.feature_extraction.text import TfidfVectorizer

    from handler.model.classifier import Classifier

    yield "data", "who", "clusters", "normalised mutual information", "train s"
    texts, labels = [example.text for example in data.test], [example.label for example in data.test]
    count = len(set(labels))
    trained = fit(data, get_family("cluster"), task="cluster", clusters=count)
    classifier = Classifier(trained.bundle)
    groups = classifier.predict(classifier.encode(texts).ids).argmin(axis=1).tolist()
    yield (
        data.name,
        "fenlei cluster",
        count,
        f"{normalized_mutual_information(groups, labels):.3f}",
        f"{trained.seconds:.0f}",
    )
    started = time.perf_counter()
    features = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    means = KMeans(count, n_init=4, random_state=0).fit(
        features.fit_transform([example.text for example in data.train])
    )
    shared = normalized_mutual_information(means.predict(features.transform(texts)).tolist(), labels)
    yield data.name, "scikit-learn TF-IDF, k-means", count, f"{shared:.3f}", f"{time.perf_counter() - started:.0f}"


def self_training(data: Data) -> Table:
    """Development keeps 5 % of its labels too, so that no more labels are used than is said."""
    yield "data", "labelled", "unlabelled", "pseudo-labels", "accuracy without", "accuracy with"
    order = np.random.default_rng(0).permutation(len(data.train)).tolist()
    labelled = [data.train[i] for i in order[::LABELLED]]
    kept = set(order[::LABELLED])
    unlabelled = [example for i, example in enumerate(data.train) if i not in kept]
    splits = Splits(labelled, data.dev[::LABELLED], data.test, sorted({example.label for example in labelled}))
    larger, outcome = self_train(plan(get_family("hybrid")), splits, unlabelled, progress())
    without, with_them = (summary(train(plan(get_family("hybrid")), s, progress())) for s in (splits, larger))
    yield (
        data.name,
        len(labelled),
        len(unlabelled),
        int(outcome["pseudo_labelled_texts"]),
        f"{100 * without['accuracy']:.2f}",
        f"{100 * with_them['accuracy']:.2f}",
    )


def throughput(data: Data) -> Table:
    yield "data", "family", "texts a second"
    for name, family in families().items():
        if not family.epochs or name == "encoder":
            continue
        moments: list[float] = []
        watched = Controls(lambda *_, moments=moments: moments.append(time.perf_counter()))
        small = data._replace(train=data.train[:TEXTS], dev=[], test=data.test[:100])
        fit(small, family._replace(epochs=EPOCHS), controls=watched)
        # The first epoch traces the graph.
        yield data.name, name, f"{len(small.train) / min(np.diff(moments)):,.0f}"


def solver(data: Data) -> Table:
    """Both get the same matrix of characters' n-grams, and minimise the same loss, one label against the rest.

    The label is the first character, which the features then leave out: as many labels as are asked for.
    """
    from sklearn.svm import LinearSVC

    yield "data", "labels", "texts", "fenlei s", "liblinear s", "fenlei right in development %", "liblinear %"
    initials = [initial for initial, _ in Counter(example.text[0] for example in data.train).most_common(200)]
    for count in (2, 50, 200):
        known = {initial: place for place, initial in enumerate(initials[:count])}
        parts = [[one.text for one in part if one.text[0] in known] for part in (data.train, data.dev)]
        characters = {character: place for place, character in enumerate(sorted(set("".join(parts[0]))), 1)}
        ids, ids_dev = (pad([[characters.get(c, 0) for c in text[1:]] for text in part], 64) for part in parts)
        targets, targets_dev = (np.array([known[text[0]] for text in part]) for part in parts)
        dictionary = learn(ids, len(characters) + 1, 3, 200_000, 2)
        features, features_dev = (featurize(dictionary, part, len(ids)) for part in (ids, ids_dev))
        signs = np.where(targets[:, None] == np.arange(count), 1.0, -1.0)
        started = time.perf_counter()
        wide = fit_wide(features, signs, squared_error=False, cost=1.0, share=0.0)
        between = time.perf_counter()
        peer = LinearSVC(C=1.0).fit(features.matrix, targets)
        ended = time.perf_counter()
        right = (score_wide(features_dev, wide).argmax(axis=1) == targets_dev).mean()
        right_peer = (peer.predict(features_dev.matrix) == targets_dev).mean()
        times = (f"{between - started:.1f}", f"{ended - between:.1f}")
        yield data.name, count, len(targets), *times, f"{100 * right:.1f}", f"{100 * right_peer:.1f}"


def default_data() -> Data:
    splits = make_splits(read_dataset("reviews-zh"), None, None, seed=0)
    return Data("reviews-zh", splits.train, splits.dev, splits.test, set())


def plan(family: Family, **changes: object) -> Plan:
    return Plan(family.name, family, "dynamic", 0, "benchmark")._replace(**changes)


def progress(controls: Controls | None = None) -> Progress:
    warn: Callable[[str], None] = lambda text: print("warning:", text, file=sys.stderr)  # noqa: E731
    return Progress(lambda _: None, lambda _: None, warn, controls or Controls(lambda *_: None))


def fit(data: Data, family: Family, controls: Controls | None = None, **changes: object) -> Trained:
    labels: list[str] = sorted({example.label for example in data.train})
    splits = Splits(data.train, data.dev, data.test, [] if changes.get("task") == "cluster" else labels)
    return train(plan(family, **changes), splits, progress(controls))


def summary(trained: Trained) -> dict[str, float]:
    assert trained.evaluation is not None
    return trained.evaluation.summary


PARTS = {
    "tokenizers": tokenizers,
    "quantization": quantization,
    "clusters": clusters,
    "self-training": self_training,
    "throughput": throughput,
    "solver": solver,
}


def main() -> None:
    part, *directories = sys.argv[1:]
    load_tensorflow()
    for data in [Data.read(Path(directory)) for directory in directories] or [default_data()]:
        for number, row in enumerate(PARTS[part](data)):
            print("|", " | ".join(map(str, row)), "|", flush=True)
            if number == 0:
                print("|" + "---|" * len(row))


if __name__ == "__main__":
    main()
