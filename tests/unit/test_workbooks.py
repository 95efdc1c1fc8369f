"""Excel's workbooks, Parquet, Arrow, and folders: what is read from them, and the sentence that refuses one."""

import gzip
import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from training.data.files import ANY, read
from training.data.formats.parts import parts_of
from training.data.formats.rows import Columns, Missing
from training.data.read import Example
from training.errors import InputError

openpyxl = pytest.importorskip("openpyxl")
ROWS = [("很好，喜欢", "好"), ("太差", "差"), ("=not a formula", "好")]
EXAMPLES = [Example(text, label, number) for number, (text, label) in enumerate(ROWS, 2)]


def refusal(path: Path, columns: Columns = ANY) -> str:
    with pytest.raises(InputError) as caught:
        read(path, columns)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


# --- Excel ------------------------------------------------------------------------------------------


def sheet(book: Any, title: str, rows: list[tuple[Any, ...]]) -> Any:
    made = book.create_sheet(title)
    for row in rows:
        made.append(row)
        for cell in made[made.max_row]:
            if isinstance(cell.value, str) and cell.value.startswith("=not"):
                cell.data_type = "s"
    return made


def book(path: Path, *sheets: list[tuple[Any, ...]], change: Callable[[Any], None] = lambda _: None) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for number, rows in enumerate(sheets, 1):
        sheet(made, f"Sheet{number}", rows)
    change(made)
    made.save(path)
    made.close()
    return path


def test_a_workbook_is_read(tmp_path: Path) -> None:
    assert read(book(tmp_path / "a.xlsx", [("text", "label"), *ROWS])) == EXAMPLES


def test_numbers_are_labels_as_they_are_written_and_dates_are_texts(tmp_path: Path) -> None:
    rows = [("text", "label", "day"), ("a", 1, None), ("b", 1.0, None), ("c", 2.5, None), (7, True, None)]

    assert [row[:2] for row in read(book(tmp_path / "a.xlsx", rows))] == [
        ("a", "1"),
        ("b", "1"),
        ("c", "2.5"),
        ("7", "true"),
    ]


def test_empty_rows_and_a_table_that_begins_further_down_are_no_matter(tmp_path: Path) -> None:
    rows = [(None, None), ("text", "label"), (None, ""), ("a", "x"), (None, None), ("b", "y"), (None,)]

    assert read(book(tmp_path / "a.xlsx", rows)) == [Example("a", "x", 4), Example("b", "y", 6)]


def test_a_title_above_the_header_is_no_header(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", [("Reviews of May", None), (), ("text", "label"), *ROWS])

    assert [example.text for example in read(path)] == [text for text, _ in ROWS]
    assert [example.text for example in read(book(tmp_path / "b.xlsx", [("text",), ("a",)]), Columns(label=""))] == [
        "a"
    ]


def test_columns_are_found_as_in_other_tables(tmp_path: Path) -> None:
    said: list[str] = []
    path = book(tmp_path / "a.xlsx", [("序号", "评论内容", "情感标签"), (1, "很好", "好"), (2, "太差", "差")])

    assert [row[:2] for row in read(path, say=said.append)] == [("很好", "好"), ("太差", "差")]
    assert "texts from '评论内容', labels from '情感标签'" in said[0]


def test_a_sheet_without_a_header_is_known_or_told(tmp_path: Path) -> None:
    rows = [(f"a text, {n}", "xy"[n % 2]) for n in range(8)]
    path = book(tmp_path / "a.xlsx", rows)

    assert [row[:2] for row in read(path)] == [row[:2] for row in read(path, Columns(names=("text", "label")))] == rows


def test_of_several_sheets_the_one_with_texts_and_labels_is_read(tmp_path: Path) -> None:
    said: list[str] = []
    path = book(tmp_path / "a.xlsx", [("remarks",), ("of no matter",)], [("text", "label"), *ROWS], [])

    assert read(path, say=said.append) == EXAMPLES
    assert said == ["a.xlsx: the sheet 'Sheet2' is read; --sheet names another one"]


def test_a_hidden_sheet_is_not_read(tmp_path: Path) -> None:
    def hide(made: Any) -> None:
        made["Sheet1"].sheet_state = "hidden"

    path = book(tmp_path / "a.xlsx", [("text", "label"), ("x", "y")], [("text", "label"), *ROWS], change=hide)

    assert read(path) == EXAMPLES


def merge(made: Any) -> None:
    made["Sheet1"].merge_cells("B2:B3")


BAD_BOOKS = {
    "two sheets of texts": (([("text", "label"), *ROWS],) * 2, "has 2 sheets (Sheet1, Sheet2)"),
    "no sheet with anything": (([],), "holds no labelled texts"),
    "a formula without a value": (
        ([("text", "label"), ("a", "x"), ('="b"', "y")],),
        "'text' is a formula that was never",
    ),
    "a label of a formula": (([("text", "label"), ("a", '="x"')],), "row 2: the column 'label' is a formula"),
    "two columns of a name": (([("text", "label", "text"), ("a", "b", "c")],), "'text' stands twice"),
}  # type: dict[str, tuple[tuple[list[Any], ...], str]]


@pytest.mark.parametrize("name", BAD_BOOKS)
def test_a_workbook_of_which_nothing_is_plain_is_refused(tmp_path: Path, name: str) -> None:
    sheets, sentence = BAD_BOOKS[name]

    assert sentence in refusal(book(tmp_path / "a.xlsx", *sheets))


def test_of_merged_cells_only_the_first_has_the_label(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", [("text", "label"), ("a", "x"), ("b", "x"), ("c", "y")], change=merge)

    assert "row 3 has no label, as 1 of 3 rows" in refusal(path)


def bomb() -> bytes:
    """A zip that says of its strings that they unpack to 300 MiB."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/sharedStrings.xml", bytes(1 << 20))
    return packed.getvalue().replace((1 << 20).to_bytes(4, "little"), (300 << 20).to_bytes(4, "little"))


def laughs(path: Path) -> Path:
    """A workbook whose strings are entities of entities of entities."""
    whole = book(path, [("text", "label"), ("a", "b")]).read_bytes()
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    sheet = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><worksheet>&e11;</worksheet>'
    with zipfile.ZipFile(BytesIO(whole)) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in source.namelist():
            made.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else source.read(name))
    return path


NO_BOOKS = {
    "a password": (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504), "has a password, or is an .xls of before 2007"),
    "a table": (b"text,label\na,b\n", "is no .xlsx file, whatever its name says"),
    "a zip of something else": (b"PK\5\6" + bytes(18), "is damaged, or no workbook"),
    "nothing": (b"", "is no .xlsx file"),
}


@pytest.mark.parametrize("name", NO_BOOKS)
def test_what_is_no_workbook_is_refused(tmp_path: Path, name: str) -> None:
    content, sentence = NO_BOOKS[name]
    (tmp_path / "a.xlsx").write_bytes(content)

    assert sentence in refusal(tmp_path / "a.xlsx")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(bomb())

    assert "would unpack to 314,572,800 bytes" in refusal(tmp_path / "a.xlsx")


def test_entities_of_entities_are_refused(tmp_path: Path) -> None:
    assert "is damaged, or no workbook" in refusal(laughs(tmp_path / "a.xlsx"))


def test_a_workbook_cut_off_is_refused(tmp_path: Path) -> None:
    whole = book(tmp_path / "a.xlsx", [("text", "label"), *ROWS]).read_bytes()
    (tmp_path / "a.xlsx").write_bytes(whole[:-200])

    assert "is no .xlsx file" in refusal(tmp_path / "a.xlsx")


# --- Parquet and Arrow ------------------------------------------------------------------------------


def arrow(columns: dict[str, Any], metadata: dict[str, str] | None = None) -> Any:
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table(columns).replace_schema_metadata(metadata)


def write_arrow(path: Path, made: Any) -> Path:
    from pyarrow import feather, ipc, parquet

    if path.suffix == ".parquet":
        parquet.write_table(made, path)
    elif path.suffix == ".feather":
        feather.write_feather(made, str(path))
    else:
        with path.open("wb") as file, ipc.new_stream(file, made.schema) as stream:
            stream.write_table(made)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrow"])
def test_tables_of_arrow_are_read(tmp_path: Path, suffix: str) -> None:
    made = arrow({"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS], "n": [1, 2, 3]})

    assert read(write_arrow(tmp_path / f"a{suffix}", made)) == [e._replace(line=e.line - 1) for e in EXAMPLES]


def test_classes_of_hugging_face_have_their_names(tmp_path: Path) -> None:
    label = {"names": ["neg", "pos"], "_type": "ClassLabel"}
    metadata = {"huggingface": json.dumps({"info": {"features": {"label": label, "text": {"dtype": "string"}}}})}
    path = write_arrow(tmp_path / "a.arrow", arrow({"text": ["a", "b", "c"], "label": [1, 0, -1]}, metadata))

    assert [row[:2] for row in read(path, missing=Missing.DROP)] == [("a", "pos"), ("b", "neg")]


def test_lists_of_labels_are_several(tmp_path: Path) -> None:
    path = write_arrow(tmp_path / "a.parquet", arrow({"text": ["a", "b"], "label": [["x", "y"], ["x"]]}))

    assert [row.label for row in read(path, Columns(several=True))] == ["x|y", "x"]


def test_nested_columns_are_no_texts(tmp_path: Path) -> None:
    path = write_arrow(tmp_path / "a.parquet", arrow({"text": [{"a": "b"}], "label": ["x"]}))

    assert 'row 1: \'text\' is not a text but {"a": "b"}' in refusal(path)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.feather"])
@pytest.mark.parametrize("content", [b"", b"text,label\n", b"PAR1" + bytes(40) + b"PAR1", b"ARROW1" + bytes(40)])
def test_what_is_no_table_of_arrow_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)

    assert "damaged" in refusal(tmp_path / name) or "cannot be read" in refusal(tmp_path / name)


@pytest.mark.parametrize("suffix", [".xlsx", ".parquet", ".arrow"])
def test_each_can_be_packed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".xlsx":
        book(path, [("text", "label"), *ROWS])
    else:
        write_arrow(path, arrow({"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}))
    packed = tmp_path / f"a{suffix}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    assert [row[:2] for row in read(packed)] == ROWS


# --- folders ----------------------------------------------------------------------------------------


def folder(path: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


CLASSES: dict[str, str | bytes] = {
    "好/1.txt": "很好，\n喜欢",
    "好/2.txt": "不错",
    "差/1.txt": "太差",
    ".git/x": b"\0",
    "好/.DS_Store": b"\0",
}


def test_a_folder_a_class(tmp_path: Path) -> None:
    found = {example[:2] for example in read(folder(tmp_path / "a", CLASSES))}

    assert found == {("很好， 喜欢", "好"), ("不错", "好"), ("太差", "差")}


def test_the_files_of_a_folder_tell_their_encoding_together(tmp_path: Path) -> None:
    said: list[str] = []
    texts = ["物流很快，非常满意", "不错", "太差", "性价比高"]
    path = folder(tmp_path / "a", {f"c{n % 2}/{n}.txt": text.encode("gbk") for n, text in enumerate(texts)})

    assert {example.text for example in read(path, say=said.append)} == set(texts)
    assert said == ["a is read as GB18030; --encoding names another one"]


BAD_FOLDERS: dict[str, tuple[dict[str, str | bytes], str]] = {
    "no files": ({".x": ""}, "is a folder without any files"),
    "a file beside the folders": (CLASSES | {"readme.md": "x"}, "a folder with readme.md in it"),
    "a picture": (CLASSES | {"好/3.png": b"\x89PNG\0\0"}, "png"),
    "a program": (CLASSES | {"好/3.bin": b"ab\0"}, "3.bin holds NUL bytes"),
}


@pytest.mark.parametrize("name", BAD_FOLDERS)
def test_a_folder_with_what_is_no_text_is_refused(tmp_path: Path, name: str) -> None:
    files, sentence = BAD_FOLDERS[name]

    assert sentence in refusal(folder(tmp_path, files))


def link(path: Path, target: Path) -> None:
    try:
        path.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("links cannot be made here")


@pytest.mark.parametrize(
    ("files", "label", "sentence"),
    [
        (["train.csv", "test.csv"], None, "holds texts in parts; name one of them, for example"),
        (["train.csv", "test.csv"], "", "holds texts in parts; name one of them, for example"),
        (["a.txt", "b.jsonl"], "", "is a folder with b.jsonl in it, a table and not a text; name that file"),
    ],
)
def test_a_table_in_a_folder_is_not_taken_for_a_text(
    tmp_path: Path, files: list[str], label: str | None, sentence: str
) -> None:
    assert sentence in refusal(folder(tmp_path / "f", dict.fromkeys(files, "text,label\na,b\n")), Columns(label=label))


def test_a_link_to_a_text_is_followed(tmp_path: Path) -> None:
    path = folder(tmp_path / "a", CLASSES)
    link(path / "差" / "2.txt", path / "差" / "1.txt")

    assert len(read(path)) == 4


@pytest.mark.parametrize(("target", "what"), [(".", "a folder"), ("nowhere", "nothing")])
def test_no_link_is_let_go_by_in_silence(tmp_path: Path, target: str, what: str) -> None:
    path = folder(tmp_path / "a", CLASSES)
    link(path / "中", path / target)

    assert f"is a link to {what}, which is not followed" in refusal(path)


def names(found: dict[str, list[Path]]) -> dict[str, list[str]]:
    return {part: [path.name for path in paths] for part, paths in found.items()}


@pytest.mark.parametrize(
    ("files", "parts"),
    [
        (["train.csv", "test.csv", "readme.md"], {"train": ["train.csv"], "test": ["test.csv"]}),
        (["train.jsonl", "validation.jsonl"], {"train": ["train.jsonl"], "dev": ["validation.jsonl"]}),
        (["training.csv", "val.csv", "dev.txt"], {"train": ["training.csv"], "dev": ["dev.txt", "val.csv"]}),
        (
            ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
            {"train": ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]},
        ),
        (
            ["train/data-00000.arrow", "train/state.json", "test/data-00000.arrow"],
            {"train": ["data-00000.arrow"], "test": ["data-00000.arrow"]},
        ),
        (["train/pos/1.txt", "train/neg/1.txt", "test/pos/1.txt"], {"train": ["train"], "test": ["test"]}),
        (["train/pos/1.txt", "train/urls.txt"], {"train": ["train"]}),
        (["train/1.txt", "ship/1.txt"], {}),
        (["pos/1.txt", "neg/1.txt"], {}),
        (["test.csv"], {}),
    ],
)
def test_a_folder_with_its_parts_in_it(tmp_path: Path, files: list[str], parts: dict[str, list[str]]) -> None:
    assert names(parts_of(folder(tmp_path, dict.fromkeys(files, "")))) == parts
