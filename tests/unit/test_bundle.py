"""The bundle: whatever is missing, altered or of another format is said before anything runs."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import write_bundle

from handler.errors import BundleError
from handler.model.bundle import FORMAT, MANIFEST, MODEL, SHIPPED, Bundle, FileEntry, encode_manifest, load
from training.errors import InputError
from training.shipping import bundles as writing

DOCUMENTS = ("card.md", "report.html")


@pytest.fixture(scope="module")
def path(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bundle with documents, as training writes it: the model is cut short, since nothing runs it here."""
    small = msgspec.structs.replace(bundle, model=bundle.model[:5000], golden_lines=bundle.golden_lines[:3000])
    path = tmp_path_factory.mktemp("bundles") / "small"
    writing.write(small, {"card.md": "# 名", "report.html": "<html></html>"}, path)
    return path


@pytest.fixture
def copy(path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(path, tmp_path / "copy"))


@pytest.fixture(scope="module")
def archive(path: Path) -> Path:
    return pack(path, path.with_suffix(".tar.gz"))


def pack(directory: Path, target: Path) -> Path:
    with tarfile.open(target, "w:gz") as file:
        file.add(directory, directory.name)
    return target


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    return sentence.removeprefix(str(path)).lstrip("/ ")


def test_what_was_written_is_what_is_read(path: Path, bundle: Bundle) -> None:
    loaded = load(path)

    assert loaded.tokenizer == bundle.tokenizer
    assert loaded.model == bundle.model[:5000]
    assert loaded.manifest.labels == bundle.manifest.labels
    assert set(loaded.manifest.files) == set(SHIPPED)
    assert set(loaded.manifest.documents) == set(DOCUMENTS)


def test_an_archive_holds_the_same_bundle_as_its_directory(path: Path, archive: Path) -> None:
    assert load(archive) == load(path)


def test_the_documents_need_not_be_there(copy: Path) -> None:
    whole = load(copy)
    for name in DOCUMENTS:
        (copy / name).unlink()

    assert load(copy) == whole


def test_golden_texts_come_with_their_probabilities(bundle: Bundle) -> None:
    golden = bundle.golden()

    assert len(golden) == len({g.text for g in golden}) == 200
    assert all(sum(g.probabilities) == pytest.approx(1, abs=1e-5) for g in golden)
    assert all(len(g.probabilities) == len(bundle.manifest.labels) for g in golden)


# --- altered --------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(name=st.sampled_from((MANIFEST, *SHIPPED, *DOCUMENTS)), data=st.data())
def test_any_flipped_bit_in_any_file_is_detected_and_the_file_is_named(
    path: Path, name: str, data: st.DataObject
) -> None:
    file = path / name
    original = file.read_bytes()
    position, bit = data.draw(st.integers(0, len(original) - 1)), data.draw(st.integers(0, 7))
    altered = bytearray(original)
    altered[position] ^= 1 << bit
    try:
        file.write_bytes(altered)
        assert refusal(path).startswith(name)
    finally:
        file.write_bytes(original)


def holds_or_is_refused(damaged: Path, content: bytes, whole: Bundle) -> bool:
    """Whether damage that is not refused, as in a time stamp, left the very same bundle; never another error."""
    damaged.write_bytes(content)
    try:
        return load(damaged) == whole
    except BundleError as error:
        return str(error).startswith(str(damaged))


@settings(max_examples=200)
@given(data=st.data())
def test_a_damaged_archive_gives_the_same_bundle_or_a_bundle_error(
    path: Path, archive: Path, data: st.DataObject
) -> None:
    content = bytearray(archive.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))

    assert holds_or_is_refused(archive.with_name("damaged.tar.gz"), content, load(path))


def test_an_archive_can_end_or_go_wrong_anywhere(path: Path, archive: Path) -> None:
    content, damaged, whole = archive.read_bytes(), archive.with_name("damaged.tar.gz"), load(path)
    for position in range(0, len(content), len(content) // 200):
        wrong = bytes(byte ^ 0xFF for byte in content[position : position + 8])
        for altered in (content[:position], content[:position] + wrong + content[position + 8 :]):
            assert holds_or_is_refused(damaged, altered, whole)


@pytest.mark.parametrize("name", [*SHIPPED, *DOCUMENTS])
def test_a_truncated_file_is_named_with_its_sizes(copy: Path, name: str) -> None:
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-1])

    assert refusal(copy) == f"{name} has {len(content) - 1} bytes, and its manifest says {len(content)}."


@pytest.mark.parametrize("name", SHIPPED)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()

    assert refusal(copy).startswith(f"{name} is missing")


def test_a_manifest_that_says_the_same_in_other_bytes_is_not_the_manifest(copy: Path) -> None:
    manifest = copy / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b"  ", b" "))

    assert refusal(copy).startswith("manifest.json was changed after it was written")


def test_a_manifest_that_lists_too_little_is_refused(copy: Path) -> None:
    manifest = load(copy).manifest
    files = {name: entry for name, entry in manifest.files.items() if name != MODEL}
    (copy / MANIFEST).write_bytes(encode_manifest(msgspec.structs.replace(manifest, files=files)))

    assert refusal(copy).startswith("manifest.json does not list model.tflite")


# --- another format -------------------------------------------------------------------------------


def test_a_bundle_of_another_format_is_refused_with_both_formats(bundle: Bundle, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "next", bundle, format="fenlei-bundle/2")

    assert refusal(path) == f"manifest.json is of format 'fenlei-bundle/2', and this fenlei reads {FORMAT!r} only."


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": "\xff"}', b'{"a": ' + b"[" * 100_000],
    ids=lambda content: repr(content[:20]),
)
def test_a_manifest_that_is_no_json_object_is_refused(copy: Path, content: bytes) -> None:
    (copy / MANIFEST).write_bytes(content)

    assert refusal(copy).startswith("manifest.json is not a bundle's manifest")


def test_a_manifest_with_a_field_too_few_is_refused_with_its_name(copy: Path) -> None:
    manifest = msgspec.json.decode((copy / MANIFEST).read_bytes())
    del manifest["threshold"]
    (copy / MANIFEST).write_bytes(msgspec.json.encode(manifest))

    assert "threshold" in refusal(copy)


def test_a_directory_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "is not a bundle: it holds no manifest.json."


def test_a_bundle_that_is_not_there_is_told_how_to_make_it(tmp_path: Path) -> None:
    assert "does not exist; make a bundle with: fenlei train" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b\x08"], ids=repr)
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bundle.tar.gz"
    path.write_bytes(content)

    assert refusal(path).startswith("is neither a bundle's directory nor its .tar.gz")


def test_an_archive_with_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    archive, link = tmp_path / "bundle.tar.gz", tarfile.TarInfo(MODEL)
    link.type, link.linkname = tarfile.SYMTYPE, "nowhere"
    with tarfile.open(archive, "w:gz") as file:
        file.addfile(link)

    assert "nowhere" in refusal(archive)


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root, and on Windows everybody, may read every file")
def test_a_file_that_may_not_be_read_is_named(copy: Path) -> None:
    (copy / MODEL).chmod(0)

    assert refusal(copy) == "model.tflite cannot be read: Permission denied."


# --- version and seal -----------------------------------------------------------------------------


def test_the_version_is_that_of_the_content_and_not_of_the_documents(bundle: Bundle, tmp_path: Path) -> None:
    entry = FileEntry(1, "00")
    plain, documented, renamed = (
        load(write_bundle(tmp_path / name, bundle, **changes)).manifest
        for name, changes in [("a", {}), ("b", {"documents": {"card.md": entry}}), ("c", {"name": "other"})]
    )

    assert plain.version == documented.version != renamed.version
    assert plain.seal != documented.seal


# --- writing --------------------------------------------------------------------------------------


def left_over(directory: Path) -> Iterator[str]:
    return (path.name for path in directory.iterdir() if path.name not in ("copy", "four.csv"))


def test_writing_over_a_bundle_replaces_it_whole_and_leaves_nothing_else(copy: Path, bundle: Bundle) -> None:
    small = msgspec.structs.replace(bundle, model=b"other")

    written = writing.write(small, {}, copy)

    assert load(copy) == written
    assert {file.name for file in copy.iterdir()} == {MANIFEST, *SHIPPED}
    assert not list(left_over(copy.parent))


def test_a_bundle_is_not_replaced_unless_that_is_asked_for(copy: Path) -> None:
    writing.check_destination(copy, force=True)
    with pytest.raises(InputError, match="exists already; choose another --output, or give --force"):
        writing.check_destination(copy, force=False)


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_bundle_is_never_replaced(tmp_path: Path, four_lines: Path, force: bool) -> None:
    for path in (tmp_path, four_lines):
        with pytest.raises(
            InputError, match="exists already" if not force else "is not a bundle, so it is not replaced"
        ):
            writing.check_destination(path, force)


def test_a_place_that_cannot_be_written_is_refused_before_the_work(four_lines: Path) -> None:
    for path in (four_lines / "model", four_lines / "a" / "b"):
        with pytest.raises(InputError, match="is no directory to write to"):
            writing.check_destination(path, force=False)


def test_a_new_place_is_made_with_its_parents(copy: Path, bundle: Bundle) -> None:
    path = copy.parent / "a" / "b"

    writing.check_destination(path, force=False)
    writing.write(bundle, {}, path)

    assert load(path).model == bundle.model
