"""Texts -> predictions. Knows the bundle; knows nothing of HTTP or S3."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from handler.bundle import Bundle, Signature
from handler.errors import BundleError
from handler.interpreter import RUNTIME, Interpreter
from handler.schema import Prediction, Score

# A batch of b texts costs far less than b single calls; below this share of it, single calls win.
SINGLE_CALLS_SHARE = 0.25


class Encoded(NamedTuple):
    """Texts as the model reads them; `ids` are already cut to the model's longest input."""

    ids: list[list[int]]
    truncated: list[bool]


class Classifier:
    """A bundle, ready to answer."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self.manifest = bundle.manifest
        if RUNTIME not in self.manifest.runtimes:
            raise BundleError(
                f"The bundle {self.manifest.name!r} was converted for {', '.join(self.manifest.runtimes)}, "
                f"and this is {RUNTIME}; convert it again for this runtime."
            )
        try:
            self.tokenizer = Tokenizer.from_str(bundle.tokenizer)
        except Exception as error:  # the library raises nothing narrower
            raise BundleError(f"tokenizer.json is not readable: {error}.") from None
        self._interpreter = Interpreter(bundle.model, threads)
        self._lengths = sorted({signature.length for signature in self.manifest.signatures})
        self._batch = max(signature.batch for signature in self.manifest.signatures)

    def classify(self, texts: Sequence[str], top_k: int | None = None) -> list[Prediction]:
        """Gives one prediction per text, in order; `top_k` limits the scores to the best k labels."""
        encoded = self.encode(texts)
        manifest = self.manifest
        scores_of = probabilities(self.logits(encoded.ids), manifest.activation, manifest.temperature)
        ranking = np.argsort(-scores_of, axis=1, kind="stable")[:, :top_k]
        ranked = np.take_along_axis(scores_of, ranking, axis=1).tolist()
        labels, threshold = manifest.labels, manifest.threshold
        predictions = []
        for ids, truncated, row, order in zip(*encoded, ranked, ranking.tolist(), strict=True):
            scores = [Score(labels[i], round(p, 6)) for i, p in zip(order, row, strict=True)]
            predictions.append(
                Prediction(
                    label=scores[0].label,
                    confidence=scores[0].score,
                    certain=row[0] >= threshold,
                    scores=scores,
                    tokens=len(ids),
                    truncated=truncated,
                )
            )
        return predictions

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Tokenizes; tokenizer.json itself says where an over-long text is cut."""
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return Encoded([e.ids for e in encodings], [bool(e.overflowing) for e in encodings])

    def logits(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Runs the network: token ids of n texts -> float32 [n, width], in order."""
        width = 1 if self.manifest.activation == "sigmoid" else len(self.manifest.labels)
        results = np.empty((len(ids), width), np.float32)
        for rows, signature in self._plan([len(row) for row in ids]):
            batch = np.zeros((signature.batch, signature.length), np.int32)
            for i, row in enumerate(rows):
                batch[i, : len(ids[row])] = ids[row]
            output = self._interpreter.runner(signature.name)(batch)
            results[rows] = output[: len(rows)]
        return results

    def _plan(self, lengths: Sequence[int]) -> Iterator[tuple[list[int], Signature]]:
        """Groups texts of like length into full batches; what is left over goes one by one if it is little."""
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        for start in range(0, len(order), self._batch):
            rows = order[start : start + self._batch]
            if len(rows) > max(1, self._batch * SINGLE_CALLS_SHARE):
                yield rows, Signature(self._batch, self._fit(lengths[rows[-1]]))
            else:
                for row in rows:
                    yield [row], Signature(1, self._fit(lengths[row]))

    def _fit(self, tokens: int) -> int:
        return next(length for length in self._lengths if length >= tokens)


def probabilities(logits: NDArray[np.float32], activation: str, temperature: float) -> NDArray[np.float64]:
    """Calibrated probabilities [n, labels] from logits [n, width].

    `softmax` has a logit a label; `sigmoid` has one logit, that of the second of two labels. Temperature
    scaling: Guo et al. 2017, "On Calibration of Modern Neural Networks", eq. 9.
    """
    scaled = logits.astype(np.float64) / temperature
    if activation == "sigmoid":
        scaled = np.concatenate([np.zeros_like(scaled), scaled], axis=1)  # sigmoid(z) = softmax(0, z)
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    normalised: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return normalised
