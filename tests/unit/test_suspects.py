"""`fenlei audit`: what is planted in a small file is found, and what it says of bad input."""

import csv
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from training.commands.cli import app
from training.data.files import Content, read
from training.data.near_copies import LIKE, near_copies
from training.data.phrases import phrases
from training.data.read import Example, Kind
from training.data.unusual import unusual
from training.errors import InputError
from training.judging.label_errors import confident_errors, label_errors
from training.judging.pages import render
from training.judging.suspects import Why, examine, write_corrections

PARTS = {
    "正面": [
        "质量很好",
        "物流很快",
        "非常满意",
        "值得购买",
        "味道不错",
        "推荐给大家",
        "包装精美",
        "服务热情",
        "下次再来",
        "性价比高",
        "做工精细",
        "用着舒服",
    ],
    "负面": [
        "质量很差",
        "发货太慢",
        "大失所望",
        "不值这价",
        "味道难吃",
        "千万别买",
        "外壳破损",
        "客服冷淡",
        "再也不来",
        "贵得离谱",
        "做工粗糙",
        "用着硌手",
    ],
}


def reviews(each: int = 40) -> list[Example]:
    """So many different reviews of each label, of three parts each."""
    generator, texts = random.Random(0), {}
    for label, parts in PARTS.items():
        while sum(one == label for one in texts.values()) < each:
            texts["，".join(generator.sample(parts, 3))] = label
    return [Example(text, label, line) for line, (text, label) in enumerate(texts.items(), 2)]


# --- label errors ---------------------------------------------------------------------------------


def test_errors_are_off_the_diagonal_of_the_confident_joint_the_worst_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.02, 0.98], [0.7, 0.3], [0.45, 0.55]])
    given = np.array([0, 0, 1, 1, 0, 1, 0])

    # Thresholds: 0.54 and 0.67. The fifth and the sixth are confidently another; the last is not confidently anything.
    assert confident_errors(probabilities, given).tolist() == [4, 5]


def test_a_label_that_nobody_has_is_nobodys_error() -> None:
    probabilities = np.array([[0.1, 0.0, 0.9], [0.8, 0.2, 0.0], [0.3, 0.7, 0.0]])

    assert confident_errors(probabilities, np.array([0, 0, 1])).tolist() == []


tables = st.tuples(st.integers(2, 5), st.integers(1, 40), st.integers(0, 10**6))


@given(table=tables)
def test_an_error_is_likelier_another_and_names_do_not_matter(table: tuple[int, int, int]) -> None:
    labels, texts, seed = table
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(labels), texts)
    labelled = generator.integers(0, labels, texts)
    renamed = generator.permutation(labels)

    found = confident_errors(probabilities, labelled)

    margins = probabilities[found, labelled[found]] - probabilities[found].max(axis=1)
    assert (margins < 0).all()
    assert (np.diff(margins) >= 0).all()
    assert confident_errors(probabilities[:, np.argsort(renamed)], renamed[labelled]).tolist() == found.tolist()


def test_flipped_labels_are_found_by_answers_that_did_not_see_them() -> None:
    examples = reviews()
    flipped = {3, 17, 50, 61}
    other = dict(zip(PARTS, reversed(PARTS), strict=True))
    wrong = [one._replace(label=other[one.label]) if i in flipped else one for i, one in enumerate(examples)]

    found = label_errors(wrong)

    # No other text is suspected; one of the four has little in it that tells.
    assert {error.text for error in found} <= flipped
    assert len(found) >= 3
    assert all(error.suggested == examples[error.text].label and error.own < error.other for error in found)


def test_a_label_of_few_texts_is_not_judged() -> None:
    rare = [Example("质量很好，物流很快，味道难吃", "罕见")] * 2

    assert "罕见" not in {one.suggested for one in label_errors([*reviews(), *rare])}
    assert label_errors([*reviews()[:40], *rare]) == []


# --- near copies, phrases, unusual texts ----------------------------------------------------------

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30), max_size=8)


@given(texts=TEXTS)
def test_a_near_copy_names_an_earlier_text_and_a_share(texts: list[str]) -> None:
    found = near_copies(texts)

    assert all(near.earlier < near.text and LIKE <= near.share <= 1 for near in found)
    assert len({near.text for near in found}) == len(found)


@given(texts=TEXTS)
def test_a_text_that_stands_there_again_is_found_whatever_it_is(texts: list[str]) -> None:
    found = {near.text for near in near_copies([*texts, *texts])}

    assert found >= set(range(len(texts), 2 * len(texts)))


def test_one_character_changed_is_a_near_copy_and_other_words_are_none() -> None:
    texts = [
        "物流很快，包装也很好，下次还会再来购买",
        "物流太快，包装也很好，下次还会再来购买",
        "完全不同的另一条评论，说的是味道",
    ]

    assert [(near.text, near.earlier) for near in near_copies(texts)] == [(1, 0)]


def test_a_phrase_that_gives_the_label_away_is_told_whole_and_no_other() -> None:
    marked = [one._replace(text=f"{one.text}。Sent from my phone") if one.label == "负面" else one for one in reviews()]

    assert [(one.text, one.label, one.inside, one.outside) for one in phrases(marked)] == [
        ("。sent from my phone", "负面", 1.0, 0.0)
    ]
    assert phrases([one._replace(text=f"{one.text}。完") for one in reviews()]) == []


def test_texts_of_another_length_or_script_and_damaged_ones_are_unusual() -> None:
    odd = [Example("长" * 900, "正面"), Example("Совсем не по-китайски", "正面"), Example("质量\ufffd好，很快", "正面")]

    reasons = [one.reason for one in unusual([*reviews(), *odd])]

    assert reasons == [
        "900 characters, and usual are 14",
        "Cyrillic, and usual is Han",
        "damaged: it has U+FFFD or control characters",
    ]


# --- the command ----------------------------------------------------------------------------------


def planted(path: Path) -> Path:
    """A file with an error of each kind in it."""
    rows = [(one.text, one.label) for one in reviews()]
    rows[4] = (rows[4][0], "负面")
    rows += [(f"{rows[10][0]}！", "负面"), (rows[20][0], "正面"), ("<script>alert(1)</script>" * 9, "正面")]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def test_what_is_planted_is_told_on_the_page_and_in_a_file_that_can_be_trained_on(tmp_path: Path) -> None:
    folder, page, fixed = tmp_path / "in", tmp_path / "audit.html", tmp_path / "fixed.csv"
    folder.mkdir()
    file, held_out = planted(folder / "train.csv"), reviews()[30:32]
    lines = [f"{held_out[0].text}！,{held_out[0].label}", f"{held_out[1].text}呀,另一个", "不一样的一条,正面"]
    (folder / "test.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")

    ran = CliRunner().invoke(app, ["audit", str(folder), "-o", str(page), "--fix", str(fixed)], catch_exceptions=False)

    assert ran.exit_code == 0
    assert "2 copies with another label\n" in ran.output
    assert "1 likely label errors\n" in ran.output
    with fixed.open(encoding="utf-8-sig", newline="") as written:
        rows = list(csv.DictReader(written))
    before, after = (sorted((one.text, one.label) for one in read(path)) for path in (file, fixed))
    assert after == before
    assert {row["line"] for row in rows[:2]} == {"12", "82"}
    assert (rows[2]["line"], rows[2]["reason"]) == ("32", "copies of held-out texts: as line 2 of test")
    assert (rows[3]["line"], rows[3]["label"], rows[3]["suggested"]) == ("6", "负面", "正面")
    (near,) = [row for row in rows if "near copies of held-out" in row["reason"]]
    assert near["line"] == "33"
    assert "as line 3 of test, which is 另一个" in near["reason"]
    shown = page.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert" not in shown
    assert "可能标错的标签" in shown


def test_rows_without_a_label_are_kept_to_be_labelled(tmp_path: Path) -> None:
    content = Content(reviews(), [Example("没有标签的一条评论", "", 99)], "text")

    examined = examine(content, Kind.LABEL)
    write_corrections(examined, tmp_path / "fixed.csv")

    assert [one.example.line for one in examined.of(Why.MISSING)] == [99]
    assert "没有标签的一条评论,,,texts without a label,99" in (tmp_path / "fixed.csv").read_text(encoding="utf-8-sig")


def test_nothing_of_a_file_becomes_markup() -> None:
    bad = "<b>&\"'"
    examples = [one._replace(label=f"{one.label}{bad}") for one in reviews(6)]
    examined = examine(
        Content([*examples, Example(f"{bad} 好", f"另一{bad}", 99)], [Example(bad, bad)], "text"), Kind.LABEL
    )

    shown = render(
        "audit.html", {"characters": 9, "most": 9, "reasons": list(Why), "source": bad, "examined": examined}
    )

    assert shown.count("&lt;b&gt;&amp;&#34;&#39;") >= 4
    assert "<b>&" not in shown


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-o", "reviews.csv"], "--output reviews.csv is to be a page; give it a name that ends in .html."),
        (["--fix", "reviews.csv"], "reviews.csv exists already and may hold corrections; give --fix another name."),
        (["-o", "none/a.html"], "There is no directory none for a.html; make it first."),
        (["--label-column", ""], "The texts carry 1 distinct label(s) (), and there is nothing to confuse"),
        (["--text-column", "none"], "none"),
        (["--test", "none.csv"], "none.csv does not exist"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_the_file_alone(
    options: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = planted(tmp_path / "reviews.csv").read_bytes()
    monkeypatch.chdir(tmp_path)

    ran = CliRunner().invoke(app, ["audit", "reviews.csv", *options])

    assert isinstance(ran.exception, InputError)
    assert told in str(ran.exception)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("reviews.csv", before)]
