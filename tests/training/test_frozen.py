"""A frozen encoder: asked once about each text, whatever is trained on it; and a training by name, from a local hub."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import CHARACTERS, write_checkpoint
from command import fenlei
from hub import COMMIT, LocalHub
from safetensors.numpy import load_file, save_file

from handler.model.bundle import load
from handler.model.classifier import Classifier
from training.encoders.checkpoint import Checkpoint, open_checkpoint
from training.encoders.pruning import prune
from training.encoders.vectors import cache_directory, vectors_of
from training.families.encoder import start_from
from training.learning.job import Controls, Encoded, Job, Spec
from training.learning.tasks import Cluster

TEXTS = [[5, 6, 7], [8], [5, 6], [5, 6, 7], [9, 10, 11, 12]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_directory() / "vectors"


@pytest.fixture
def tiny(tmp_path: Path) -> Checkpoint:
    return open_checkpoint(write_checkpoint(tmp_path / "tiny"))


class Asked:
    """Says of a text the sum of its tokens and their number, and counts texts; `patience` is for so many batches."""

    def __init__(self, patience: float = float("inf")) -> None:
        self.texts, self.patience = 0, patience

    def __call__(self, ids: Any) -> np.ndarray:
        if self.patience <= 0:
            raise KeyboardInterrupt
        self.patience -= 1
        self.texts += len(ids)
        return np.stack([ids.sum(axis=1), (ids > 0).sum(axis=1)], axis=1).astype(np.float32)


def expected(texts: list[list[int]]) -> list[list[float]]:
    return [[sum(row), len(row)] for row in texts]


def test_each_text_is_asked_about_once_also_by_a_second_training(tiny: Checkpoint) -> None:
    first, second = Asked(), Asked()
    told: list[str] = []

    assert vectors_of(tiny, first, TEXTS, told.append).tolist() == expected(TEXTS)
    assert vectors_of(tiny, second, [*TEXTS, [13]], told.append).tolist() == expected([*TEXTS, [13]])

    assert (first.texts, second.texts) == (4, 1)
    assert told[-1] == "the encoder reads 5 texts: 5 done"


def test_what_was_said_before_an_interruption_is_not_asked_again(
    tiny: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN batches of one text, each of which is kept at once
    monkeypatch.setattr("training.encoders.vectors.BATCH_TOKENS", 1)
    with pytest.raises(KeyboardInterrupt):
        vectors_of(tiny, Asked(patience=2), TEXTS, lambda _: None)

    again = Asked()
    assert vectors_of(tiny, again, TEXTS, lambda _: None).tolist() == expected(TEXTS)
    assert again.texts == 2


def test_pruning_changes_ids_and_not_what_is_known(tiny: Checkpoint) -> None:
    text = "我喜欢编程"
    pruned = prune(tiny, [text], 1)
    before, after = (c.tokenizer.encode(text, add_special_tokens=False).ids for c in (tiny, pruned))
    assert before != after

    vectors_of(tiny, Asked(), [before], lambda _: None)
    asked = Asked()
    vectors_of(pruned, asked, [after], lambda _: None)

    assert asked.texts == 0


def test_another_encoder_is_asked_itself(tiny: Checkpoint, tmp_path: Path) -> None:
    lower = open_checkpoint(tmp_path / "tiny", layers=1)
    other = open_checkpoint(write_checkpoint(tmp_path / "other", seed=1))
    vectors_of(tiny, Asked(), TEXTS, lambda _: None)

    for checkpoint in (lower, other):
        asked = Asked()
        vectors_of(checkpoint, asked, TEXTS, lambda _: None)
        assert asked.texts == 4


@pytest.mark.parametrize("broken", ["no directory", "no database"])
def test_where_nothing_can_be_kept_all_is_asked(tiny: Checkpoint, cache: Path, broken: str) -> None:
    path = cache if broken == "no directory" else cache / f"{tiny.fingerprint()}.sqlite"
    path.parent.mkdir(parents=True)
    path.write_text(broken * 100, encoding="utf-8")

    for _ in range(2):
        asked = Asked()
        assert vectors_of(tiny, asked, TEXTS, lambda _: None).tolist() == expected(TEXTS)
        assert asked.texts == 4


def test_what_another_training_does_not_let_go_of_is_asked_again(
    tiny: Checkpoint, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.encoders.vectors.SECONDS_TO_WAIT", 0)
    vectors_of(tiny, Asked(), TEXTS, lambda _: None)
    asked = Asked()

    with closing(sqlite3.connect(cache / f"{tiny.fingerprint()}.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert vectors_of(tiny, asked, TEXTS, lambda _: None).tolist() == expected(TEXTS)

    assert asked.texts == 4


def test_texts_are_grouped_by_what_an_encoder_says_and_that_is_kept(tiny: Checkpoint) -> None:
    from training.learning.fit import load_tensorflow

    load_tensorflow()
    from training.families import cluster

    # GIVEN texts that are one of two, but for a token
    ids = [[*start, 20 + i] for start in ([5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 15, 16]) for i in range(6)]
    tokens = tuple(str(tiny.tokenizer.id_to_token(i)) for i in range(len(tiny.order)))
    texts, none = (Encoded(rows, np.zeros(len(rows), np.int64)) for rows in (ids, []))
    family = start_from(cluster.FAMILY, tiny, "none")
    fitted = cluster.fit(Job(family, Spec(tokens, 7, 2), Cluster(2), texts, none, 0, Controls(lambda *_: None)))

    nearest = fitted.model.predict(np.array(ids, np.int32), verbose=0).argmin(axis=1).tolist()
    assert nearest in ([0] * 6 + [1] * 6, [1] * 6 + [0] * 6)
    asked = Asked()
    vectors_of(tiny, asked, ids, lambda _: None)
    assert asked.texts == 0


HALVES = CHARACTERS[:60], CHARACTERS[60:]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    """Has an encoder that knows of each character which half it is of."""
    directory = write_checkpoint(tmp_path / "on-the-hub", "xlm-roberta", longest=16)
    pieces = [piece for piece, _ in json.loads((directory / "tokenizer.json").read_bytes())["model"]["vocab"]]
    weights = load_file(directory / "model.safetensors")
    for sign, half in zip((3, -3), HALVES, strict=True):
        weights["embeddings.word_embeddings.weight"][[pieces.index(c) for c in half], 0] += sign
    save_file(weights, directory / "model.safetensors")
    with LocalHub({"me/tiny": directory}) as hub:
        yield hub


def test_a_frozen_encoder_by_name_learns_from_few_texts_and_auto_says_what_it_brings(
    hub: LocalHub, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN two labels whose texts are of either half, no character twice: n-grams tell nothing of other texts;
    # a tenth is longer than what the encoder reads at once
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    texts = [
        (label, half[i : i + 2] * (10 if i % 20 == 0 else 1))
        for label, half in zip("AB", HALVES, strict=True)
        for i in range(0, 50, 2)
    ]
    for name, part in (("train", [*texts[:20], *texts[-20:]]), ("test", texts[20:-20])):
        content = "".join(f"{label}\t{text}\n" for label, text in part)
        (tmp_path / f"{name}.tsv").write_text(content, encoding="utf-8")

    ran = fenlei(
        "train", tmp_path / "train.tsv", "--test", tmp_path / "test.tsv", "--columns", "label,text", "--family", "auto",
        "--checkpoint", "me/tiny@main", "--tune", "none", "--layers", "1", "--pieces", "100", "--max-megabytes", "1",
        "-o", tmp_path / "model", "--json",
    )  # fmt: skip

    assert ran.status == 0, ran.errors
    assert (
        "auto: encoder is the smallest within a standard error of the best score on 40 texts, each answered"
        in ran.errors
    )
    assert re.search(
        r"auto: encoder scores \+0\.\d+ \(.*\) beside linear, the best without it, for a bundle of", ran.errors
    )
    bundle, result = load(tmp_path / "model"), ran.json()
    manifest = bundle.manifest
    assert (manifest.data["checkpoint"], manifest.data["checkpoint_commit"]) == ("me/tiny", COMMIT)
    assert result["metrics"]["accuracy"] >= 0.9
    assert result["settings"]["pieces"] < result["settings"]["pieces_of_the_checkpoint"]
    assert result["settings"]["unknown_tokens"] == 0
    assert {"head_cost", "ngrams_weight"} <= result["settings"].keys()
    assert len(list(cache.glob("*.sqlite"))) == 1

    # THEN long texts are read to their end, window after window, and embedded so, too
    assert manifest.max_tokens > 20 > max(signature.length for signature in manifest.signatures)
    classifier, long = Classifier(bundle), texts[0][1]
    ends_otherwise = long[:-4] + texts[-1][1][:2] * 2
    first, second = classifier.classify([long, ends_otherwise])
    assert not first.truncated
    assert first.confidence != second.confidence
    np.testing.assert_allclose(np.linalg.norm(classifier.embed([long, long[:2]]), axis=1), 1, atol=1e-5)
