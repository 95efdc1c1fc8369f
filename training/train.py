"""The whole way from labelled texts to a bundle in memory."""

import platform
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import chain
from math import ceil
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray
from tokenizers import Tokenizer

from handler.bundle import EMBED, FORMAT, PREDICT, Baseline, Bundle, Golden, Manifest
from handler.classifier import Classifier, activate, probabilities
from training import calibrate
from training.audit import unseen
from training.checkpoint import ENDS, Shape
from training.convert import QUANTIZATIONS, RUNTIMES, convert, signatures_for
from training.data import Example, Splits, fingerprint
from training.distil import Distil, SoftLabels
from training.errors import ParityError
from training.evaluate import Evaluation, judge
from training.families import Family, Spec
from training.fit import Controls, Encoded, Job, lengths_up_to, predict, run
from training.tasks import Classify, Cluster, MultiLabel, Regress, Task
from training.tokenizer import UNKNOWN_ID, train_tokenizer
from training.vectors import token_vectors

GOLDEN_TEXTS = 200
LATENCY_TEXTS = 200
FLOAT_TOLERANCE = 1e-5
# Blocks times width up to which FLOAT_TOLERANCE holds: MiniLM-L6, 2e-6 off. MPNet, four times that, was 2.5e-5 off.
SMALL_ENCODER = 6 * 384
QUANTIZED_AGREEMENT = 0.995


class Options(NamedTuple):
    """What the user chose."""

    name: str
    family: Family
    quantization: str
    seed: int
    source: str
    task: str = "classify"
    multi_label: bool = False
    refit: bool = True
    all_quantizations: bool = False
    clusters: int = 10
    text_column: str = "text"
    answers: SoftLabels | None = None


class Progress(NamedTuple):
    """How the work tells where it is, and how it may be watched and stopped."""

    step: Callable[[str], None]
    warn: Callable[[str], None]
    controls: Controls


class Parity(msgspec.Struct):
    """How far TensorFlow Lite is from Keras: float max |dp|, and the share of equal labels as shipped."""

    texts: int
    float_max_difference: float
    agreement: float


class Comparison(NamedTuple):
    """Texts on which TensorFlow Lite is compared with Keras, what Keras says, and sample texts for quantisation."""

    examples: list[Example]
    encoded: Encoded
    keras_logits: NDArray[np.float32]
    task: Task
    samples: list[list[int]]


class Variant(msgspec.Struct):
    """One quantisation: its size, how good it is on the texts compared on, and how fast on one text."""

    quantization: str
    megabytes: float
    summary: dict[str, float]
    agreement: float
    microseconds: float


class Attempt(NamedTuple):
    """A bundle in one quantisation, what it says of the texts compared on, how good that is, and a line of it all."""

    bundle: Bundle
    logits: NDArray[np.float32]
    evaluation: Evaluation
    variant: Variant


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


def train(options: Options, splits: Splits, progress: Progress) -> Trained:
    """Trains, converts, calibrates, checks parity and evaluates. Raises CommandError; writes nothing."""
    from training.layers import embedder

    started = time.perf_counter()
    family, task = options.family, make_task(options, splits)
    progress.step(f"preparing the {family.tokenizer} tokenizer on {len(splits.train):,} texts")
    tokenizer, max_tokens = fit_tokenizer(family, [example.text for example in splits.train])
    parts = [_encode(tokenizer, part, task) for part in (splits.train, splits.dev, splits.test)]
    tokens = tuple(str(tokenizer.id_to_token(i)) for i in range(tokenizer.get_vocab_size()))
    spec = Spec(tokens, max_tokens, task.width)
    progress.step(f"training {family.name} ({family.summary})")
    job = Job(family, spec, task, parts[0], parts[1], options.seed, progress.controls)
    fitted = run(job)
    dev_logits = predict(fitted.model, parts[1].ids, max_tokens)
    last, trained_on = fitted, parts[0]
    in_time = time.monotonic() + (time.perf_counter() - started) < progress.controls.deadline
    if options.refit and parts[1].ids and in_time:
        progress.step("training once more, on the development texts too")
        trained_on = Encoded(parts[0].ids + parts[1].ids, np.concatenate([parts[0].targets, parts[1].targets]))
        nothing = Encoded([], parts[1].targets[:0])
        last = (fitted.again or run)(job._replace(train=trained_on, dev=nothing, settings=fitted.settings))
    model = restore_scale(last.model, task)
    seconds = time.perf_counter() - started

    progress.step("converting to TensorFlow Lite")
    functions = {PREDICT: model, EMBED: last.embedder or embedder(token_vectors(trained_on.ids, spec.vocabulary))}
    manifest = _manifest(options, splits, task, trained_on, spec, functions[EMBED].output_shape[-1])
    manifest = _calibrated(manifest, dev_logits, parts[1].targets)
    examples, encoded = _compared_on(splits, parts)
    comparison = Comparison(examples, encoded, predict(model, encoded.ids, max_tokens), task, trained_on.ids)
    attempt, parity, variants = _shipped(
        functions, Bundle(manifest, b"", tokenizer.to_str(), b""), options, comparison, progress
    )
    golden_lines = _golden_lines(examples, comparison.keras_logits, manifest)
    shipped = msgspec.structs.replace(attempt.bundle, golden_lines=golden_lines)
    evaluation, outputs = None, None
    if splits.test:  # these are the texts compared on
        evaluation = attempt.evaluation
        if task.name == "classify":
            raw, calibrated = (
                activate(attempt.logits, manifest.activation, 1.0),
                probabilities(manifest, attempt.logits),
            )
            outputs = Outputs(raw, calibrated, parts[2].targets)
            evaluation.summary.update(_on_unseen(outputs, splits))
        final = msgspec.structs.replace(shipped.manifest, metrics=evaluation.summary)
        shipped = msgspec.structs.replace(shipped, manifest=final)
    return Trained(shipped, splits, evaluation, parity, fitted.history, fitted.settings, seconds, variants, outputs)


def _on_unseen(outputs: Outputs, splits: Splits) -> dict[str, float]:
    """How many test texts do not stand in training, and the accuracy on them; nothing if that is all or none."""
    fresh = set(unseen(splits.test, [*splits.train, *splits.dev]))
    rows = [i for i, example in enumerate(splits.test) if example in fresh]
    if not 0 < len(rows) < len(splits.test):
        return {}
    _, wrong = calibrate.confidence_and_errors(outputs.calibrated[rows], outputs.targets[rows])
    return {"texts_not_in_training": float(len(rows)), "accuracy_not_in_training": round(float(np.mean(~wrong)), 6)}


def make_task(options: Options, splits: Splits) -> Task:
    """The task that the user chose, over the labels of the training texts."""
    if options.task == "regress":
        return Regress(splits.train)
    if options.task == "cluster":
        return Cluster(options.clusters)
    if options.multi_label:
        return MultiLabel(splits.labels)
    if options.answers:
        return Distil(splits.labels, options.answers)
    return Classify(splits.labels)


def fit_tokenizer(family: Family, texts: Sequence[str]) -> tuple[Tokenizer, int]:
    """The family's tokenizer, trained or brought along, and the longest input, which holds 99 % of the texts whole."""
    if family.pretrained:
        tokenizer, ends = family.pretrained.checkpoint.tokenizer, ENDS
    else:
        tokenizer, ends = train_tokenizer(texts, family.tokenizer, family.vocabulary, family.max_tokens), 0
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    max_tokens = min(family.max_tokens, 32 * max(1, ceil((np.percentile(lengths, 99) + ends) / 32)) - ends)
    tokenizer.enable_truncation(max_tokens)
    return tokenizer, max_tokens


def restore_scale(model: Any, task: Task) -> Any:
    """Numbers are learned with mean 0 and deviation 1; the model that is shipped gives them as they were."""
    import keras

    if not isinstance(task, Regress):
        return model
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    return keras.Model(token_ids, model(token_ids) * task.deviation + task.mean)


def _compared_on(splits: Splits, parts: Sequence[Encoded]) -> tuple[list[Example], Encoded]:
    """The texts on which Keras and TensorFlow Lite are compared: test, else development, else training."""
    pairs = [(splits.test, parts[2]), (splits.dev, parts[1]), (splits.train, parts[0])]
    return next(pair for pair in pairs if pair[0])


def _shipped(
    functions: dict[str, Any], bare: Bundle, options: Options, comparison: Comparison, progress: Progress
) -> tuple[Attempt, Parity, list[Variant]]:
    """What is to be shipped: quantised as asked, or less so if too many answers would change; how far it is from Keras;
    and all that was tried.

    Raises ParityError if the float conversion is not exact.
    """
    difference = _check_exact(functions[PREDICT], bare, comparison, float_tolerance(options.family))
    compared = QUANTIZATIONS if options.all_quantizations else ()
    tried = {choice: _attempt(choice, functions, bare, comparison) for choice in compared}
    for choice in QUANTIZATIONS[QUANTIZATIONS.index(options.quantization) :: -1]:
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
    evaluation = judge(manifest, logits, read.truncated, comparison.examples, "the compared texts")
    times = []
    for row in read.ids[:LATENCY_TEXTS]:
        begun = time.perf_counter()
        classifier.logits([row])
        times.append((time.perf_counter() - begun) * 1e6)
    microseconds = round(float(np.median(times)), 1)
    variant = Variant(choice, len(model) / 1e6, dict(evaluation.summary), agreement, microseconds)
    return Attempt(bundle, logits, evaluation, variant)


def float_tolerance(family: Family) -> float:
    """How far a float conversion may be from Keras: more for an encoder whose products are more, or wider."""
    if family.pretrained is None:
        return FLOAT_TOLERANCE
    shape: Shape = family.pretrained.checkpoint.shape
    return FLOAT_TOLERANCE * max(1.0, shape.blocks * shape.width / SMALL_ENCODER)


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


def _encode(tokenizer: Tokenizer, examples: Sequence[Example], task: Task) -> Encoded:
    encodings = tokenizer.encode_batch_fast([example.text for example in examples], add_special_tokens=False)
    return Encoded([encoding.ids for encoding in encodings], task.targets(examples))


def _manifest(
    options: Options, splits: Splits, task: Task, train_part: Encoded, spec: Spec, embedding_width: int
) -> Manifest:
    """All that is known before calibration; version, seal and files are set when it is written."""
    shares = Counter(example.label for example in splits.train) if task.labels else Counter[str]()
    sizes = np.array([len(row) for row in train_part.ids])
    unknown = sum(row.count(UNKNOWN_ID) for row in train_part.ids) / max(1, int(sizes.sum()))
    data: dict[str, str | int | float] = {
        "source": options.source,
        "text_column": options.text_column,
        "seed": options.seed,
    }
    for name, part in (("train", splits.train), ("dev", splits.dev), ("test", splits.test)):
        data[f"{name}_texts"] = len(part)
        data[f"{name}_fingerprint"] = fingerprint(part)
    data["trained_on_texts"] = len(train_part.ids)
    return Manifest(
        format=FORMAT,
        name=options.name,
        version="",
        task=task.name,
        family=options.family.name,
        labels=task.labels,
        activation=task.activation,
        max_tokens=spec.max_tokens,
        embedding_width=embedding_width,
        signatures=signatures_for(
            (options.family.lengths or lengths_up_to)(spec.max_tokens), options.family.pretrained is not None
        ),
        temperature=1.0,
        threshold=0.0,
        quantization="none",
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


def _calibrated(manifest: Manifest, logits: NDArray[np.float32], targets: NDArray[Any]) -> Manifest:
    """The manifest with the temperature, the smoothing and the threshold that suit logits on texts not trained on."""
    if not len(targets) or manifest.activation not in ("sigmoid", "softmax", "independent"):
        return manifest
    choices = 2 if manifest.activation == "independent" else len(manifest.labels)
    smoothed = round(calibrate.smoothing(len(targets), choices), 6)
    temperature = round(calibrate.temperature(logits, targets, manifest.activation, smoothed), 6)
    manifest = msgspec.structs.replace(manifest, temperature=temperature, smoothing=smoothed)
    threshold = calibrate.threshold(probabilities(manifest, logits), targets)
    return msgspec.structs.replace(manifest, threshold=threshold)


def _golden_lines(examples: Sequence[Example], keras_logits: NDArray[np.float32], manifest: Manifest) -> bytes:
    """Evenly spaced texts with the probabilities that Keras gives them, a JSON line each."""
    chosen = np.unique(np.linspace(0, len(examples) - 1, min(GOLDEN_TEXTS, len(examples)), dtype=int))
    expected = probabilities(manifest, keras_logits[chosen])
    winners = expected.argmin(axis=1) if manifest.task == "cluster" else expected.argmax(axis=1)
    golden = [
        Golden(examples[i].text, [round(p, 7) for p in row], manifest.labels[winner] if manifest.labels else UNSET)
        for i, row, winner in zip(chosen.tolist(), expected.tolist(), winners.tolist(), strict=True)
    ]
    return b"".join(chain.from_iterable((msgspec.json.encode(g), b"\n") for g in golden))
