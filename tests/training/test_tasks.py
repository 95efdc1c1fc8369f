"""Tasks beside plain classification: numbers, several labels a text, groups without labels, unlabelled texts."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from command import fenlei
from typer.testing import CliRunner

from handler.model.bundle import load
from handler.model.classifier import Classifier
from training.commands.cli import app
from training.learning.tasks import normalized_mutual_information

GOOD, BAD, FINE = "很好", "太差", "还行"
SUBJECTS = ["质量", "物流", "客服", "房间", "屏幕", "味道", "包装", "价格", "音质", "电池", "服务", "外观"]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def test_a_number_is_predicted_better_than_by_the_mean(tmp_path: Path) -> None:
    stars = {GOOD: 5, FINE: 3, BAD: 1}
    rows = [
        {"text": f"{a}{word}，{b}{other}", "label": (stars[word] + stars[other]) / 2}
        for a in SUBJECTS
        for b in SUBJECTS[:4]
        for word in stars
        for other in stars
    ]
    copies = [{"text": f"{row['text']}！", "label": row["label"]} for row in rows[:9]]
    slips = [{"text": "价格还行，味道还行吧", "label": 1e6}, {"text": rows[3]["text"], "label": 1}]
    file = write(tmp_path / "stars.jsonl", [*rows, *copies, *slips])

    trained = fenlei("train", file, "--task", "regress", "--family", "linear", "-o", tmp_path / "stars", "--json")

    assert trained.status == 0, trained.errors
    assert (
        "warning: line 442: so far out that other numbers would count for nothing; the others are from 1 to 5, and"
        in (trained.errors)
    )
    assert (
        "warning: lines 4, 436, 443: the same text has different numbers; it is trained on their mean" in trained.errors
    )
    assert "audit: 10 copies of other texts" in trained.errors
    metrics = trained.json()["metrics"]
    assert metrics["mean_absolute_error"] < metrics["mean_absolute_error_of_the_mean"] / 2
    (good, bad) = Classifier(load(tmp_path / "stars")).classify(["质量很好，物流很好", "质量太差，物流太差"])
    assert float(good.value) > 4
    assert float(bad.value) < 2
    assert trained.json()["parity"]["float_max_difference"] <= 1e-5


def test_words_as_numbers_are_refused_with_their_line(tmp_path: Path) -> None:
    file = write(tmp_path / "stars.jsonl", [{"text": "好", "label": 5}, {"text": "坏", "label": "one"}])

    refused = fenlei("train", file, "--task", "regress", "-o", tmp_path / "stars")

    assert refused.status == 2
    assert "'one' is not a number" in refused.errors
    assert "Traceback" not in refused.errors


def test_a_text_may_carry_several_labels(tmp_path: Path) -> None:
    rows = [
        {"text": f"{a}{GOOD if good else FINE}，{b}", "label": "|".join(["好"] * good + [topic])}
        for a in SUBJECTS
        for good in (0, 1)
        for b, topic in (("快递很快", "物流"), ("客服热情", "服务"), ("屏幕清晰", "产品"))
        for _ in range(1)
    ] + [{"text": f"{a}和{b}{GOOD}", "label": "好|产品"} for a in SUBJECTS for b in SUBJECTS]
    swapped = [{**row, "label": "|".join(reversed(str(row["label"]).split("|")))} for row in rows[:6]]
    file = write(tmp_path / "several.jsonl", [*rows, *swapped])

    trained = fenlei("train", file, "--multi-label", "--family", "linear", "-o", tmp_path / "several", "--json")

    assert trained.status == 0, trained.errors
    assert "audit: 6 copies of other texts" in trained.errors
    assert "two labels" not in trained.errors
    bundle = load(tmp_path / "several")
    assert bundle.manifest.labels == sorted({"好", "物流", "服务", "产品"})
    assert len(bundle.manifest.label_thresholds) == 4
    # THEN live labels are compared with labels, and not with what stands together in a row
    shares = bundle.manifest.baseline.label_shares
    assert sorted(shares) == bundle.manifest.labels
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
    (prediction,) = Classifier(bundle).classify(["味道很好，快递很快"])
    assert set(prediction.labels) == {"好", "物流"}
    assert trained.json()["metrics"]["micro_f1"] > 0.9


def test_labels_that_are_paths_are_answered_as_deep_as_is_certain(tmp_path: Path) -> None:
    # GIVEN two subjects that can be told, one of them with a level below that cannot
    words = (f"{BAD}，退货", f"{BAD}，坏了", f"{GOOD}，满意", f"{GOOD}，喜欢")
    rows = [
        {"text": f"{a}{word}，{b}", "label": "goods/good" if GOOD in word else f"goods/bad/{'ab'[(i + j) % 2]}"}
        for i, a in enumerate(SUBJECTS)
        for j, b in enumerate(SUBJECTS)
        for word in words
    ]
    file = write(tmp_path / "paths.jsonl", rows)

    options = ("--separator", "/", "--family", "logistic", "--no-refit")
    trained = fenlei("train", file, *options, "-o", tmp_path / "paths")
    evaluated = CliRunner().invoke(app, ["evaluate", str(tmp_path / "paths"), str(file)])

    assert trained.status == 0, trained.errors
    assert "level by level from the top (such as a/b/c)" in trained.output
    card = (tmp_path / "paths" / "card.md").read_text(encoding="utf-8")
    assert "| level | labels | texts |" in card
    assert "<h2>Levels</h2>" in (tmp_path / "paths" / "report.html").read_text(encoding="utf-8")
    levels = [line.split()[:4] for line in evaluated.stdout.split("accuracy when certain")[1].splitlines()[1:4]]
    assert levels[:2] == [["1", "1", "576", "100.0"], ["2", "2", "576", "100.0"]]
    bad, good = Classifier(load(tmp_path / "paths")).classify([f"质量{BAD}，退货", f"质量{GOOD}，满意"])
    assert (bad.label, bad.certain, good.label) == ("goods/bad", True, "goods/good")
    assert [level.certain for level in bad.path or ()] == [True, True, False]


def test_groups_are_found_without_labels_and_named(tmp_path: Path) -> None:
    topics = [["football match goal", "team coach league"], ["stock market shares", "bank interest profit"]]
    generator = np.random.default_rng(0)
    texts = []
    for i in range(400):
        words = " ".join(topics[i % 2]).split()
        texts.append({"text": " ".join(generator.permutation(words)[:4]) + f" {i}", "topic": i % 2})
    file = write(tmp_path / "texts.jsonl", texts)

    options = ("--task", "cluster", "--clusters", 2, "--label-column", "topic", "--test", file)
    trained = fenlei("train", file, *options, "-o", tmp_path / "groups", "--json")

    assert trained.status == 0, trained.errors
    assert trained.json()["metrics"]["normalized_mutual_information"] > 0.9
    sport, money = Classifier(load(tmp_path / "groups")).classify(["team goal", "bank shares"])
    assert sport.cluster != money.cluster
    assert any(word in str(sport.cluster) for word in ["football", "match", "goal", "team", "coach", "league"])


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [([0, 0, 1, 1], ["b", "b", "a", "a"], 1.0), ([0, 1, 0, 1], [0, 0, 1, 1], 0.0), ([0, 0], [1, 1], 0.0)],
)
def test_mutual_information_of_two_groupings(first: list[int], second: list[object], shared: float) -> None:
    assert normalized_mutual_information(first, second) == pytest.approx(shared, abs=1e-12)


def test_auto_takes_a_family_and_says_why_and_that_few_texts_make_none_certain(
    some_reviews: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few.tsv"
    few.write_text("\n".join(some_reviews.read_text(encoding="utf-8").splitlines()[::4]), encoding="utf-8")

    options = ("--columns", "label,text", "--family", "auto", "--no-refit", "--tokenizer", "char")
    trained = fenlei("train", few, *options, "-o", tmp_path / "auto")

    assert trained.status == 0, trained.errors
    assert re.search(
        r"auto: \w+ is the smallest within a standard error of the best score on 10 development", trained.errors
    )
    manifest = load(tmp_path / "auto").manifest
    assert manifest.family in ("logistic", "linear", "hybrid")
    assert '"type":"WordLevel"' in load(tmp_path / "auto").tokenizer
    # THEN all texts but those to test on tell how sure an answer may be, and none is right nine times in ten
    told = "no answer is certain, since from no confidence on the share of right answers was 0.9 or more on 90 texts"
    assert f"warning: {told}" in trained.errors
    assert told in trained.output
    for document in ("card.md", "report.html"):
        assert told[1:] in (tmp_path / "auto" / document).read_text(encoding="utf-8")
    assert not any(answer.certain for answer in Classifier(load(tmp_path / "auto")).classify(["很好", "太差了"]))


def test_self_training_says_what_it_brought(some_reviews: Path, tmp_path: Path) -> None:
    rows = some_reviews.read_text(encoding="utf-8").splitlines()
    labelled, unlabelled = tmp_path / "labelled.tsv", tmp_path / "unlabelled.jsonl"
    labelled.write_text("\n".join(rows[::2]), encoding="utf-8")
    write(unlabelled, [{"text": row.split("\t")[1]} for row in rows[1::2]])

    options = ("--columns", "label,text", "--family", "linear", "--unlabelled", unlabelled, "--json")
    trained = fenlei("train", labelled, *options, "-o", tmp_path / "model")

    assert trained.status == 0, trained.errors
    settings = trained.json()["settings"]
    assert settings["unlabelled_texts"] == 200
    gain = settings["development_score_after"] - settings["development_score_before"]
    assert settings["used"] == (gain > settings["standard_error_of_the_difference"])


def test_training_goes_on_where_it_was_interrupted(some_reviews: Path, tmp_path: Path) -> None:
    # GIVEN a training that kept its state after each epoch
    options = ("--columns", "label,text", "--family", "cnn", "--no-refit", "--name", "reviews", "--json")
    state = ("--resume", tmp_path / "state")
    first = fenlei("train", some_reviews, *options, *state, "-o", tmp_path / "first")
    again = fenlei("train", some_reviews, *options, *state, "-o", tmp_path / "again")

    # THEN going on from the end trains no further epoch and gives the same model
    assert first.status == again.status == 0, again.errors
    assert "epoch 1:" in first.errors
    assert "epoch 1:" not in again.errors
    assert first.json()["version"] == again.json()["version"]


def test_several_workers_are_refused_in_a_sentence(
    some_reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}}')

    refused = fenlei("train", some_reviews, "--columns", "label,text", "-o", tmp_path / "model")

    assert refused.status == 2
    assert "Keras 3 cannot fit a model on several" in refused.errors


def test_the_time_budget_ends_training_early(some_reviews: Path, tmp_path: Path) -> None:
    options = ("--columns", "label,text", "--family", "lstm", "--time-budget", 1)

    trained = fenlei("train", some_reviews, *options, "-o", tmp_path / "model")

    assert trained.status == 0, trained.errors
    assert trained.errors.count("epoch ") <= 1


def test_training_takes_as_many_epochs_as_asked_for(some_reviews: Path, tmp_path: Path) -> None:
    options = ("--columns", "label,text", "--family", "cnn", "--no-refit", "--epochs", 2)

    trained = fenlei("train", some_reviews, *options, "-o", tmp_path / "model")

    assert trained.status == 0, trained.errors
    assert trained.errors.count("epoch ") == 2
