"""The whole way from labelled texts to a bundle in memory."""

import platform
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import chain
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from handler.bundle import EMBED, FORMAT, PREDICT, Baseline, Bundle, Golden, Manifest
from handler.classifier import Classifier, activate
from training import calibrate
from training.convert import RUNTIMES, convert, signatures_for
from training.data import Example, Splits, fingerprint
from training.errors import ParityError
from training.evaluate import Evaluation, evaluate
from training.families import Family, Spec
from training.fit import Encoded, fit, lengths_up_to, predict
from training.tokenizer import UNKNOWN_ID, train_tokenizer
from training.vectors import token_vectors

GOLDEN_TEXTS = 200
EMBEDDING_WIDTH = 64
FLOAT_TOLERANCE = 1e-5
QUANTIZED_AGREEMENT = 0.995


class Options(NamedTuple):
    """What the user chose."""

    name: str
    family: Family
    quantization: str
    seed: int
    source: str


class Progress(NamedTuple):
    """How the work tells where it is: a new step, and the end of an epoch."""

    step: Callable[[str], None]
    epoch: Callable[[int, dict[str, float]], None]


class Parity(msgspec.Struct):
    """How far TensorFlow Lite is from Keras: float max |dp|, and the share of equal labels as shipped."""

    texts: int
    float_max_difference: float
    agreement: float


class Trained(NamedTuple):
    """A bundle in memory and what is known of it; `evaluation` is None without test texts."""

    bundle: Bundle
    splits: Splits
    evaluation: Evaluation | None
    parity: Parity
    history: list[dict[str, float]]
    seconds: float


def train(options: Options, splits: Splits, progress: Progress) -> Trained:
    """Trains, converts, calibrates, checks parity and evaluates. Raises CommandError; writes nothing."""
    from training.layers import embedder

    started = time.perf_counter()
    family, labels = options.family, splits.labels
    progress.step(f"training the {family.tokenizer} tokenizer on {len(splits.train):,} texts")
    texts = [example.text for example in splits.train]
    tokenizer = train_tokenizer(texts, family.tokenizer, family.vocabulary, family.max_tokens)
    train_part, dev, test = (_encode(tokenizer, part, labels) for part in (splits.train, splits.dev, splits.test))
    progress.step(f"training {family.name} ({family.summary})")
    lengths = lengths_up_to(family.max_tokens)
    spec = Spec(tokenizer.get_vocab_size(), 1 if len(labels) == 2 else len(labels))
    fitted = fit(family, spec, train_part, dev, lengths, options.seed, progress.epoch)
    seconds = time.perf_counter() - started

    progress.step("converting to TensorFlow Lite")
    manifest = _manifest(options, splits, train_part, lengths)
    functions = {
        PREDICT: fitted.model,
        EMBED: embedder(token_vectors(train_part.ids, spec.vocabulary, EMBEDDING_WIDTH)),
    }
    exact = Bundle(manifest, convert(functions, manifest.signatures, "none"), tokenizer.to_str(), b"")
    shipped = exact
    if options.quantization != "none":
        model = convert(functions, manifest.signatures, options.quantization)
        shipped = msgspec.structs.replace(exact, model=model)

    progress.step("calibrating, checking parity, evaluating")
    manifest = _calibrated(manifest, Classifier(shipped).logits(dev.ids), dev.targets)
    examples, encoded = next(pair for pair in _parts(splits, test, dev, train_part) if pair[0])
    keras_logits = predict(fitted.model, encoded.ids, lengths)
    parity = check_parity(Classifier(exact), Classifier(shipped), encoded, keras_logits, manifest)
    golden_lines = _golden_lines(examples, keras_logits, manifest)
    shipped = msgspec.structs.replace(shipped, manifest=manifest, golden_lines=golden_lines)
    evaluation = None
    if splits.test:
        evaluation = evaluate(Classifier(shipped), splits.test, "the test set")
        manifest = msgspec.structs.replace(manifest, metrics=evaluation.summary())
        shipped = msgspec.structs.replace(shipped, manifest=manifest)
    return Trained(shipped, splits, evaluation, parity, fitted.history, seconds)


def check_parity(
    exact: Classifier,
    shipped: Classifier,
    encoded: Encoded,
    keras_logits: NDArray[np.float32],
    manifest: Manifest,
) -> Parity:
    """Compares TensorFlow Lite with Keras on the same token ids.

    `exact` is the float conversion, `shipped` the one to be served. Raises ParityError if the first is off by
    more than FLOAT_TOLERANCE in any probability, or the second gives another label too often.
    """

    def scores(logits: NDArray[np.float32]) -> NDArray[np.float64]:
        return activate(logits, manifest.activation, manifest.temperature)

    expected = scores(keras_logits)
    difference = float(np.abs(scores(exact.logits(encoded.ids)) - expected).max())
    same = scores(shipped.logits(encoded.ids)).argmax(axis=1) == expected.argmax(axis=1)
    parity = Parity(len(same), difference, float(np.mean(same)))
    if difference > FLOAT_TOLERANCE:
        raise ParityError(
            f"The converted model is off by {difference:.1e} from Keras, over {FLOAT_TOLERANCE:.0e}; "
            "this is a fault of the family's layers, so train another family."
        )
    if parity.agreement < QUANTIZED_AGREEMENT:
        raise ParityError(
            f"Quantised as {manifest.quantization!r}, only {parity.agreement:.2%} of {parity.texts:,} texts keep "
            f"their label, and {QUANTIZED_AGREEMENT:.1%} is needed; train with --quantize none."
        )
    return parity


def _encode(tokenizer: Tokenizer, examples: Sequence[Example], labels: Sequence[str]) -> Encoded:
    encodings = tokenizer.encode_batch_fast([example.text for example in examples], add_special_tokens=False)
    index = {label: i for i, label in enumerate(labels)}
    targets = np.array([index[example.label] for example in examples], np.int64)
    return Encoded([encoding.ids for encoding in encodings], targets)


def _parts(splits: Splits, test: Encoded, dev: Encoded, train_part: Encoded) -> list[tuple[list[Example], Encoded]]:
    """The parts in the order in which one would rather compare on them."""
    return [(splits.test, test), (splits.dev, dev), (splits.train, train_part)]


def _manifest(options: Options, splits: Splits, train_part: Encoded, lengths: Sequence[int]) -> Manifest:
    """All that is known before calibration; version, seal and files are set when it is written."""
    shares = Counter(example.label for example in splits.train)
    sizes = np.array([len(row) for row in train_part.ids])
    unknown = sum(row.count(UNKNOWN_ID) for row in train_part.ids) / max(1, int(sizes.sum()))
    data: dict[str, str | int | float] = {"source": options.source, "seed": options.seed}
    for name, part in (("train", splits.train), ("dev", splits.dev), ("test", splits.test)):
        data[f"{name}_texts"] = len(part)
        data[f"{name}_fingerprint"] = fingerprint(part)
    return Manifest(
        format=FORMAT,
        name=options.name,
        version="",
        task="classify",
        family=options.family.name,
        labels=splits.labels,
        activation="sigmoid" if len(splits.labels) == 2 else "softmax",
        max_tokens=options.family.max_tokens,
        embedding_width=EMBEDDING_WIDTH,
        signatures=signatures_for(lengths),
        temperature=1.0,
        threshold=0.0,
        quantization=options.quantization,
        runtimes=RUNTIMES,
        metrics={},
        data=data,
        baseline=Baseline(
            label_shares={label: round(n / len(splits.train), 6) for label, n in sorted(shares.items())},
            unknown_token_rate=round(unknown, 6),
            length_quantiles={f"p{q}": int(np.percentile(sizes, q)) for q in (1, 10, 50, 90, 99)},
        ),
        versions={"python": platform.python_version()}
        | {package: version(package) for package in ("fenlei", "tensorflow", "keras", "tokenizers")},
        files={},
        documents={},
        seal="",
    )


def _calibrated(manifest: Manifest, logits: NDArray[np.float32], targets: NDArray[np.int64]) -> Manifest:
    temperature = calibrate.temperature(logits, targets, manifest.activation)
    predicted = activate(logits, manifest.activation, temperature)
    return msgspec.structs.replace(
        manifest,
        temperature=round(temperature, 6),
        threshold=round(calibrate.threshold(predicted, targets), 6),
    )


def _golden_lines(examples: Sequence[Example], keras_logits: NDArray[np.float32], manifest: Manifest) -> bytes:
    """Evenly spaced texts with the probabilities that Keras gives them, a JSON line each."""
    chosen = np.unique(np.linspace(0, len(examples) - 1, min(GOLDEN_TEXTS, len(examples)), dtype=int))
    expected = activate(keras_logits[chosen], manifest.activation, manifest.temperature)
    golden = [
        Golden(examples[i].text, [round(p, 7) for p in row])
        for i, row in zip(chosen.tolist(), expected.tolist(), strict=True)
    ]
    return b"".join(chain.from_iterable((msgspec.json.encode(g), b"\n") for g in golden))
