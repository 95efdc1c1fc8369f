"""Workbooks of before 2007 and of LibreOffice, and which of their sheets is read."""

import gzip
import zipfile
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from training.data.files import ANY, read
from training.data.formats import calamine
from training.data.formats.rows import Columns
from training.data.read import Example
from training.errors import InputError

# A workbook of xlwt: a sheet `notes`, and `texts` with EXAMPLES and numbers for labels.
XLS = """
H4sIAAAAAAACA+1YTWgTQRT+Zjfb/JCkSU2FVighYNXYi3jx0q4KWi+WKohWlLppI0hiImkKVVCrNeBFEDwpvRR68VL14g960JsHoaIHQRASPQqCoOChzf
rmZVITzaEBDbXst8ybt2+++XtvZvbn9WK4OPegu4TfMAAdZduLthqboOSt3oRA5bYt1WruoWQ7+K/g9VAg2ww8DbxyyxjKeJeg4b7rBUngI6UTOIehbCYZ
bSH28hgsIcfQL1y09jTMUgqii8fVwXKM5QaW95j7jOVuttxg2U/cojiORXMovkut42NajMuCJAUecZ33bNmBTryU6/jyTVHhGtiTO2Ol12ZBj8uPeVDkBp
OZZM5KFxGhEM7jux0FvlX36vOoY2+tXYDsP+rt7gb2W5oLmIZ9SsiFWEAAti5LDGSy+eSENIwZFUM+OZWfWMIBGW1OZLcS2ck8rYgpakWWkyltJZJpA+L6
6MURvz17JJailuMjX04GaStQo1ErejqbOzuZtnzyOOftH6rb/gHeFH6S42hnPcxbI0QH/NLdr28OJobNUbZM85FfeTBsljOBjSuyBlUOrpSAuXGW21le5V
Y3sd7NMkKzobx3uFMp+2eYc41Le6mfnYy35pYafSvphc+HHvcUPpnbSF8YLF2ILLwz5xCjB9U41ZfXDPpEn7hzW+KJWc2FOkI+sOz64zjxaCE1dls9/dqx
DB+rYZaVO+kdOcsBrQMPZUU6fH6hFT52rVMfa3U+1hVfNOAL5ks/XNJ8PJ4we1nytQZ8jfmG4le871N8vQFfZ36b4usr7XPM0SjmDhw4cODAgQMHaxZCvT
rq6kXSUC+obvVfZ5lS2flNsm5xGFm68vRZug8ZynM439T62QhDVNsSq6xT/V8ocZR6zyGFBI8j1fT6pQ8MUTufVVcM/b0t1Gz/5WbG+Y/7/wlvy5DYABYA
AA==
"""
EXAMPLES = [Example("很好，喜欢", "1", 2), Example("太差", "2", 3), Example("=not a formula", "1", 4)]
OFFICE = "urn:oasis:names:tc:opendocument:xmlns"


def xls(path: Path) -> Path:
    content = gzip.decompress(b64decode(XLS))
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def ods(path: Path, hidden: str = "") -> Path:
    """The same, as LibreOffice writes it, as far as it is read."""

    def cell(value: object) -> str:
        if isinstance(value, int):
            return f'<table:table-cell office:value-type="float" office:value="{value}"/>'
        text = f"<text:p>{escape(str(value))}</text:p>"
        return f'<table:table-cell office:value-type="string">{text}</table:table-cell>'

    sheets = {"notes": [("about", "x")], "texts": [("text", "label"), *((e.text, int(e.label)) for e in EXAMPLES)]}
    tables = "".join(
        f'<table:table table:name="{name}" table:style-name="{"off" if name == hidden else "on"}">'
        + "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
        + "</table:table>"
        for name, rows in sheets.items()
    )
    styles = "".join(
        f'<style:style style:name="{name}" style:family="table"><style:table-properties table:display="{shown}"/>'
        "</style:style>"
        for name, shown in (("on", "true"), ("off", "false"))
    )
    spaces = " ".join(f'xmlns:{name}="{OFFICE}:{name}:1.0"' for name in ("office", "table", "text", "style"))
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        made.writestr("META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="{OFFICE}:manifest:1.0"/>')
        made.writestr(
            "content.xml",
            f'<?xml version="1.0"?><office:document-content {spaces}><office:automatic-styles>{styles}'
            f"</office:automatic-styles><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
            "</office:document-content>",
        )
    return path


def refusal(path: Path, columns: Columns = ANY) -> str:
    with pytest.raises(InputError) as caught:
        read(path, columns)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert sentence.endswith(".")
    return sentence


@pytest.fixture
def library() -> None:
    pytest.importorskip("python_calamine")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("make", "name"), [(xls, "a.xls"), (xls, "a.xls.gz"), (ods, "a.ods")])
def test_the_sheet_with_texts_is_read_and_another_one_can_be_named(
    tmp_path: Path, make: Callable[[Path], Path], name: str
) -> None:
    path, said = make(tmp_path / name), list[str]()

    assert read(path, say=said.append) == EXAMPLES
    assert said == [f"{name}: the sheet 'texts' is read; --sheet names another one"]
    assert read(path, Columns(sheet="texts"), say=said.append) == EXAMPLES
    assert len(said) == 1
    assert "has no sheet 'more' with anything in it, only: notes, texts" in refusal(path, Columns(sheet="more"))
    assert "which columns hold the texts" in refusal(path, Columns(sheet="notes"))


@pytest.mark.usefixtures("library")
def test_a_hidden_sheet_is_read_only_if_it_is_named(tmp_path: Path) -> None:
    path, said = ods(tmp_path / "a.ods", hidden="notes"), list[str]()

    assert read(path, say=said.append) == EXAMPLES
    assert said == []
    assert "which columns hold the texts" in refusal(path, Columns(sheet="notes"))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.xls", b"text,label\n", "is no .xls file"),
        ("a.xls", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "is damaged, or no workbook"),
        ("a.ods", b"text,label\n", "is no .ods file"),
        ("a.ods", b"PK\x05\x06" + bytes(18), "is damaged, or no workbook"),
    ],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)

    assert sentence in refusal(tmp_path / name)


def test_without_the_library_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calamine, "find_spec", lambda _: None)

    assert "pip install python-calamine, or save the file as .xlsx" in refusal(xls(tmp_path / "a.xls"))


def test_a_sheet_of_a_workbook_can_be_named(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "one"
    for title in ("one", "two"):
        sheet = book.active if title == "one" else book.create_sheet(title)
        for row in (("text", "label"), (f"of {title}", "a"), ("more", "b")):
            sheet.append(row)
    book["two"].sheet_state = "hidden"
    book.save(tmp_path / "a.xlsx")

    assert read(tmp_path / "a.xlsx", Columns(sheet="two"))[0].text == "of two"
    assert read(tmp_path / "a.xlsx")[0].text == "of one"
    book["two"].sheet_state = "visible"
    book.save(tmp_path / "a.xlsx")
    assert "which holds the texts is not plain; name it, for example: --sheet one" in refusal(tmp_path / "a.xlsx")
