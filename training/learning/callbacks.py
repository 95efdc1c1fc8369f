"""What happens between the steps of training: keeping the best weights, stopping in time, going on later."""

import hashlib
import json
import time
from typing import Any

import keras
import numpy as np

from training.learning.batches import predict
from training.learning.job import Job

PATIENCE = 4
# Weights are averaged over the last part of the schedule: Izmailov et al. 2018, "Averaging Weights Leads to
# Wider Optima and Better Generalization".
AVERAGED_SHARE = 0.25
AVERAGED_POINTS = 10


class KeepBest(keras.callbacks.Callback):  # type: ignore[misc]
    """Scores each epoch on the development texts, stops when that no longer helps, and knows the best weights."""

    def __init__(self, job: Job, steps: int) -> None:
        super().__init__()
        self.job = job
        self.history: list[dict[str, float]] = []
        self.best_score, self.best_epoch, self.epochs_worth = -np.inf, 0, 0
        self.weights: list[Any] = []
        self.average: list[Any] = []
        self.averaged = 0
        self.first = int(steps * (1 - AVERAGED_SHARE))
        self.every = max(1, int(steps * AVERAGED_SHARE) // AVERAGED_POINTS)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        step = int(self.model.optimizer.iterations.numpy())
        if step > self.first and step % self.every == 0:
            weights = self.model.get_weights()
            self.averaged += 1
            if not self.average:
                self.average = weights
            else:
                self.average = [a + (w - a) / self.averaged for a, w in zip(self.average, weights, strict=True)]

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        record = {"loss": float(logs["loss"])}
        if self.job.dev.ids:
            record[self.job.task.score_name] = self._score()
        self.history.append(record)
        self.job.controls.on_epoch(epoch, record)
        score = record.get(self.job.task.score_name, float(epoch))
        if score > self.best_score:
            self.best_score, self.best_epoch, self.weights = score, epoch, self.model.get_weights()
        if self.finished(epoch):
            self.model.stop_training = True

    def finished(self, epoch: int) -> bool:
        """Whether PATIENCE epochs have brought nothing better."""
        return epoch - self.best_epoch >= PATIENCE

    def restore(self, model: Any) -> None:
        """Sets the best weights: those of the best epoch, or the average of the last steps if that is as good."""
        self.epochs_worth = self.best_epoch + 1
        if self.average:
            model.set_weights(self.average)
            if not self.job.dev.ids or self._score(model) >= self.best_score:
                self.epochs_worth = len(self.history)
                return
        if self.weights:
            model.set_weights(self.weights)

    def _score(self, model: Any = None) -> float:
        logits = predict(model or self.model, self.job.dev.ids, self.job.spec.max_tokens)
        return self.job.task.score(logits, self.job.dev.targets)


class StopInTime(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends training when the time budget is used up; what was learned so far is kept."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self.until = deadline

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if time.monotonic() > self.until:
            self.model.stop_training = True


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes all that training depends on after each epoch, and reads it back: the rest is the same to the bit."""

    def __init__(self, job: Job, keep_best: KeepBest) -> None:
        super().__init__()
        assert job.controls.checkpoint is not None
        self.keep_best = keep_best
        content = repr((job.family.name, job.family.epochs, job.spec, job.seed, job.settings, job.train.ids))
        identity = hashlib.sha256(content.encode() + job.task.feed(job.train.targets).tobytes()).hexdigest()
        self.path = job.controls.checkpoint / f"{identity[:16]}.npz"

    def restore(self, model: Any) -> int:
        """Sets the model to the state in the file, if there is one; gives the number of epochs done."""
        if not self.path.exists():
            return 0
        with np.load(self.path) as state:
            for variable, value in zip(self._variables(model), _unpack(state, "variable"), strict=True):
                variable.assign(value)
            best, numbers = self.keep_best, json.loads(str(state["numbers"]))
            best.history, best.best_score, best.best_epoch, best.averaged = numbers
            best.weights, best.average = _unpack(state, "best"), _unpack(state, "average")
        return len(best.history)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        best = self.keep_best
        state = {
            "numbers": np.array(json.dumps([best.history, best.best_score, best.best_epoch, best.averaged])),
            **_pack("variable", [keras.ops.convert_to_numpy(v) for v in self._variables(self.model)]),
            **_pack("best", best.weights),
            **_pack("average", best.average),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".tmp")
        with fresh.open("wb") as file:
            np.savez(file, **state)
        fresh.replace(self.path)

    @staticmethod
    def _variables(model: Any) -> list[Any]:
        return [*model.variables, *model.optimizer.variables]


def _pack(name: str, arrays: list[Any]) -> dict[str, Any]:
    return {f"{name}.{i}": array for i, array in enumerate(arrays)}


def _unpack(state: Any, name: str) -> list[Any]:
    return [state[key] for key in state if key.startswith(f"{name}.")]
