"""The bundle on the interpreter that is installed: it says here what it said where it was trained."""

import itertools
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace
from support import write_bundle

from handler.errors import BundleError
from handler.model.bundle import PREDICT, Bundle, load
from handler.model.classifier import Classifier
from handler.model.interpreter import RUNTIME, Interpreter

# Dynamic-range quantisation rounds weights to 8 bits; it may move a probability, hardly ever a label.
QUANTIZED_TOLERANCE = 0.02
SAME_LABEL = 0.995
# The same text in another batch or at another length runs through the same arithmetic.
SAME_TEXT_TOLERANCE = 1e-5
THREADS, CALLS = 4, 6_000


def scores(classifier: Classifier, texts: list[str]) -> np.ndarray:
    """Probabilities [n, labels], in the order of the manifest's labels."""
    found = [{score.label: score.score for score in p.scores} for p in classifier.classify(texts)]
    return np.array([[row[label] for label in classifier.manifest.labels] for row in found])


# --- golden texts ---------------------------------------------------------------------------------


def test_the_golden_texts_get_the_probabilities_that_keras_gave_them(bundle: Bundle, classifier: Classifier) -> None:
    golden = bundle.golden()
    expected = np.array([g.probabilities for g in golden])

    found = scores(classifier, [g.text for g in golden])

    assert np.abs(found - expected).max() <= QUANTIZED_TOLERANCE
    assert np.mean(found.argmax(axis=1) == expected.argmax(axis=1)) >= SAME_LABEL


def test_the_four_classic_texts_are_told_apart(classifier: Classifier) -> None:
    texts = ["我喜欢编程", "我不喜欢编程", "东西质量很好，物流也快，非常满意", "太差了，第二天就坏了，客服也不理人"]

    found = [prediction.label for prediction in classifier.classify(texts)]

    assert found == ["positive", "negative", "positive", "negative"]


def test_every_signature_runs(classifier: Classifier) -> None:
    unit = "好"
    for signature in classifier.manifest.signatures:
        # GIVEN as many texts as it takes, each as long as it takes
        ids = [classifier.encode([unit * signature.length]).ids[0][: signature.length]] * signature.batch
        assert [used for _, used in classifier._plan([len(row) for row in ids])] == [signature]

        # THEN each gets the same, finite answer
        output = classifier.logits(ids)
        assert np.isfinite(output).all()
        assert np.ptp(output, axis=0).max() == 0


# --- predictions ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def some_texts(reviews: list[str]) -> st.SearchStrategy[list[str]]:
    """Lists of real reviews of all lengths, the empty text, and anything else."""
    longest = max(reviews, key=len)
    return st.lists(st.sampled_from([*reviews, longest * 3, ""]) | st.text(max_size=40), max_size=70)


@settings(max_examples=60)
@given(data=st.data())
def test_a_text_gets_the_same_prediction_alone_and_among_others(
    classifier: Classifier, some_texts: st.SearchStrategy[list[str]], data: st.DataObject
) -> None:
    texts = data.draw(some_texts)

    together, alone = classifier.classify(texts), [classifier.classify([text])[0] for text in texts]

    for a, b in zip(together, alone, strict=True):
        scores_a, scores_b = ({score.label: score.score for score in p.scores} for p in (a, b))
        assert scores_a == pytest.approx(scores_b, abs=SAME_TEXT_TOLERANCE)
        assert (a.tokens, a.truncated) == (b.tokens, b.truncated)


@settings(max_examples=60)
@given(data=st.data())
def test_a_prediction_is_consistent_in_itself(
    classifier: Classifier, some_texts: st.SearchStrategy[list[str]], data: st.DataObject
) -> None:
    manifest = classifier.manifest
    for prediction in classifier.classify(data.draw(some_texts)):
        values = [score.score for score in prediction.scores]
        assert values == sorted(values, reverse=True)
        assert sum(values) == pytest.approx(1, abs=1e-5)
        assert {score.label for score in prediction.scores} == set(manifest.labels)
        assert (prediction.label, prediction.confidence) == (prediction.scores[0].label, prediction.scores[0].score)
        assert 0 <= prediction.tokens <= manifest.max_tokens
        if abs(prediction.confidence - manifest.threshold) > 1e-6:
            assert prediction.certain == (prediction.confidence > manifest.threshold)


def test_some_predictions_are_certain_and_some_are_not(classifier: Classifier, reviews: list[str]) -> None:
    assert {prediction.certain for prediction in classifier.classify(reviews)} == {True, False}


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_top_k_keeps_the_best_and_changes_nothing_else(classifier: Classifier, reviews: list[str], top_k: int) -> None:
    for cut, whole in zip(classifier.classify(reviews, top_k), classifier.classify(reviews), strict=True):
        assert cut.scores == whole.scores[:top_k]
        assert (cut.label, cut.confidence, cut.certain) == (whole.label, whole.confidence, whole.certain)


@pytest.mark.parametrize("activation", ["sigmoid", "independent"])
def test_without_scores_the_rest_is_the_same(
    bundle: Bundle, tmp_path: Path, reviews: list[str], activation: str
) -> None:
    labels = bundle.manifest.labels if activation == "sigmoid" else ["good"]
    classifier = Classifier(load(write_bundle(tmp_path / "m", bundle, activation=activation, labels=labels)))

    expected = [replace(prediction, scores=UNSET) for prediction in classifier.classify(reviews)]

    assert classifier.classify(reviews, top_k=0) == expected


def test_no_texts_get_no_predictions(classifier: Classifier) -> None:
    assert classifier.classify([]) == []


def test_threads_get_the_answers_of_their_own_texts(bundle: Bundle) -> None:
    """What runs underneath keeps one input and one output for all threads, and does not say so."""
    # GIVEN texts of all lengths, and what each is answered alone
    interpreter, chance = Interpreter(bundle.model), np.random.default_rng(0)
    names = [signature.name(PREDICT) for signature in bundle.manifest.signatures if signature.batch == 1]
    asked = [(name, chance.integers(1, 500, (1, int(name.split("x")[-1])), np.int32)) for name in names * 8]
    expected = [interpreter.runner(name)(ids).copy() for name, ids in asked]
    wrong = []

    def ask(first: int) -> None:
        for call in range(first, first + CALLS // THREADS):
            name, ids = asked[call % len(asked)]
            if not np.array_equal(interpreter.runner(name)(ids), expected[call % len(asked)]):
                wrong.append(call)

    # WHEN threads take turns as often as they can
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)

    # THEN each of the 6,000 answers is the one to its question
    assert wrong == []


def test_loading_twice_gives_the_same_answers(bundle_path: Path, classifier: Classifier, reviews: list[str]) -> None:
    assert Classifier(load(bundle_path)).classify(reviews) == classifier.classify(reviews)


# --- which signature runs -------------------------------------------------------------------------


@given(data=st.data())
def test_each_text_is_run_once_and_fits(classifier: Classifier, data: st.DataObject) -> None:
    manifest = classifier.manifest
    lengths = data.draw(st.lists(st.integers(0, manifest.max_tokens), max_size=200))

    plan = list(classifier._plan(lengths))

    assert sorted(row for rows, _ in plan for row in rows) == list(range(len(lengths)))
    for rows, signature in plan:
        assert signature in manifest.signatures
        assert len(rows) <= signature.batch
        longest = max(lengths[row] for row in rows)
        # The smallest that fits.
        assert signature.length == min(s.length for s in manifest.signatures if s.length >= longest)


def test_few_texts_go_one_by_one_and_many_in_full_batches(classifier: Classifier) -> None:
    batches = [[s.batch for _, s in classifier._plan([10] * count)] for count in (1, 8, 9, 32, 33, 64, 128)]

    assert batches == [[1], [1] * 8, [32], [32], [32, 1], [32, 32], [32] * 4]


# --- bundles that cannot run here -----------------------------------------------------------------


# A file that was cut off can crash tflite-runtime itself: that its hash is checked before it is loaded is no luxury.
NO_MODELS = [b"", b"this is no model", bytes(1000), b"\x1c\x00\x00\x00TFL3" + bytes(100)]


@pytest.mark.parametrize("content", NO_MODELS, ids=["empty", "text", "zeros", "only its identifier"])
def test_bytes_that_are_no_model_are_a_bundle_error_that_names_the_runtime(content: bytes) -> None:
    with pytest.raises(BundleError, match=rf"model\.tflite cannot run on {RUNTIME}"):
        Interpreter(content)


def test_a_signature_that_the_model_lacks_is_named(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="has no signature 'classify_7x7'"):
        Interpreter(bundle.model).runner("classify_7x7")


@pytest.mark.parametrize("tokenizer", ["", "{}", "null", '{"version": "9"}'])
def test_a_tokenizer_that_is_none_is_named(bundle: Bundle, tmp_path: Path, tokenizer: str) -> None:
    made = load(write_bundle(tmp_path / "made", bundle, tokenizer=tokenizer))

    with pytest.raises(BundleError, match=r"tokenizer\.json is not readable"):
        Classifier(made)


def test_a_bundle_for_another_runtime_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    made = load(write_bundle(tmp_path / "made", bundle, runtimes=["litert-next"]))

    with pytest.raises(BundleError, match=f"converted for litert-next, and this is {RUNTIME}"):
        Classifier(made)


def test_a_bundle_has_every_batch_at_every_length_and_runs_on_both_runtimes(bundle: Bundle) -> None:
    manifest = bundle.manifest
    lengths = {signature.length for signature in manifest.signatures}

    assert {(s.batch, s.length) for s in manifest.signatures} == set(itertools.product([1, 32], lengths))
    assert max(lengths) == manifest.max_tokens
    assert set(manifest.runtimes) == {"tflite-runtime", "ai-edge-litert"}
