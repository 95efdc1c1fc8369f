"""Learning against disturbances: each batch as it is, and with token vectors moved to where the loss rises most.

Source: Miyato et al. 2017, "Adversarial Training Methods for Semi-Supervised Text Classification", eq. 5:
r = epsilon * g / |g|, where g is the gradient of the loss by all token vectors of a text. A step takes twice as long.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

# How far all token vectors of a text are moved together, by the mean length of one.
EPSILON = 0.3
TINY = 1e-20


class Disturb(keras.layers.Layer):  # type: ignore[misc]
    """Gives its input [batch, length, width] as it is, but for the step that shows it and then moves it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.shown: Any = None
        self.by: Any = None
        self.showing = False

    def call(self, vectors: Any) -> Any:
        if self.showing:
            self.shown = vectors
        return vectors if self.by is None else vectors + self.by


class Adversarial(keras.Model):  # type: ignore[misc]
    """A model whose steps are the usual ones until `train_against` is called."""

    disturb: Disturb | None = None
    epsilon = 0.0

    def train_against(self, disturb: Disturb, token_vectors: Any) -> None:
        """Disturbs from now on what goes through that layer; `token_vectors` [n, width] give the scale."""
        self.disturb = disturb
        self.epsilon = EPSILON * float(np.mean(np.linalg.norm(token_vectors, axis=1)))

    def train_step(self, batch: Any) -> Any:
        disturb, variables = self.disturb, self.trainable_variables
        if disturb is None:
            return super().train_step(batch)
        ids, targets, importance = batch

        def loss_of(logits: Any) -> Any:
            return self.compute_loss(ids, targets, logits, importance)

        disturb.showing = True
        with tf.GradientTape() as tape:
            logits = self(ids, training=True)
            loss = loss_of(logits)
        slope, *plain = tape.gradient(loss, [disturb.shown, *variables])
        norm = tf.sqrt(tf.reduce_sum(slope * slope, axis=[1, 2], keepdims=True) + TINY)
        disturb.showing, disturb.by = False, tf.stop_gradient(self.epsilon * slope / norm)
        with tf.GradientTape() as tape:
            moved = loss_of(self(ids, training=True))
        against = tape.gradient(moved, variables)
        disturb.by = disturb.shown = None
        # What a variable's rows are gathered from has a gradient of these rows only.
        whole = [[tf.convert_to_tensor(gradient) for gradient in gradients] for gradients in (plain, against)]
        self.optimizer.apply([(a + b) / 2 for a, b in zip(*whole, strict=True)], variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=tf.shape(ids)[0])
        return self.compute_metrics(ids, targets, logits, importance)
