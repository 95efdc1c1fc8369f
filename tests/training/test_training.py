"""Each family, trained by the command on some hundred real reviews: what it leaves can be served."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import write_checkpoint
from command import FAMILIES, Twice, fenlei
from support import PYTHONS, ROOT

from handler.model.bundle import load
from handler.model.classifier import Classifier
from training.errors import InputError, WorkError
from training.families import families, get_family
from training.shipping.convert import NEWEST_VERSIONS, check_operations, operations
from training.shipping.quantized import FLOAT_TOLERANCE, QUANTIZED_AGREEMENT


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_holds_builtin_operations_that_every_runtime_has(
    trained_twice: Callable[[str], Twice], family: str
) -> None:
    model = load(trained_twice(family).paths[0]).model

    found = operations(model)

    check_operations(model)
    assert not {"CUSTOM", "DELEGATE"} & set(found)
    assert found.get("FULLY_CONNECTED", 0) <= NEWEST_VERSIONS["FULLY_CONNECTED"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trained_bundle_serves_and_has_learned_something(
    trained_twice: Callable[[str], Twice], some_reviews: Path, family: str
) -> None:
    classifier = Classifier(load(trained_twice(family).paths[0]))
    rows = [line.split("\t") for line in some_reviews.read_text(encoding="utf-8").splitlines()]

    predictions = classifier.classify([text for _, text in rows])

    # Most of these are what it was trained on; a coin gives 0.5.
    assert np.mean([p.label == label for p, (label, _) in zip(predictions, rows, strict=True)]) > 0.6


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_nothing(trained_twice: Callable[[str], Twice], some_reviews: Path, family: str) -> None:
    classifier = Classifier(load(trained_twice(family).paths[0]))
    short = "东西质量很好"
    long = max(some_reviews.read_text(encoding="utf-8").splitlines(), key=len) * 2

    alone, *_ = classifier.classify([short])
    among_long, *_ = classifier.classify([short, *[long] * 31])

    assert among_long.confidence == pytest.approx(alone.confidence, abs=1e-5)
    assert among_long.label == alone.label


@pytest.mark.parametrize("family", FAMILIES)
def test_the_golden_texts_hold_on_the_interpreter_of_this_machine(
    trained_twice: Callable[[str], Twice], family: str
) -> None:
    bundle = load(trained_twice(family).paths[0])
    golden = bundle.golden()
    classifier = Classifier(bundle)

    for expected, found in zip(golden, classifier.classify([g.text for g in golden]), strict=True):
        by_label = {score.label: score.score for score in found.scores}
        assert [by_label[label] for label in bundle.manifest.labels] == pytest.approx(expected.probabilities, abs=0.02)


REPLAY = """
import sys
from pathlib import Path
from handler.model.bundle import load
from handler.model.classifier import Classifier
from handler.model.interpreter import RUNTIME
bundle = load(Path(sys.argv[1]))
classifier, golden = Classifier(bundle), bundle.golden()
found = classifier.predict(classifier.encode([line.text for line in golden]).ids)
off = max(abs(a - b) for line, row in zip(golden, found.tolist()) for a, b in zip(line.probabilities, row))
print(sys.version_info.minor, RUNTIME, off, classifier.embed(["好"]).shape[1])
"""


@pytest.fixture
def trained(
    trained_twice: Callable[[str], Twice], some_reviews: Path, tmp_path: Path
) -> Callable[[str], tuple[Path, dict[str, Any]]]:
    """`trained(family)` gives a bundle and what the command said of it."""

    def train(family: str) -> tuple[Path, dict[str, Any]]:
        if family in FAMILIES:
            twice = trained_twice(family)
            return twice.paths[0], twice.results[0]
        # GIVEN little to learn from: this is about the way, and the families above show that it leads somewhere
        own: dict[str, tuple[object, ...]] = {
            "cluster": ("--task", "cluster", "--clusters", 3),
            "encoder": ("--checkpoint", write_checkpoint(tmp_path / "tiny", longest=16), "--tune", 1),
        }
        task = own.get(family, ())
        options = ("--columns", "label,text", "--family", family, "--no-refit", "--time-budget", 5, *task, "--json")
        ran = fenlei("train", some_reviews, *options, "-o", tmp_path / "model")
        assert ran.status == 0, ran.errors
        return tmp_path / "model", ran.json()

    return train


@pytest.mark.parametrize("family", sorted(families()))
def test_every_family_trains_converts_and_serves_on_every_runtime(
    trained: Callable[[str], tuple[Path, dict[str, Any]]], family: str
) -> None:
    path, said = trained(family)

    assert said["parity"]["float_max_difference"] <= FLOAT_TOLERANCE == 1e-5
    assert said["parity"]["agreement"] >= QUANTIZED_AGREEMENT == 0.995
    bundle = load(path)
    check_operations(bundle.model)
    assert {s.batch for s in bundle.manifest.signatures} == ({1} if family == "encoder" else {1, 32})
    for python in PYTHONS:
        command = [python, "-X", "utf8", "-c", REPLAY, path]
        replayed = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
        assert replayed.returncode == 0, replayed.stderr
        minor, runtime, off, width = replayed.stdout.split()
        assert runtime == ("tflite-runtime" if int(minor) < 12 else "ai-edge-litert")
        assert float(off) < 0.05
        assert int(width) == 64


# --- more than two labels -------------------------------------------------------------------------

TOPICS = {
    "<i>果": ["苹果", "香蕉", "葡萄", "西瓜"],
    "车": ["汽车", "火车", "单车", "卡车"],
    "bird": ["crow", "owl", "wren", "kite"],
}


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float bundle with three labels, one of which looks like HTML."""
    directory = tmp_path_factory.mktemp("topics")
    rows = [
        {"text": f"{one} {other} {extra}", "label": label}
        for label, words in TOPICS.items()
        for one in words
        for other in words
        for extra in ("", "很好", "ok")
    ]
    (directory / "topics.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    ran = fenlei("train", directory / "topics.jsonl", "--quantize", "none", "-o", directory / "topics")
    assert ran.status == 0, ran.errors
    return directory / "topics"


def test_three_labels_are_told_apart(topics: Path) -> None:
    bundle = load(topics)

    predictions = Classifier(bundle).classify(["苹果 西瓜", "火车 卡车", "owl crow"])

    assert bundle.manifest.activation == "softmax"
    assert bundle.manifest.labels == sorted(TOPICS)
    assert [prediction.label for prediction in predictions] == list(TOPICS)
    for prediction in predictions:
        assert len(prediction.scores) == 3
        assert sum(score.score for score in prediction.scores) == pytest.approx(1, abs=1e-5)


def test_a_float_model_says_exactly_what_keras_said(topics: Path) -> None:
    bundle = load(topics)
    golden = bundle.golden()

    assert bundle.manifest.quantization == "none"
    for expected, found in zip(golden, Classifier(bundle).classify([g.text for g in golden]), strict=True):
        by_label = {score.label: score.score for score in found.scores}
        assert [by_label[label] for label in bundle.manifest.labels] == pytest.approx(expected.probabilities, abs=1e-5)


def test_a_label_that_looks_like_html_is_text_in_the_report(topics: Path) -> None:
    report = (topics / "report.html").read_text(encoding="utf-8")

    assert "&lt;i&gt;果" in report
    assert "<i>果" not in report


# --- what cannot be converted ---------------------------------------------------------------------


def test_a_model_with_an_operation_that_no_runtime_has_is_refused() -> None:
    # GIVEN a conversion that had to fall back on TensorFlow's own operations
    code = """
from training.learning.fit import load_tensorflow
load_tensorflow()
import sys
import tensorflow as tf
function = tf.function(lambda x: tf.raw_ops.Bincount(arr=x, size=4, weights=tf.constant([], tf.float32)),
                       input_signature=[tf.TensorSpec([8], tf.int32)])
converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
sys.stdout.buffer.write(converter.convert())
"""
    flex = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, check=True).stdout

    with pytest.raises(WorkError, match="needs Flex or custom operations, which no runtime here has"):
        check_operations(flex)


# --- families -------------------------------------------------------------------------------------


def test_each_family_says_what_it_is() -> None:
    assert set(FAMILIES) <= set(families())
    for name, family in families().items():
        assert family.name == name
        assert family.summary
        assert get_family(name) is family


def test_an_unknown_family_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"no model family 'bert'; there is: .*logistic"):
        get_family("bert")
