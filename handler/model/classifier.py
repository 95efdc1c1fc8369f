"""Texts -> predictions. Knows the bundle; knows nothing of HTTP or S3."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from msgspec import UNSET, UnsetType
from msgspec.structs import replace
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from handler.errors import BundleError, InvalidRequest
from handler.model.activation import label_thresholds, least_sure, probabilities
from handler.model.bundle import EMBED, PREDICT, Bundle, Manifest, Signature
from handler.model.interpreter import RUNTIME, Interpreter
from handler.model.pieces import OWN_NORMALIZER, Pieces, isolates_han
from handler.model.prediction import Columns, Contribution, Prediction, Score
from handler.model.windows import Windows

if TYPE_CHECKING:
    from handler.model.tree import Tree

# A batch of b texts costs far less than b single calls; below this share of it, single calls win.
SINGLE_CALLS_SHARE = 0.25
# From so many texts on it pays to remember their pieces: single ones seldom hold none that is new.
MANY = 16
# Of a long text so many characters a token are read at first: for most texts more than enough.
CHARACTERS_A_TOKEN = 6
# What is longer than this, cut or not, is tokenized by itself, as a tokenizer takes 150 bytes a character.
ALONE = 16_384
# Where no token reaches across: before white space that follows something else; and between Han characters, where the
# tokenizer takes each by itself.
SPACE = r"(?<=[^\s\x00-\x1f])[ \n\t\r\u3000]"
HAN = r"(?<=[\u4e00-\u9fff])(?=[\u4e00-\u9fff])"


class Encoded(NamedTuple):
    """Texts as the model reads them; `ids` are already cut to what it reads of a text."""

    ids: list[list[int]]
    truncated: list[bool]


class Span(NamedTuple):
    """Characters [start, end) of a text, and the tokens `first` to `last` that they became."""

    start: int
    end: int
    first: int
    last: int


Observe = Callable[[Encoded, list[Prediction]], None]
Watch = Callable[[Bundle, Tokenizer], Observe]


def _unobserved(_: Encoded, __: list[Prediction]) -> None:
    """What becomes of answers where nobody watches."""


class Classifier:
    """A bundle, ready to answer; `watch` gives what sees the answers to texts that somebody asked about."""

    def __init__(self, bundle: Bundle, threads: int | None = None, watch: Watch | None = None) -> None:
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
        self._observe = watch(bundle, self.tokenizer) if watch else _unobserved
        isolates = isolates_han(bundle.tokenizer)
        self._boundary = re.compile(f"{SPACE}|{HAN}" if isolates else SPACE)
        self._pieces = Pieces(self.tokenizer, isolates) if OWN_NORMALIZER in bundle.tokenizer else None
        self._interpreter = Interpreter(bundle.model, threads)
        self._tree = _tree(self.manifest) if self.manifest.separator else None
        self._lengths = sorted({signature.length for signature in self.manifest.signatures})
        self._batch = max(signature.batch for signature in self.manifest.signatures)

    def prepare(self) -> None:
        """Runs every function of the model once, so that no request pays for preparing one."""
        for signature in self.manifest.signatures:
            batch = np.zeros((signature.batch, signature.length), np.int32)
            self._interpreter.runner(signature.name(PREDICT))(batch)
            if self.manifest.embedding_width:
                self._interpreter.runner(signature.name(EMBED))(batch)

    def classify(self, texts: Sequence[str], top_k: int | None = None) -> list[Prediction]:
        """Gives a prediction for each text, in order, with the scores of the best `top_k` labels: none if that is 0."""
        encoded, predictions = self.answer(texts, top_k)
        self._observe(encoded, predictions)
        return predictions

    def answer(self, texts: Sequence[str], top_k: int | None = None) -> tuple[Encoded, list[Prediction]]:
        """Like `classify`, and how the texts were read; for texts that nobody asked about, so it is not observed."""
        encoded = self.encode(texts)
        return encoded, self._predictions(encoded, self.predict(encoded.ids), top_k)

    def columns(self, texts: Sequence[str]) -> Columns | None:
        """What `classify` says without scores, in a third of the time; None where it says more, or somebody watches."""
        more = self._tree or self.manifest.task != "classify" or self.manifest.activation == "independent"
        if more or self._observe is not _unobserved:
            return None
        encoded = self.encode(texts)
        return Columns.of(*encoded, self.predict(encoded.ids), self.manifest.threshold)

    def explain(self, texts: Sequence[str], top_k: int | None = None) -> list[Prediction]:
        """Like `classify`, with explanations: each text is also read without each of its tokens, all in one batch."""
        encodings = list(self._encodings(texts, self.tokenizer.encode_batch))
        encoded, spans = _encoded(map(_ids_of, encodings)), list(map(_spans, encodings))
        pairs = zip(encoded.ids, spans, strict=True)
        occluded = [ids[: span.first] + ids[span.last + 1 :] for ids, row in pairs for span in row]
        output = self.predict(encoded.ids + occluded)
        far = self.manifest.activation == "distance"  # the smallest wins, and leaving a good token out makes it larger
        gain = -output if far else output
        winners = gain[: len(texts)].argmax(axis=1)[:, None]
        predictions, start = [], len(texts)
        for i, prediction in enumerate(self._predictions(encoded, output[: len(texts)], top_k)):
            end = start + len(spans[i])
            answered = self._tree.below(str(prediction.label)) if self._tree else winners[i]
            effects = (gain[i, answered].sum() - gain[start:end, answered].sum(axis=1)).round(6).tolist()
            contributions = [Contribution(s.start, s.end, e) for s, e in zip(spans[i], effects, strict=True)]
            predictions.append(replace(prediction, explanation=contributions))
            start = end
        self._observe(encoded, predictions)
        return predictions

    def _predictions(self, encoded: Encoded, output: NDArray[np.float64], top_k: int | None) -> list[Prediction]:
        read = _extents(encoded)
        if self.manifest.task == "regress":
            return [Prediction(*r, value=round(v, 6)) for r, v in zip(read, output[:, 0].tolist(), strict=True)]
        labels = self.manifest.labels
        if self.manifest.task == "cluster":
            nearest = output.argmin(axis=1)
            distances = output[np.arange(len(output)), nearest].tolist()
            return [
                Prediction(*r, cluster=labels[i], distance=round(d, 6))
                for r, i, d in zip(read, nearest.tolist(), distances, strict=True)
            ]
        if self._tree:
            return self._tree.answers(self._likeliest(encoded, output, top_k), output)
        return self._likeliest(encoded, output, top_k)

    def _likeliest(self, encoded: Encoded, output: NDArray[np.float64], top_k: int | None) -> list[Prediction]:
        if top_k == 0 and self.manifest.activation != "independent":
            return Columns.of(*encoded, output, self.manifest.threshold).predictions(self.manifest.labels)
        ranking = np.argsort(-output, axis=1, kind="stable")[:, : 1 if top_k == 0 else top_k].tolist()
        ranked = [[row[i] for i in order] for row, order in zip(output.tolist(), ranking, strict=True)]
        found = [self._labelled(*row) for row in zip(_extents(encoded), ranking, ranked, output, strict=True)]
        return found if top_k != 0 else [replace(prediction, scores=UNSET) for prediction in found]

    def _labelled(
        self, read: tuple[int, bool], order: list[int], ranked: list[float], output: NDArray[np.float64]
    ) -> Prediction:
        manifest = self.manifest
        scores = [Score(manifest.labels[i], round(p, 6)) for i, p in zip(order, ranked, strict=True)]
        applicable: list[str] | UnsetType = UNSET
        certain = scores[0].score >= manifest.threshold
        if manifest.activation == "independent":
            applies = output >= label_thresholds(manifest)
            applicable = [label for label, one in zip(manifest.labels, applies.tolist(), strict=True) if one]
            certain = round(float(least_sure(output, label_thresholds(manifest))), 6) >= manifest.threshold
        return Prediction(
            *read,
            label=scores[0].label,
            confidence=scores[0].score,
            certain=certain,
            scores=scores,
            labels=applicable,
        )

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The L2-normalised sum of each text's token vectors: float32 [n, embedding_width], in order.

        Of a text that is read by windows, the mean of theirs, L2-normalised.

        Raises InvalidRequest if the bundle has no token vectors.
        """
        if not self.manifest.embedding_width:
            raise InvalidRequest(f"The model {self.manifest.name!r} has no embeddings; train it again.")
        windows = Windows.of(self.encode(texts).ids, self._lengths[-1])
        vectors = windows.pooled(self._run(windows.ids, EMBED, self.manifest.embedding_width))
        if windows.starts is None:
            return vectors
        long: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return long

    def predict(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Token ids of n texts -> [n, labels] calibrated probabilities or distances, or [n, 1] values."""
        return probabilities(self.manifest, self.logits(ids))

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Tokenizes; tokenizer.json itself says where an over-long text is cut."""
        many = len(texts) >= MANY
        plain = self._pieces.ids(texts) if self._pieces and many else [None] * len(texts)
        others = [text for text, ids in zip(texts, plain, strict=True) if ids is None]
        read = iter(map(_ids_of, self._encodings(others, self.tokenizer.encode_batch_fast)))
        most = self.manifest.max_tokens
        return _encoded(next(read) if ids is None else (ids[:most], len(ids) > most) for ids in plain)

    def _encodings(self, texts: Sequence[str], encode: Callable[..., list[Encoding]]) -> Iterator[Encoding]:
        """The encoding of each text, in order; of a long one no more is tokenized than it takes to fill the model.

        A text is cut where no token reaches across, so that the tokens before are those of the whole text; and if they
        are more than the model reads, what follows changes nothing.
        """
        enough = CHARACTERS_A_TOKEN * self.manifest.max_tokens
        shortened = [text if len(text) <= 2 * enough else self._cut(text, enough) for text in texts]
        together = iter(encode([text for text in shortened if len(text) <= ALONE], add_special_tokens=False))
        for text, read in zip(texts, shortened, strict=True):  # none is kept here: one may take 150 MB
            yield self._filled(text, read, next(together) if len(read) <= ALONE else None, encode)

    def _filled(
        self, text: str, read: str, encoding: Encoding | None, encode: Callable[..., list[Encoding]]
    ) -> Encoding:
        """The encoding of so much of a text, or of more of it until it fills the model."""
        if encoding is None:
            encoding = encode([read], add_special_tokens=False)[0]
        while len(read) < len(text) and not encoding.overflowing:
            read = self._cut(text, 4 * len(read))
            encoding = encode([read], add_special_tokens=False)[0]
        return encoding

    def _cut(self, text: str, characters: int) -> str:
        """So much of a text, and on to the next boundary; all of it if there is none."""
        found = self._boundary.search(text, characters)
        return text[: found.start()] if found else text

    def logits(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """What the network says before activation: token ids of n texts -> float32 [n, width], in order.

        Of a text that is read by windows, the mean of what it says of them.
        """
        narrow, windows = self.manifest.activation in ("sigmoid", "identity"), Windows.of(ids, self._lengths[-1])
        return windows.pooled(self._run(windows.ids, PREDICT, 1 if narrow else len(self.manifest.labels)))

    def _run(self, ids: Sequence[Sequence[int]], purpose: str, width: int) -> NDArray[np.float32]:
        if len(ids) == 1:  # as most requests have it
            return self._together(ids, Signature(1, self._fit(len(ids[0]))), purpose)
        results = np.empty((len(ids), width), np.float32)
        for rows, signature in self._plan([len(row) for row in ids]):
            results[rows] = self._together([ids[row] for row in rows], signature, purpose)
        return results

    def _together(self, ids: Sequence[Sequence[int]], signature: Signature, purpose: str) -> NDArray[np.float32]:
        batch = np.zeros((signature.batch, signature.length), np.int32)
        for i, row in enumerate(ids):
            batch[i, : len(row)] = row
        return self._interpreter.runner(signature.name(purpose))(batch)[: len(ids)]

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


def _tree(manifest: Manifest) -> "Tree":
    from handler.model.tree import Tree  # most bundles have none

    return Tree(manifest)


def _encoded(read: Iterable[tuple[list[int], bool]]) -> Encoded:
    found = list(read)
    return Encoded([ids for ids, _ in found], [truncated for _, truncated in found])


def _extents(encoded: Encoded) -> list[tuple[int, bool]]:
    """How many tokens of each text are read, and whether it has more."""
    return list(zip(map(len, encoded.ids), encoded.truncated, strict=True))


def _ids_of(encoding: Encoding) -> tuple[list[int], bool]:
    return encoding.ids, bool(encoding.overflowing)


def _spans(encoding: Encoding) -> list[Span]:
    """The spans of an encoding; tokens that share a character (as the mark of a beginning does) make one span."""
    spans: list[Span] = []
    for i, (start, end) in enumerate(encoding.offsets):
        if spans and start < spans[-1].end:
            spans[-1] = Span(spans[-1].start, max(end, spans[-1].end), spans[-1].first, i)
        else:
            spans.append(Span(start, end, i, i))
    return spans
