"""Labels that are paths: probabilities sum up the tree, and answers go as deep as they are certain."""

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import Call, write_bundle

from handler.files.batch import answer
from handler.files.records import Record
from handler.https.feedback import right_answers
from handler.model.bundle import Bundle, Manifest, load
from handler.model.classifier import Classifier
from handler.model.golden import healthy, replay
from handler.model.tree import Tree, levels_of
from training.errors import InputError
from training.learning.calibrate import NEVER
from training.learning.levels import check_paths, judge_levels, likely_separator, with_levels

Switch = Callable[[Path], None]
PATHS = {"labels": ["shop/goods/bad", "shop/goods/good"], "separator": "/"}
NEWS = ["news", "news-x/y", "news/money", "news/sport/football", "news/sport/golf", "weather"]


@pytest.fixture
def manifest(bundle: Bundle) -> Manifest:
    return msgspec.structs.replace(
        bundle.manifest, labels=NEWS, activation="softmax", separator="/", level_thresholds=[0.5, 0.5, 0.5]
    )


def test_probabilities_sum_up_the_tree(manifest: Manifest) -> None:
    (path,) = Tree(manifest).paths(np.array([[0.05, 0.1, 0.2, 0.16, 0.14, 0.35]]))

    # The likeliest label is weather; but more likely is that it is any of news.
    assert [name for name, _ in path] == ["news", "news/sport", "news/sport/football"]
    assert [share for _, share in path] == pytest.approx([0.55, 0.3, 0.16])


def test_a_label_above_others_is_an_answer_of_its_own(manifest: Manifest) -> None:
    (path,) = Tree(manifest).paths(np.array([[0.5, 0.0, 0.2, 0.16, 0.14, 0.0]]))

    assert path == [("news", pytest.approx(1.0))]


@settings(max_examples=25)
@given(st.sets(st.lists(st.sampled_from(["a", "a-", "b", "c"]), min_size=1, max_size=4).map("/".join), min_size=2))
def test_of_any_tree_each_level_is_the_likeliest_below_the_one_above(labels: set[str]) -> None:
    names = sorted(labels)
    row = np.random.default_rng(len(names)).dirichlet(np.ones(len(names)))
    tree = Tree(msgspec.convert(OTHERWISE | {"labels": names, "separator": "/"}, Manifest))
    (path,) = tree.paths(row[None])

    def mass(node: str) -> float:
        return float(sum(share for name, share in zip(names, row, strict=True) if f"{name}/".startswith(f"{node}/")))

    above = ""
    for node, share in path:
        beside = {"/".join(name.split("/")[: node.count("/") + 1]) for name in names if name.startswith(above)}
        assert share == pytest.approx(mass(node))
        assert share >= max(mass(one) for one in beside if one.startswith(above)) - 1e-12
        assert sorted(names[i] for i in tree.below(node)) == [n for n in names if f"{n}/".startswith(f"{node}/")]
        above = f"{node}/"


OTHERWISE = {
    **{"format": "", "name": "", "version": "", "task": "classify", "family": "", "activation": "softmax", "seal": ""},
    **{"max_tokens": 1, "embedding_width": 0, "signatures": [], "temperature": 1, "threshold": 0, "runtimes": []},
    **{"quantization": "", "metrics": {}, "data": {}, "versions": {}, "files": {}, "documents": {}},
    "baseline": {"label_shares": {}, "unknown_token_rate": 0, "length_quantiles": {}},
}


@pytest.mark.parametrize(
    ("thresholds", "label", "certain"),
    [
        ([0.5, 0.5, 0.5], "shop/goods/good", [True, True, True]),
        ([0.5, 0.5, NEVER], "shop/goods", [True, True, False]),
        # What is certain below something that is not is not.
        ([0.5, NEVER, 0.5], "shop", [True, False, False]),
        ([NEVER, 0.5, 0.5], "shop", [False, False, False]),
    ],
)
def test_the_api_answers_as_deep_as_it_is_certain_and_gives_the_path(
    bundle: Bundle,
    tmp_path: Path,
    switch_to: Switch,
    post: Call,
    thresholds: list[float],
    label: str,
    certain: list[bool],
) -> None:
    switch_to(write_bundle(tmp_path / "m", bundle, **PATHS, level_thresholds=thresholds))

    (found,) = post({"text": "东西质量很好", "explain": True, "top_k": 1}).body["predictions"]

    path = found["path"]
    assert [level["label"] for level in path] == ["shop", "shop/goods", "shop/goods/good"]
    assert [level["certain"] for level in path] == certain
    assert path[0]["score"] == path[1]["score"] == 1
    assert found["scores"] == [{"label": "shop/goods/good", "score": path[2]["score"]}]
    assert (found["label"], found["certain"]) == (label, certain[0])
    assert found["confidence"] == path[label.count("/")]["score"]
    # What is certain whatever stands there, no token did.
    assert any(one["effect"] for one in found["explanation"]) == (label == "shop/goods/good")


def test_files_are_answered_so_too_and_golden_texts_replay(bundle: Bundle, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "m", bundle, **PATHS, level_thresholds=[0.5, 0.5, NEVER])
    renamed = dict(zip(bundle.manifest.labels, PATHS["labels"], strict=True))
    golden = [msgspec.structs.replace(one, label=renamed[str(one.label)]) for one in bundle.golden()[:20]]
    classifier = Classifier(load(path))

    lines, tally = answer([Record(1, "东西质量很好", b"")], classifier)

    assert [level["certain"] for level in msgspec.json.decode(lines)["path"]] == [True, True, False]
    assert (tally.labels, tally.uncertain) == ({"shop/goods": 1}, 0)
    assert healthy(replay(classifier, golden))


def test_a_model_says_that_its_labels_are_paths(
    bundle: Bundle, tmp_path: Path, switch_to: Switch, served: Call
) -> None:
    switch_to(write_bundle(tmp_path / "m", bundle, **PATHS, level_thresholds=[0.5, 0.6, 0.7]))

    (info,) = served({"httpMethod": "GET", "path": "/v1/models", "headers": {}}).body["models"]

    assert (info["separator"], info["level_thresholds"]) == ("/", [0.5, 0.6, 0.7])


def test_an_answer_above_the_right_label_was_right(manifest: Manifest) -> None:
    flat = msgspec.structs.replace(manifest, labels=["a/b"], separator="", level_thresholds=[])

    found = right_answers([manifest, flat])

    assert found["news/sport/golf"] == ["news", "news/sport", "news/sport/golf"]
    assert found["a/b"] == ["a/b"]


# --- training -------------------------------------------------------------------------------------


def test_each_level_is_certain_from_where_it_is_right_so_often_among_those_certain_above(manifest: Manifest) -> None:
    # GIVEN 200 texts of golf; half are taken for football, and of these halves one is surer
    sure, unsure = [0.0, 0.0, 0.0, 0.05, 0.95, 0.0], [0.0, 0.0, 0.0, 0.45, 0.4, 0.15]
    predicted, targets = np.array([sure] * 100 + [unsure] * 100), np.full(200, NEWS.index("news/sport/golf"))

    found = with_levels(manifest, predicted, targets, 0.9)
    levels, summary = judge_levels(found, predicted, targets)

    assert found.level_thresholds == [0.85, 0.85, 0.95]
    assert [level.accuracy for level in levels] == [1, 1, 0.5]
    assert [level.coverage for level in levels] == [1, 1, 0.5]
    assert [level.accuracy_when_certain for level in levels] == [1, 1, 1]
    assert [level.labels for level in levels] == [3, 3, 2]
    assert summary == {
        **{f"accuracy_at_level_{level}": share for level, share in ((1, 1), (2, 1), (3, 0.5))},
        **{"coverage": 1, "accuracy_when_certain": 1},
    }


def test_without_texts_to_tell_by_no_level_is_certain(manifest: Manifest) -> None:
    assert with_levels(manifest, np.zeros((0, 6)), np.zeros(0, np.int64), 0.9).level_thresholds == [NEVER] * 3


@pytest.mark.parametrize(
    ("labels", "separator", "sentence"),
    [
        (["a", "b"], "/", "No label has '/' in it, so none has levels"),
        (["a/b", "a//c"], "/", "The label 'a//c' has nothing on one side of '/'"),
        (["a > b", "a > c"], ">", "has spaces beside '>'; make them part of it: --separator ' > '"),
        (["/".join("a" * 21), "b"], "/", "has 21 levels, and there are 20 at most"),
    ],
)
def test_labels_that_are_no_paths_are_refused(labels: list[str], separator: str, sentence: str) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)):
        check_paths(labels, separator)


@pytest.mark.parametrize(
    ("labels", "separator"),
    [
        (NEWS, "/"),
        (["a > b", "a > c", "d"], " > "),
        (["A::b", "A::c"], "::"),
        (["positive/negative", "n/a", "other"], ""),  # none begin alike
        (["1/2", "1/", "x"], ""),
        (["good", "bad"], ""),
    ],
)
def test_it_is_said_if_labels_look_like_paths(labels: list[str], separator: str) -> None:
    assert likely_separator(labels) == separator
    if separator:
        check_paths(labels, separator)


@pytest.mark.parametrize(("label", "levels"), [("a", ["a"]), ("a/b/c", ["a", "a/b", "a/b/c"])])
def test_a_label_has_those_above_it(label: str, levels: list[str]) -> None:
    assert levels_of(label, "/") == levels
    assert levels_of(label, "") == [label]
