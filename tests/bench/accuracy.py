"""fenlei beside what people would pick instead, trained and measured in one run: `make bench-accuracy`.

    python -m tests.bench.accuracy DIRECTORY [DIRECTORY ...] [--families hybrid] [--seeds 0,1,2]

A directory holds train.tsv, dev.tsv and test.tsv (label TAB text, no header). Everybody chooses settings on dev, then
trains on train and dev together; `hybrid` only its n-grams, where the texts are many. fenlei's figures are those of the
converted, quantised bundle; a cold start is a new process that imports, loads and answers one text.
"""

import argparse
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from training.data.audit import unseen
from training.data.files import read
from training.data.formats.rows import Columns
from training.data.read import Example
from training.data.split import Cleaning, clean
from training.learning.fit import load_tensorflow
from training.learning.job import Controls
from training.learning.tasks import macro_f1

TIMED_TEXTS = 300
# How often the test texts are answered in lists of so many.
LIST, TURNS = 1024, 3
# Of fastText's features when it is quantised, as its documentation does it.
KEPT_FEATURES = 100_000
COLD_STARTS = 5

Predict = Callable[[Sequence[str]], list[str]]


class Data(NamedTuple):
    """One data set; `fresh` are the test texts that stand neither in training nor in development."""

    name: str
    train: list[Example]
    dev: list[Example]
    test: list[Example]
    fresh: set[str]

    @classmethod
    def read(cls, directory: Path) -> "Data":
        columns = Columns(names=("label", "text"))
        parts = [read(directory / f"{name}.tsv", columns) for name in ("train", "dev", "test")]
        fresh = {example.text for example in unseen(parts[2], parts[0] + parts[1])}
        return cls(directory.name, clean(parts[0], Cleaning()), parts[1], parts[2], fresh)

    @property
    def chinese(self) -> bool:
        return any("\u4e00" <= c <= "\u9fff" for example in self.train[:100] for c in example.text)


class Row(NamedTuple):
    """One line of the table."""

    data: str
    who: str
    accuracy: float
    fresh_accuracy: float
    macro_f1: float
    megabytes: float
    train_seconds: float
    microseconds: float
    texts_a_second: float
    cold_start_milliseconds: float


def measure(data: Data, who: str, predict: Predict, megabytes: float, seconds: float, cold: str) -> Row:
    """Scores a classifier on the test texts and times it, text by text and from a new process."""
    import numpy as np

    answers = predict([example.text for example in data.test])
    right = [answer == example.label for answer, example in zip(answers, data.test, strict=True)]
    fresh = [r for r, example in zip(right, data.test, strict=True) if example.text in data.fresh]
    times = []
    for example in data.test[:TIMED_TEXTS]:
        started = time.perf_counter()
        predict([example.text])
        times.append(time.perf_counter() - started)
    texts = [example.text for example in data.test]
    lists = [texts[start : start + LIST] for start in range(0, len(texts), LIST)]
    started = time.perf_counter()
    for _ in range(TURNS):
        for some in lists:
            predict(some)
    rate = TURNS * len(texts) / (time.perf_counter() - started)
    labels = sorted({example.label for example in data.train})
    truth = np.array([labels.index(example.label) for example in data.test])
    return Row(
        data.name,
        who,
        100 * statistics.mean(right),
        100 * statistics.mean(fresh),
        100 * macro_f1(truth, np.array([labels.index(answer) for answer in answers])),
        megabytes,
        seconds,
        1e6 * statistics.median(times),
        rate,
        cold_start(cold),
    )


def cold_start(program: str) -> float:
    """Milliseconds of a new Python process that runs the program, the best of a few."""
    times = []
    for _ in range(COLD_STARTS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return 1e3 * min(times)


def fenlei(data: Data, family: str, seed: int, directory: Path) -> Row:
    """Trains a bundle as `fenlei train` does and measures it as `fenlei serve` would run it."""
    from handler.model.classifier import Classifier
    from training.data.split import Splits
    from training.families import get_family
    from training.learning.plan import Plan, Progress
    from training.shipping import bundles
    from training.train import train

    labels = sorted({example.label for example in data.train})
    splits = Splits(data.train, data.dev, data.test, labels)
    plan = Plan(f"{data.name}-{family}-{seed}", get_family(family), "dynamic", seed, data.name)
    warn = lambda text: print("warning:", text, file=sys.stderr)  # noqa: E731
    trained = train(plan, splits, Progress(lambda _: None, lambda _: None, warn, Controls(lambda *_: None)))
    path = directory / plan.name
    bundle = bundles.write(trained.bundle, {}, path)
    classifier = Classifier(bundle)
    cold = (
        "from pathlib import Path; from handler.model.bundle import load; "
        "from handler.model.classifier import Classifier; "
        f"Classifier(load(Path({str(path)!r}))).classify(['好'])"
    )
    return measure(
        data,
        f"fenlei {family}",
        lambda texts: [str(prediction.label) for prediction in classifier.classify(texts, 1)],
        bundle.manifest.files["model.tflite"].size / 1e6,
        trained.seconds,
        cold,
    )


# What scikit-learn's users try, of Chinese and of English.
GRAMS: dict[str, dict[str, Any]] = {
    "characters 1-3": {"analyzer": "char", "ngram_range": (1, 3)},
    "words 1-2": {"ngram_range": (1, 2)},
    "characters of words 2-5": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}


def grams_for(chinese: bool) -> list[str]:
    """The names of the grams to choose among, the usual ones first."""
    return ["characters 1-3"] if chinese else ["words 1-2", "characters of words 2-5"]


def tf_idf(chinese: bool, least: int, grams: str = "") -> Any:
    """TF-IDF of grams, by default the usual ones, that stand in so many texts at least."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(min_df=least, sublinear_tf=True, **GRAMS[grams or grams_for(chinese)[0]])


def linear_pipeline(kind: str, cost: float, chinese: bool, least: int = 2, grams: str = "", **options: Any) -> Any:
    """TF-IDF and a linear classifier, not fitted yet."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    if kind == "LinearSVC":
        return make_pipeline(tf_idf(chinese, least, grams), LinearSVC(C=cost, **options))
    return make_pipeline(tf_idf(chinese, least, grams), LogisticRegression(C=10 * cost, max_iter=1000, **options))


def scikit_learn(data: Data, kind: str, directory: Path) -> Row:
    """TF-IDF and a linear classifier; which grams, of how many texts at least, and then its cost, are chosen on dev."""
    texts, labels = [e.text for e in data.dev], [e.label for e in data.dev]

    def fitted(setting: tuple[str, int, float], examples: list[Example]) -> Any:
        grams, least, cost = setting
        model = linear_pipeline(kind, cost, data.chinese, least, grams)
        return model.fit([e.text for e in examples], [e.label for e in examples])

    def score(setting: tuple[str, int, float]) -> float:
        return float(fitted(setting, data.train).score(texts, labels))

    started = time.perf_counter()
    grams, least, middle = max([(name, least, 0.3) for name in grams_for(data.chinese) for least in (1, 2)], key=score)
    best = max([(grams, least, cost) for cost in (0.1, middle, 1.0)], key=score)
    model = fitted(best, [*data.train, *data.dev])
    seconds = time.perf_counter() - started
    path = directory / f"{data.name}-{kind}.pickle"
    path.write_bytes(pickle.dumps(model))
    cold = f"import pickle; pickle.load(open({str(path)!r}, 'rb')).predict(['好'])"
    size = path.stat().st_size / 1e6
    return measure(data, f"scikit-learn {kind}", lambda t: model.predict(t).tolist(), size, seconds, cold)


class FastText:
    """fastText over characters, or words, and bigrams."""

    def __init__(self, examples: Sequence[Example], chinese: bool, epochs: int, rate: float, directory: Path) -> None:
        import fasttext

        self.chinese, self.file = chinese, directory / "fasttext.txt"
        self.file.write_text("".join(f"__label__{e.label} {self._line(e.text)}\n" for e in examples), encoding="utf-8")
        # With more threads each run gives another model.
        options = {"epoch": epochs, "wordNgrams": 2, "bucket": 200_000, "thread": 1, "verbose": 0}
        self.model = fasttext.train_supervised(str(self.file), lr=rate, **options)

    def predict(self, texts: Sequence[str]) -> list[str]:
        answers = self.model.predict([self._line(text) for text in texts])[0]
        return [answer[0].removeprefix("__label__") for answer in answers]

    def score(self, examples: Sequence[Example]) -> float:
        """The accuracy on examples."""
        answers = self.predict([example.text for example in examples])
        return statistics.mean(answer == e.label for answer, e in zip(answers, examples, strict=True))

    def _line(self, text: str) -> str:
        return " ".join(text if self.chinese else text.split())


def fast_text(data: Data, directory: Path) -> list[Row]:
    """fastText, its epochs and rate chosen on dev; then quantised."""

    def accuracy(setting: tuple[int, float]) -> float:
        return FastText(data.train, data.chinese, *setting, directory).score(data.dev)

    started = time.perf_counter()
    best = max(((5, 0.5), (10, 0.5), (25, 0.1)), key=accuracy)
    model = FastText([*data.train, *data.dev], data.chinese, *best, directory)
    seconds = time.perf_counter() - started

    def row(who: str, suffix: str) -> Row:
        path = directory / f"{data.name}.{suffix}"
        model.model.save_model(str(path))
        cold = f"import fasttext; fasttext.load_model({str(path)!r}).predict('好')"
        return measure(data, who, model.predict, path.stat().st_size / 1e6, seconds, cold)

    plain = row("fastText", "bin")
    # Joulin et al. 2016, "FastText.zip": the most important features only, trained again, in product quantisation.
    model.model.quantize(input=str(model.file), qnorm=True, retrain=True, cutoff=KEPT_FEATURES, thread=1)
    return [plain, row("fastText, quantised", "ftz")]


def median_row(rows: Sequence[Row]) -> Row:
    """The median of each figure over seeds."""
    figures = [statistics.median(column) for column in list(zip(*rows, strict=True))[2:]]
    return Row(rows[0].data, rows[0].who, *figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="+", type=Path)
    parser.add_argument("--families", default="hybrid")
    parser.add_argument("--seeds", default="0,1,2")
    options = parser.parse_args()
    load_tensorflow()
    print("| data | who | accuracy | not in training | macro-F1 | MB | train s | µs a text | texts/s | cold start ms |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        directory = Path(work)
        for data in map(Data.read, options.directories):
            for family in options.families.split(","):
                seeds = map(int, options.seeds.split(","))
                show(median_row([fenlei(data, family, seed, directory) for seed in seeds]))
            for kind in ("LinearSVC", "LogisticRegression"):
                show(scikit_learn(data, kind, directory))
            # In a process of its own: in one that did other work before, it diverges or hangs now and then.
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                for row in process.submit(fast_text, data, directory).result():
                    show(row)


def show(row: Row) -> None:
    figures = (
        f"{row.accuracy:.2f} | {row.fresh_accuracy:.2f} | {row.macro_f1:.2f} | {row.megabytes:.1f} | "
        f"{row.train_seconds:.0f} | {row.microseconds:.0f} | {row.texts_a_second:,.0f} | "
        f"{row.cold_start_milliseconds:.0f}"
    )
    print(f"| {row.data} | {row.who} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
