"""What the options of `fenlei train` come to: a plan, or a refusal in one sentence."""

from pathlib import Path
from typing import Any

import pytest

from training.data.formats.rows import Columns, Missing
from training.errors import InputError
from training.options import CANDIDATES, Model, Options, Texts, candidates, make_plan

TEXTS = Texts(
    Path("reviews.csv"), "", None, None, None, Columns("words"), Missing.STOP, merge_labels=False, strict=False
)
MODEL = Model("", "", None, "all", None)


@pytest.fixture
def options(tmp_path: Path) -> Options:
    """What the command has if only a file is given."""
    return Options(
        texts=TEXTS,
        model=MODEL,
        task="classify",
        multi_label=False,
        clusters=10,
        teacher=None,
        refit=True,
        seed=0,
        precision=0.9,
        class_weight="auto",
        separator="",
        quantization="dynamic",
        all_quantizations=False,
        name="",
        output=tmp_path / "model",
        force=False,
        time_budget=float("inf"),
        log_directory=None,
        resume=None,
    )


def test_a_file_alone_makes_a_plan(options: Options) -> None:
    plan = make_plan(options)

    assert plan.family.name == "hybrid"
    assert (plan.name, plan.source, plan.text_column) == ("model", "reviews", "words")


def test_events_of_tensorboard_need_tensorboard(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.options.find_spec", lambda _: None)

    with pytest.raises(InputError, match="pip install tensorboard"):
        make_plan(options._replace(log_directory=tmp_path))


def test_a_named_data_set_is_the_source(options: Options) -> None:
    plan = make_plan(options._replace(texts=TEXTS._replace(file=None, dataset="reviews-zh"), name="mine"))

    assert (plan.name, plan.source) == ("mine", "reviews-zh")


def test_so_many_tokens_are_read_as_are_given(options: Options) -> None:
    suits = make_plan(options).family
    given = make_plan(options._replace(model=MODEL._replace(max_tokens=40))).family

    assert (suits.max_tokens, suits.longest) == (256, 1024)
    assert (given.max_tokens, given.longest) == (40, 0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"class_weight": "heavy"}, "There is no --class-weight 'heavy'; there is: auto, balanced, none"),
        ({"class_weight": "balanced", "task": "regress"}, "--class-weight balanced is for one label a text"),
        ({"class_weight": "none", "multi_label": True}, "--class-weight none is for one label a text"),
        ({"separator": "/", "multi_label": True}, "--separator is for texts with one label each"),
        ({"separator": "/", "task": "regress"}, "--separator is for texts with one label each"),
        ({"separator": " "}, "--separator is blank"),
    ],
)
def test_what_does_not_go_with_labels_is_refused(options: Options, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_plan(options._replace(**changes))


def test_a_recipe_is_as_suits_the_family_but_for_what_is_given(options: Options) -> None:
    suits = make_plan(options._replace(model=MODEL._replace(family="cnn"))).family
    given = make_plan(options._replace(model=MODEL._replace(family="cnn", tokenizer="char", epochs=2))).family

    assert given == suits._replace(tokenizer="char", epochs=2) != suits


def test_each_of_the_families_to_choose_from_is_as_is_wanted() -> None:
    wanted = candidates(MODEL._replace(family="auto", tokenizer="char", max_tokens=40))

    assert [family.name for family in wanted] == list(CANDIDATES)
    assert {(family.tokenizer, family.max_tokens) for family in wanted} == {("char", 40)}


@pytest.mark.parametrize(
    ("task", "family", "planned", "automatic"),
    [
        ("classify", "auto", "hybrid", True),
        ("classify", "linear", "linear", False),
        ("regress", "auto", "hybrid", True),
        ("cluster", "", "cluster", False),
        ("cluster", "auto", "cluster", False),
    ],
)
def test_the_family_is_named_or_suits_the_task_or_is_left_to_choose(
    options: Options, task: str, family: str, planned: str, automatic: bool
) -> None:
    chosen = options._replace(task=task, model=MODEL._replace(family=family))

    assert make_plan(chosen).family.name == planned
    assert chosen.automatic == automatic


@pytest.mark.parametrize(
    ("task", "model", "sentence"),
    [
        ("cluster", {"family": "linear"}, "--task cluster and --family cluster belong together"),
        ("classify", {"family": "cluster"}, "--task cluster and --family cluster belong together"),
        ("classify", {"family": "encoder"}, "name its directory with --checkpoint"),
        ("classify", {"family": "cnn", "checkpoint": "tiny"}, "not for cnn; leave one out"),
        ("classify", {"megabytes": 9}, "--max-megabytes is for --family auto"),
        ("cluster", {"family": "auto", "megabytes": 9}, "--max-megabytes is for --family auto"),
        ("classify", {"layers": 2}, "--layers and --pieces are how much of a --checkpoint is kept"),
        ("classify", {"pieces": 9}, "--layers and --pieces are how much of a --checkpoint is kept"),
        ("classify", {"checkpoint": "tiny", "tokenizer": "char"}, "leave --tokenizer out"),
        ("classify", {"tokenizer": "words"}, "There is no tokenizer kind 'words'"),
        ("classify", {"family": "auto", "epochs": 2}, "not for auto; leave it out"),
        ("cluster", {"epochs": 2}, "not for cluster; leave it out"),
    ],
)
def test_a_model_that_does_not_fit_together_is_refused(
    options: Options, task: str, model: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        make_plan(options._replace(task=task, model=MODEL._replace(**model)))
