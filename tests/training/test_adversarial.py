"""Training against disturbances, held to what can be worked out by hand for a linear reader."""

from typing import Any

import numpy as np
import pytest

from training.families import get_family
from training.families.encoder import choose_weights
from training.learning.job import Controls, Encoded, Job, Spec
from training.learning.tasks import Classify

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
adversarial = pytest.importorskip("training.learning.adversarial", reason="needs TensorFlow")

TABLE = np.array([[0.0, 0.0], [3.0, 4.0], [-1.0, 2.0], [0.5, -0.5]], np.float32)
WEIGHTS, BIAS, STEP = np.array([[0.6], [-0.8]], np.float32), np.array([0.1], np.float32), 0.5
IDS = np.array([[1, 2, 3], [3, 3, 2]], np.int32)
TARGETS = np.array([[1.0], [0.0]], np.float32)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.fixture
def parts() -> tuple[Any, Any, Any]:
    """sigmoid(w . mean(token vectors) + b), learning by plain gradient descent."""
    token_ids = keras.Input((None,), dtype="int32")
    table = keras.layers.Embedding(*TABLE.shape, trainable=False)
    disturb, head = adversarial.Disturb(), keras.layers.Dense(1)
    model = adversarial.Adversarial(token_ids, head(keras.ops.mean(disturb(table(token_ids)), axis=1)))
    table.set_weights([TABLE])
    head.set_weights([WEIGHTS, BIAS])
    model.compile(keras.optimizers.SGD(STEP), keras.losses.BinaryCrossentropy(from_logits=True))
    return model, disturb, head


def learn_once(model: Any) -> float:
    rows = tf.data.Dataset.from_tensor_slices((IDS, TARGETS, np.ones(len(IDS), np.float32))).batch(len(IDS))
    return float(model.fit(rows, shuffle=False, verbose=0).history["loss"][0])


def test_half_of_a_step_is_of_texts_moved_to_where_their_loss_rises_most(
    parts: tuple[Any, Any, Any],
) -> None:
    model, disturb, head = parts
    model.train_against(disturb, TABLE)
    logits = TABLE[IDS].mean(axis=1) @ WEIGHTS + BIAS
    # Each of n token vectors moves by epsilon / sqrt(n) along w, away from the target; the logit by that times |w| = 1.
    epsilon = adversarial.EPSILON * np.linalg.norm(TABLE, axis=1).mean()
    moved = logits + np.sign(sigmoid(logits) - TARGETS) * epsilon / np.sqrt(IDS.shape[1])

    loss = learn_once(model)

    slope = np.mean([sigmoid(logits) - TARGETS, sigmoid(moved) - TARGETS])
    assert head.get_weights()[1] == pytest.approx(BIAS - STEP * slope, abs=1e-6)
    assert loss == pytest.approx(-np.mean(np.log(np.abs(1 - TARGETS - sigmoid(logits)))), abs=1e-5)


def test_a_variable_whose_rows_are_gathered_learns_too(parts: tuple[Any, Any, Any]) -> None:
    model, disturb, _ = parts
    table = model.layers[1]
    table.trainable = True
    model.compile(keras.optimizers.SGD(STEP), keras.losses.BinaryCrossentropy(from_logits=True))
    model.train_against(disturb, TABLE)

    learn_once(model)

    moved = np.abs(table.get_weights()[0] - TABLE).max(axis=1)
    assert moved[0] == 0
    assert (moved[1:] > 0).all()


def test_without_being_told_to_it_learns_as_any_model_does(parts: tuple[Any, Any, Any]) -> None:
    model, _, head = parts
    slope = np.mean(sigmoid(TABLE[IDS].mean(axis=1) @ WEIGHTS + BIAS) - TARGETS)

    learn_once(model)

    assert head.get_weights()[1] == pytest.approx(BIAS - STEP * slope, abs=1e-6)


def test_nothing_is_disturbed_outside_of_training(parts: tuple[Any, Any, Any]) -> None:
    model, disturb, _ = parts
    model.train_against(disturb, TABLE)
    learn_once(model)

    w, b = model.layers[-1].get_weights()

    assert model.predict(IDS, verbose=0) == pytest.approx(TABLE[IDS].mean(axis=1) @ w + b, abs=1e-6)


@pytest.mark.parametrize(
    ("own", "others", "chosen"),
    [
        ((3.0, 0.0), (0.0, 3.0), (1.5, 1.5)),
        ((3.0, 3.0), (-3.0, 0.0), (0.0, 1.5)),
        ((3.0, 0.0), (-9.0, 0.0), (3.0, 0.0)),
        ((-9.0, 0.0), (3.0, 0.0), (3.0, 0.0)),
    ],
    ids=["the mean is better than both", "one is better than the mean", "too far: its own", "too far: the others"],
)
def test_of_two_trainings_the_mean_is_kept_unless_they_are_too_far_from_each_other(
    parts: tuple[Any, Any, Any],
    own: tuple[float, float],
    others: tuple[float, float],
    chosen: tuple[float, float],
) -> None:
    model, _, head = parts
    texts = Encoded([[1, 1], [2, 2], [3, 3], [1, 2]], np.array([1, 0, 0, 1]))
    spec = Spec(tuple("abcd"), 2, 1)
    job = Job(get_family("encoder"), spec, Classify(["bad", "good"]), texts, texts, 0, Controls(lambda *_: None))
    sized = [[TABLE, np.array([[a], [b]], np.float32), np.array([-5.0], np.float32)] for a, b in (own, others)]
    model.set_weights(sized[0])

    choose_weights(job, model, sized[1])

    assert head.get_weights()[0].ravel().tolist() == list(chosen)
