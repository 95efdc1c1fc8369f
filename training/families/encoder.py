"""A pre-trained encoder, fine-tuned or frozen, beside exact n-grams: `--checkpoint DIR`.

logits = wide(x) + mix * (W mean(h) + b) over the vectors h of all tokens. The whole is trained with small steps (Devlin
et al. 2019), or its top layers, or the head alone. The whole is trained twice from the same start, the second time
against disturbances, and the weights are averaged: two such encoders err differently, and are near enough to each
other for their mean to be a good one (Wortsman et al. 2022, "Model soups"). The wide part is that of `hybrid`, on the
encoder's tokens: what a word weighs in the training texts, which the encoder half forgets. The encoder's means,
L2-normalised, are the bundle's embeddings: as fine-tuned, since the weights are there once.

Frozen, the encoder is asked once about each text, and a head on what it says is found exactly: for few labels that is
better than to descend, and takes a second.
"""

import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handler.model.activation import activate
from handler.model.windows import Windows
from training.encoders.checkpoint import Checkpoint
from training.encoders.memory import available_bytes, check_memory
from training.encoders.pruning import compare, least, prune
from training.encoders.vectors import vectors_of
from training.errors import InputError
from training.learning.batches import predict
from training.learning.calibrate import log_loss, temperature
from training.learning.chosen_head import Vectors, choose, head_of
from training.learning.fit import descend
from training.learning.head import Head
from training.learning.job import Family, Fitted, Job, Spec
from training.learning.soft_labels import Distil
from training.learning.tasks import Task
from training.learning.wide_part import chosen_part

# Self-attention costs the square of the length: longer texts are read by windows, up to so many.
LONGEST, WINDOWS = 256, 4
SHORTEST = 8
# A narrow encoder takes larger steps: 4e-5 at a width of 768. Each block takes a share of the step of the one above it.
STEP_BY_WIDTH = 3e-2
STEP_SHARE = 0.9
HEAD_STEP = 5e-3
DROPOUT = 0.1
# How many times the deviation of the wide part the encoder's may have, and the room for n-grams.
MIXES = (1.0, 1.5, 2.0, 3.0, 5.0)
NGRAMS_BYTES = 1_000_000
# Of a bundle; the rest are scales, the graph of each length, the tokenizer, n-grams.
SHARE_OF_WEIGHTS = 0.88


class Pretrained(NamedTuple):
    """A checked encoder, how many of its blocks are trained (None for all, 0 for none), and of how many pieces.

    A frozen one has a head that does not descend either.
    """

    checkpoint: Checkpoint
    blocks: int | None
    pieces: int | None
    frozen: bool = False


def start_from(family: Family, checkpoint: Checkpoint, tune: str, pieces: int | None = None) -> Family:
    """The family with an encoder to start from. Raises InputError if it cannot be tuned so, or memory is too little."""
    most = checkpoint.shape.blocks
    if tune not in ("all", "head", "none") and not (tune.isdecimal() and 1 <= int(tune) <= most):
        raise InputError(f"--tune {tune!r} is none of: none, head, all, or how many of the top {most} layers to train.")
    blocks = None if tune == "all" else 0 if tune in ("head", "none") else int(tune)
    frozen = tune == "none"
    window = min(LONGEST - checkpoint.ends, checkpoint.max_tokens)
    check_memory(least(checkpoint, pieces), available_bytes())
    return family._replace(
        pretrained=Pretrained(checkpoint, blocks, pieces, frozen),
        max_tokens=window,
        window=window,
        longest=WINDOWS * window if family.name == "encoder" else 0,
        lengths=partial(lengths, ends=checkpoint.ends),
        epochs=0 if frozen else family.epochs,
        crossed=frozen,
        learning_rate=HEAD_STEP if blocks == 0 else STEP_BY_WIDTH / checkpoint.shape.width,
    )


def keep_pieces(
    family: Family, texts: Sequence[str], held_out: Sequence[str], room: float = math.inf
) -> tuple[Family, dict[str, float]]:
    """The family with an encoder's vocabulary as the texts need it, and what that changes on others.

    If that is more than a model has `room` for, in weights, it keeps fewer. Raises InputError if what is left takes
    more memory than there is.
    """
    if family.pretrained is None:
        return family, {}
    whole = family.pretrained.checkpoint
    pruned = prune(whole, texts, family.pretrained.pieces)
    if pruned.parameters > SHARE_OF_WEIGHTS * room and family.pretrained.pieces is None:
        over = pruned.parameters - SHARE_OF_WEIGHTS * room
        pruned = prune(whole, texts, max(1, len(pruned.order) - math.ceil(over / whole.shape.embedded)))
    check_memory(pruned, available_bytes())
    return family._replace(pretrained=family.pretrained._replace(checkpoint=pruned)), compare(whole, pruned, held_out)


def lengths(max_tokens: int, ends: int) -> list[int]:
    """The static input lengths: with the tokens around a text, halves of the longest down to 8."""
    whole = [max_tokens + ends]
    while whole[0] > max(SHORTEST, ends + 1):
        whole.insert(0, max(SHORTEST, ends + 1, whole[0] // 2))
    return [length - ends for length in whole]


def fit(job: Job) -> Fitted:
    """Fine-tunes the encoder with a head on its mean, and adds the wide part."""
    from keras import layers

    from training.encoders.transformer import build_encoder, measure_inputs
    from training.families import hybrid
    from training.learning.adversarial import Adversarial

    if job.family.pretrained is None:
        raise InputError("--family encoder starts from a pre-trained one; name its directory with --checkpoint.")
    encoder = build_encoder(job.family.pretrained.checkpoint, job.spec.max_tokens)
    if job.family.pretrained.frozen:
        return beside_frozen(job, encoder, asking(job, encoder))
    train_top(encoder.blocks, job.family.pretrained.blocks)
    head = layers.Dense(job.spec.width, kernel_initializer="zeros")
    reader = Adversarial(encoder.pooled.input, head(layers.Dropout(DROPOUT)(encoder.pooled.output)))
    fitted = train_reader(job, reader, encoder)._replace(embedder=encoder.embed)
    measure_inputs(encoder.pooled, Windows.of(job.train.ids, job.spec.max_tokens).ids)
    return hybrid.beside_ngrams(job, fitted, most_ngrams(job.spec), MIXES, partial(likelihood, job.task))


def most_ngrams(spec: Spec) -> int:
    """How many n-grams there is room for, tokens included."""
    from training.families import hybrid

    return spec.vocabulary + NGRAMS_BYTES // hybrid.ngram_bytes(spec)


def asking(job: Job, encoder: Any) -> Vectors:
    """What asks the encoder about token ids, and remembers what it said; its inputs are measured meanwhile."""
    import tensorflow as tf

    from training.encoders.transformer import measure_inputs

    measure_inputs(encoder.pooled, Windows.of(job.train.ids, job.spec.max_tokens).ids)
    embed = tf.function(encoder.embed, input_signature=[tf.TensorSpec((None, None), tf.int32)])

    def vectors(ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        windows = Windows.of(ids, job.spec.max_tokens)
        said = vectors_of(job.family.pretrained.checkpoint, embed, windows.ids, job.controls.tell)
        return windows.pooled(said)

    return vectors


def beside_frozen(job: Job, encoder: Any, vectors: Vectors) -> Fitted:
    """A head on the frozen encoder, and the n-grams, as answers on texts left out say; `again`, with what they said."""
    from training.families import hybrid

    part = chosen_part(job, most_ngrams(job.spec))
    settings, answered = dict(job.settings), None
    if not settings:
        beside = part.crossed.logits if part.crossed else part.scores if job.dev.ids else None
        mix = choose(job, vectors, beside, partial(credit, job.task))
        settings, answered = part.setting._asdict() | {"head_cost": mix.cost, "ngrams_weight": mix.ngrams}, mix.crossed
    head = head_of(job.task, vectors(job.train.ids), job.train.targets, settings["head_cost"])
    model = headed(encoder.embed, head)
    if weight := settings["ngrams_weight"]:
        louder = part.wide._replace(weights=weight * part.wide.weights, bias=weight * part.wide.bias)
        model = hybrid.combine(part.dictionary, louder, model, 1.0)
    again = partial(beside_frozen, encoder=encoder, vectors=vectors)
    return Fitted(model, [], settings, embedder=encoder.embed, again=again, crossed=answered)


def headed(embed: Any, head: Head) -> Any:
    """The graph of a head on an encoder's: token ids -> logits [batch, out]."""
    import keras
    from keras import ops

    centre, kernel, bias = (np.asarray(part, np.float32) for part in head)
    apart = ops.expand_dims(embed.output - centre, 2)
    # By single products: one of matrices would be rounded to bytes, and what tells texts apart is small.
    return keras.Model(embed.input, ops.sum(apart * kernel, axis=1) + bias)


def likelihood(task: Task, logits: NDArray[Any], targets: NDArray[Any]) -> float:
    """Minus the log loss at the best temperature, to be compared with those of other logits; for numbers, their score.

    The two parts are so good that few answers change with the mix: a score over some hundred texts is chance.
    """
    if task.activation not in ("sigmoid", "softmax", "independent"):
        return task.score(logits, targets)
    scale = temperature(logits, targets, task.activation)
    return -log_loss(activate(logits, task.activation, scale), targets)


def credit(task: Task, logits: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
    """Of each answer [n] what `likelihood` is of all."""
    if task.activation not in ("sigmoid", "softmax", "independent"):
        return task.rightness(logits, targets)
    predicted = activate(logits, task.activation, temperature(logits, targets, task.activation))
    return np.array([-log_loss(predicted[i : i + 1], targets[i : i + 1]) for i in range(len(targets))])


def train_reader(job: Job, reader: Any, encoder: Any) -> Fitted:
    """Trains the reader, and if it is trained as a whole, once more from its start against disturbances.

    Who learns from a teacher has several times as many texts, and is trained once.
    """
    assert job.family.pretrained is not None
    start = reader.get_weights()
    first = descend(job, reader, shares(encoder.blocks))
    once = job.family.pretrained.blocks is not None or isinstance(job.task, Distil)
    if once or time.monotonic() > job.controls.deadline:
        return first
    plain, controls = reader.get_weights(), job.controls
    reader.set_weights(start)
    reader.train_against(encoder.disturb, encoder.blocks[0][0].table.numpy())
    goes_on = controls._replace(on_epoch=lambda epoch, record: controls.on_epoch(len(first.history) + epoch, record))
    second = descend(job._replace(seed=job.seed + 1, controls=goes_on), reader, shares(encoder.blocks))
    choose_weights(job, reader, plain)
    return first._replace(history=first.history + second.history)


def choose_weights(job: Job, reader: Any, others: list[Any]) -> None:
    """Sets the mean of the reader's weights and others, or the better of both where they are too far from each other.

    That is where the mean does worse in development than the two do on average. One that does better than the mean is
    not taken for it: among some hundred texts that is chance.
    """
    own = reader.get_weights()
    mean = [(a + b) / 2 for a, b in zip(own, others, strict=True)]
    if not job.dev.ids:
        reader.set_weights(mean)
        return

    def score(weights: list[Any]) -> float:
        reader.set_weights(weights)
        return job.task.score(predict(reader, job.dev.ids, job.spec.max_tokens), job.dev.targets)

    of_mean, of_own, of_others = map(score, (mean, own, others))
    better = own if of_own >= of_others else others
    reader.set_weights(mean if of_mean >= (of_own + of_others) / 2 else better)


def shares(blocks: list[list[Any]]) -> dict[str, float]:
    """The share of the step of each variable, by its path; the lowest block takes the smallest."""
    return {
        variable.path: STEP_SHARE**distance
        for distance, block in enumerate(reversed(blocks), 1)
        for layer in block
        for variable in layer.variables
    }


def train_top(blocks: list[list[Any]], count: int | None) -> None:
    """Freezes all but the top `count` blocks; None trains them all, but for the token vectors.

    Training texts hold few of all tokens; if only those moved, the others would be where nobody looks for them.
    """
    frozen = 0 if count is None else len(blocks) - count
    for number, block in enumerate(blocks):
        for layer in block:
            layer.trainable = number >= frozen
    blocks[0][0].trainable = False


FAMILY = Family(
    name="encoder",
    summary="a pre-trained encoder, fine-tuned, beside exact n-grams",
    fit=fit,
    tokenizer="pre-trained",
    vocabulary=0,
    max_tokens=LONGEST,
    epochs=4,
    batch_size=32,
)
