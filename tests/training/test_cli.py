"""The `fenlei` command: results on standard output, all else on standard error, one sentence for each mistake."""

import gzip
import json
import re
import shlex
import shutil
import signal
import sys
import urllib.request
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from command import FAMILIES, FourLines, Ran, Twice, fenlei, finish, start
from support import FOUR_LINES, write_bundle

from handler.model.bundle import Bundle, load
from handler.model.classifier import Classifier


def refusal(ran: Ran) -> str:
    """The one sentence of a call that is refused."""
    assert ran.status == 2
    assert ran.output == ""
    assert "Traceback" not in ran.errors
    (sentence,) = [line for line in ran.errors.splitlines() if line.lower().startswith("error:")]
    return sentence.removeprefix("error:").strip()


# --- the classic four lines -----------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_four_lines_train_and_what_cannot_be_known_is_said(
    trained_on_four_lines: dict[str, FourLines], family: str
) -> None:
    path, ran = trained_on_four_lines[family]

    assert ran.status == 0, ran.errors
    assert "no held-out score: no test texts were held out" in ran.output
    assert "warning: no test texts are held out, so there will be no score" in ran.errors
    assert "accuracy" not in ran.output
    assert (
        "warning: no answer is certain, since there were no texts to tell by but those that were trained" in ran.errors
    )
    manifest = load(path).manifest
    assert manifest.metrics == {}
    assert manifest.labels == ["0", "1"]
    assert manifest.family == family
    assert manifest.name == family
    card = (path / "card.md").read_text(encoding="utf-8")
    assert "there is no score: do not rely on this model" in card
    assert "accuracy" not in card


@pytest.mark.parametrize("family", FAMILIES)
def test_the_four_lines_get_a_label_each_without_much_confidence(
    trained_on_four_lines: dict[str, FourLines], family: str
) -> None:
    bundle = load(trained_on_four_lines[family].path)

    predictions = Classifier(bundle).classify([line.split(",")[0] for line in FOUR_LINES.splitlines()[1:]])

    assert all(prediction.label in ("0", "1") for prediction in predictions)
    assert all(0.5 <= prediction.confidence < 0.9 for prediction in predictions)
    assert not any(prediction.certain for prediction in predictions)


# --- classify -------------------------------------------------------------------------------------


@pytest.fixture
def texts() -> list[str]:
    return ["东西质量很好，物流也快", "太差了，第二天就坏了"]


def test_texts_are_classified_a_line_each(bundle_path: Path, texts: list[str]) -> None:
    ran = fenlei("classify", bundle_path, *texts)

    assert ran.status == 0
    first, second = (line.split("\t") for line in ran.output.splitlines())
    assert (first[0], second[0]) == ("positive", "negative")
    assert (first[2], second[2]) == tuple(texts)
    assert 0.5 <= float(first[1]) <= 1


def test_lines_of_standard_input_are_classified_as_arguments_are(bundle_path: Path, texts: list[str]) -> None:
    expected = fenlei("classify", bundle_path, *texts)

    assert fenlei("classify", bundle_path, given="\n".join(texts)) == expected
    assert fenlei("classify", bundle_path, given="\ufeff" + "\r\n".join(texts) + "\r\n") == expected


def test_json_is_what_the_api_says(bundle_path: Path, classifier: Classifier, texts: list[str]) -> None:
    ran = fenlei("classify", bundle_path, *texts, "--json", "--top-k", 1)

    lines = [json.loads(line) for line in ran.output.splitlines()]
    assert [line["text"] for line in lines] == texts
    for line, prediction in zip(lines, classifier.classify(texts), strict=True):
        assert (line["label"], line["confidence"]) == (prediction.label, prediction.confidence)
        assert line["scores"] == [{"label": prediction.label, "score": prediction.confidence}]


def test_an_archive_is_a_bundle_too(bundle_path: Path, tmp_path: Path, texts: list[str]) -> None:
    archive = shutil.make_archive(str(tmp_path / "bundle"), "gztar", bundle_path)

    assert fenlei("classify", archive, *texts).output == fenlei("classify", bundle_path, *texts).output


def test_a_reader_who_leaves_early_is_no_error(bundle_path: Path) -> None:
    process = start("classify", bundle_path)
    assert process.stdin
    assert process.stdout
    process.stdout.close()
    process.stdin.write("很好\n" * 5000)
    process.stdin.close()
    process.wait(60)

    assert process.stderr
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


# --- evaluate -------------------------------------------------------------------------------------


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "test.tsv"
    path.write_text("positive\t东西质量很好，物流也快\nnegative\t太差了，第二天就坏了\n", encoding="utf-8")
    return path


def test_evaluation_is_a_table_for_people(bundle_path: Path, labelled: Path) -> None:
    ran = fenlei("evaluate", bundle_path, labelled, "--columns", "label,text")

    assert ran.status == 0
    assert "accuracy               1" in ran.output
    assert "positive" in ran.output


def test_evaluation_is_one_json_document_for_machines(bundle_path: Path, labelled: Path) -> None:
    found = fenlei("evaluate", bundle_path, labelled, "--columns", "label,text", "--json").json()

    assert [found["summary"][name] for name in ("texts", "accuracy", "macro_f1")] == [2, 1.0, 1.0]
    assert found["confusion"] == [[1, 0], [0, 1]]


# --- train ----------------------------------------------------------------------------------------


CHINESE = {
    "好评": ("物流很快", "非常满意", "性价比高", "做工精细"),
    "差评": ("味道难吃", "非常失望", "价格太贵", "包装破损"),
}
RUSSIAN = {
    "хорошо": ("быстрая доставка", "очень доволен", "отличная цена", "тонкая работа"),
    "плохо": ("ужасный вкус", "полный провал", "слишком дорого", "порванная упаковка"),
}


def easy_lines(path: Path, words: dict[str, tuple[str, ...]], rare: int) -> Path:
    """120 reviews that nobody could mistake, so many with the second label; four go on for long. And copies of all."""
    usual = next(iter(words))
    rows = [
        f"{first}，{second}{i}{f' {first}' * 8 * (i == k == 0 and label == usual)},{label}"
        for (label, said), count in zip(words.items(), (120 - rare, rare), strict=True)
        for i, (j, first), (k, second) in list(product(range(8), enumerate(said), enumerate(said)))[:count]
    ]
    copies = [row.replace("，", " ").replace(",", "！！,") for row in rows]
    path.write_text("\n".join(["text,label", *rows, *copies]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("words", "rare", "tokens"), [(CHINESE, 60, 16), (RUSSIAN, 10, 64)])
def test_where_all_is_right_much_is_certain_and_nothing_surer_than_so_few_texts_can_make_it(
    tmp_path: Path, words: dict[str, tuple[str, ...]], rare: int, tokens: int
) -> None:
    file = easy_lines(tmp_path / "easy.csv", words, rare)

    ran = fenlei("train", file, "--family", "linear", "--max-tokens", tokens, "-o", tmp_path / "easy")

    assert ran.status == 0, ran.errors
    assert ("in a script whose words change much: read letter by letter" in ran.errors) == (words is RUSSIAN)
    assert re.search(rf"audit: [34] texts \([23]\.\d%\) longer than {tokens} tokens, which is all", ran.errors)
    assert (" times the rarest label fits into the most frequent, over 10" in ran.errors) == (rare == 10)
    assert "240 rows read: 108 texts to train on, 0 to develop on, 12 to test on" in ran.errors
    assert "audit: 120 copies of other texts, but for case, width, spaces and punctuation, dropped" in ran.errors
    bundle = load(tmp_path / "easy")
    metrics, texts = bundle.manifest.metrics, int(bundle.manifest.data["calibrated_on_texts"])
    assert metrics["accuracy"] == 1
    assert (
        f"answers are certain from a confidence of {bundle.manifest.threshold:g} on: of these 0.9 or more" in ran.output
    )
    # THEN each text told as much, by a model that had not seen it
    assert texts == 108
    assert metrics["coverage"] >= 0.5
    surest = (texts + 1) / (texts + 2)
    assert max(max(golden.probabilities) for golden in bundle.golden()) <= surest < 0.995
    (strange,) = Classifier(bundle).classify(["今天天气不错"])
    assert not strange.certain or rare == 10


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_model_in_another_process(
    trained_twice: Callable[[str], Twice], family: str
) -> None:
    paths, results = trained_twice(family)

    assert results[0]["version"] == results[1]["version"]
    for name in ("model.tflite", "tokenizer.json", "golden.jsonl"):
        assert (paths[0] / name).read_bytes() == (paths[1] / name).read_bytes()


@pytest.mark.parametrize("family", FAMILIES)
def test_training_says_what_it_made(trained_twice: Callable[[str], Twice], family: str) -> None:
    (path, _), (result, _) = trained_twice(family)

    manifest = load(path).manifest
    assert result["bundle"] == str(path)
    assert result["version"] == manifest.version
    assert result["metrics"] == manifest.metrics
    assert manifest.metrics["texts"] == 40
    parts = [manifest.data[f"{part}_texts"] for part in ("train", "dev", "test", "trained_on")]
    assert parts == ([360, 0, 40, 360] if family == "hybrid" else [320, 40, 40, 360])
    assert manifest.data["seed"] == 7
    assert manifest.name == "reviews"
    assert manifest.baseline.label_shares == pytest.approx({"negative": 0.5, "positive": 0.5}, abs=0.1)


def test_of_few_texts_the_score_is_cross_validated_and_all_are_trained_on(
    trained_twice: Callable[[str], Twice],
) -> None:
    (path, _), (result, _) = trained_twice("hybrid")

    found = result["cross_validated"]
    assert (found["score_name"], found["texts"], found["folds"]) == ("accuracy", 360, 5)
    assert 0.6 < found["score"] < 0.95
    assert found["standard_error"] == pytest.approx((found["score"] * (1 - found["score"]) / 360) ** 0.5, rel=0.01)
    said = f"accuracy {found['score']:.4f}, standard error {found['standard_error']:.4f}"
    assert all(said in (path / name).read_text(encoding="utf-8") for name in ("card.md", "report.html"))
    manifest = load(path).manifest
    assert manifest.data["calibrated_on_texts"] == 360
    assert manifest.temperature != 1.0


@pytest.mark.skipif(sys.platform == "win32", reason="no process can be sent Ctrl-C there")
def test_ctrl_c_ends_training_without_a_trace(bundle_path: Path, some_reviews: Path, tmp_path: Path) -> None:
    # GIVEN a bundle that is about to be replaced
    models = tmp_path / "models"
    old = Path(shutil.copytree(bundle_path, models / "reviews"))
    before = {file.name: file.read_bytes() for file in old.iterdir()}
    process = start("train", some_reviews, "--columns", "label,text", "--family", "lstm", "-o", old, "--force")

    # WHEN Ctrl-C comes in the middle of training
    assert process.stderr
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("epoch 1:"):
            process.send_signal(signal.SIGINT)
            break
    ran = finish(process)

    # THEN the old bundle is as it was, and nothing lies beside it
    assert ran.status == 130, "".join(said) + ran.errors
    assert ran.output == ""
    assert ran.errors.splitlines()[-1] == "error: Interrupted; nothing was written."
    assert "Traceback" not in ran.errors
    assert list(models.iterdir()) == [old]
    assert {file.name: file.read_bytes() for file in old.iterdir()} == before


def test_the_texts_of_a_file_are_classified(bundle_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("评论内容,别的\n物流很快非常满意,1\n味道难吃非常失望,2\n", encoding="gb18030")

    ran = fenlei("classify", bundle_path, "--file", path)

    assert ran.output == fenlei("classify", bundle_path, "物流很快非常满意", "味道难吃非常失望").output
    assert "a.csv is read as GB18030" in ran.errors
    assert "a.csv: texts from '评论内容'; --text-column" in ran.errors


def test_help_has_an_example_for_each_command() -> None:
    for command in ("train", "classify", "evaluate", "serve"):
        ran = fenlei(command, "--help")
        assert ran.status == 0
        assert f"Example: fenlei {command} " in ran.output


# --- serve ----------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no process can be sent Ctrl-C there")
def test_serve_prints_a_curl_line_that_works_and_ends_quietly_on_ctrl_c(bundle_path: Path) -> None:
    process = start("serve", bundle_path, "--port", 0)
    assert process.stderr
    try:
        curl = shlex.split(next(line for line in process.stderr if "curl" in line))
        # The same words without curl, which is not everywhere.
        url = next(word for word in curl if word.startswith("http://127.0.0.1:"))
        headers = dict([curl[curl.index("-H") + 1].split(": ")])
        request = urllib.request.Request(url, curl[curl.index("-d") + 1].encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=10) as response:
            labels = [prediction["label"] for prediction in json.load(response)["predictions"]]
        assert labels == ["positive", "negative"]
        process.send_signal(signal.SIGINT)
        ran = finish(process)
    finally:
        process.kill()
    assert ran.status == 0
    assert "Traceback" not in ran.errors
    assert "error" not in ran.errors


# --- bad calls ------------------------------------------------------------------------------------

BAD_FILES = {
    "one-class.csv": (b"text,label\na,1\nb,1\n", "carry 1 distinct label(s) (1)"),
    "empty.csv": (b"", "empty.csv holds no labelled texts"),
    "columns.csv": (b"one,two\na,1\n", "columns.csv: which columns hold the texts and the labels is not plain"),
    "mixed.csv": ("text,label\n好,1\n".encode() + "差,0\n".encode("gb18030"), "mixed.csv line 3 is not UTF-8"),
    "no.jsonl": (b'{"text": "a", "label": 1}\n{"text"\n', "no.jsonl line 2 is not JSON"),
    "cut.csv.gz": (gzip.compress(b"text,label\n" + b"a,b\n" * 99)[:-9], "cut.csv.gz cannot be read to its end"),
    "fields.tsv": (b"text\tlabel\na\n", "fields.tsv line 2 has 1 fields instead of 2"),
    "nul.csv": (b"text,label\na\0,1\n", "nul.csv line 2 holds a NUL byte"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_training_refuses_a_bad_file_before_anything_is_written(tmp_path: Path, name: str) -> None:
    content, reason = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)

    assert reason in refusal(fenlei("train", tmp_path / name, "-o", tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == [name]


BAD_CALLS = {
    "a missing file": (["train", "nowhere.csv"], "nowhere.csv does not exist"),
    "nothing to train on": (["train"], "Give either a file with labelled texts or --dataset NAME"),
    "two things to train on": (["train", "four.csv", "--dataset", "reviews-zh"], "and not both"),
    "an unknown data set": (["train", "--dataset", "imdb"], "There is no data set 'imdb'"),
    "an unknown family": (["train", "four.csv", "--family", "bert"], "There is no model family 'bert'"),
    "an unknown quantisation": (["train", "four.csv", "--quantize", "int4"], "There is no quantisation 'int4'"),
    "an unknown column": (["train", "four.csv", "--label-column", "stars"], "has no column 'stars'"),
    "a test label never trained on": (
        ["train", "four.csv", "--test", "fair.csv"],
        "In the test set line 2, the label 'fair' was never seen in training",
    ),
    "an output that is there": (["train", "four.csv", "-o", "bundle"], "bundle exists already"),
    "an output that is no bundle": (["train", "four.csv", "-o", "four.csv", "--force"], "four.csv is not a bundle"),
    "an output inside a file": (["train", "four.csv", "-o", "four.csv/out"], "cannot be written"),
    "a precision that cannot be shown": (["train", "four.csv", "--precision", "1"], "Invalid value for '--precision'"),
    "a negative seed": (["train", "four.csv", "--seed", "-1"], "Invalid value for '--seed'"),
    "a state that is a file": (["train", "four.csv", "--resume", "four.csv"], "choose another --resume"),
    "events inside a file": (["train", "four.csv", "--log-directory", "four.csv/x"], "choose another --log-directory"),
    "epochs for what has none": (
        ["train", "four.csv", "--family", "linear", "--epochs", "2"],
        "--epochs is for a family that learns by epochs, not for linear",
    ),
    "epochs for who knows what": (["train", "four.csv", "--family", "auto", "--epochs", "2"], "not for auto"),
    "no epoch at all": (["train", "four.csv", "--epochs", "0"], "Invalid value for '--epochs'"),
    "an unknown option": (["train", "four.csv", "--speed", "9"], "No such option: --speed"),
    "an unknown command": (["teach", "four.csv"], "No such command 'teach'"),
    "a missing bundle": (["classify", "nowhere", "a"], "nowhere does not exist; make a bundle with"),
    "a file that is no bundle": (["classify", "four.csv", "a"], "neither a bundle's directory nor its .tar.gz"),
    "a directory that is no bundle": (["classify", ".", "a"], "is not a bundle: it holds no manifest.json"),
    "a bundle of another format": (["classify", "other", "a"], "other/manifest.json is of format 'fenlei-bundle/0'"),
    "a bundle with a changed byte": (["classify", "changed", "a"], "changed/model.tflite was changed after"),
    "a blank text": (["classify", "bundle", "a", " "], "Text 2 is blank"),
    "no text": (["classify", "bundle"], "There is no text"),
    "texts twice": (["classify", "bundle", "a", "--file", "four.csv"], "Give either texts or --file"),
    "an argument that is not UTF-8": (["classify", "bundle", "a\udcff"], "Argument 3 is not UTF-8"),
    "a label that the bundle does not know": (["evaluate", "bundle", "fair.csv"], "the label 'fair' was never seen"),
    "nothing to evaluate on": (["evaluate", "bundle", "nowhere.csv"], "nowhere.csv does not exist"),
    "nothing to serve": (["serve", "nowhere"], "nowhere does not exist"),
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Path:
    """A directory with good and bad files and bundles."""
    shelf = tmp_path_factory.mktemp("shelf")
    (shelf / "four.csv").write_text(FOUR_LINES, encoding="utf-8")
    (shelf / "fair.csv").write_text("text,label\nso so,fair\n", encoding="utf-8")
    write_bundle(shelf / "bundle", bundle)
    write_bundle(shelf / "other", bundle, format="fenlei-bundle/0")
    model = write_bundle(shelf / "changed", bundle) / "model.tflite"
    model.write_bytes(bytes([*model.read_bytes()[:-1], model.read_bytes()[-1] ^ 1]))
    return shelf


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_bad_call_is_one_sentence_and_changes_nothing(shelf: Path, name: str) -> None:
    arguments, reason = BAD_CALLS[name]
    before = sorted(shelf.rglob("*"))

    assert reason in refusal(fenlei(*arguments, cwd=shelf, given=""))
    assert sorted(shelf.rglob("*")) == before


def test_standard_input_that_is_not_utf8_is_refused_with_its_line(bundle_path: Path) -> None:
    process = start("classify", bundle_path)
    assert process.stdin
    process.stdin.buffer.write("很好\n".encode() + "很好\n".encode("gb18030"))

    assert "Standard input line 2 is not UTF-8" in refusal(finish(process))
