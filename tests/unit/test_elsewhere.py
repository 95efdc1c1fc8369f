"""What macOS and Windows do not have, or do otherwise, is taken away here, or done so."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from support import ROOT

from handler.model.bundle import Bundle, load
from training.commands import batch
from training.commands.serve import make_server
from training.encoders import memory
from training.errors import InputError
from training.shipping import bundles


def refuse(*_: object, **__: object) -> NoReturn:
    raise PermissionError(13, "Access is denied")


# --- processors and memory ------------------------------------------------------------------------


def test_without_being_told_which_processors_are_its_own_it_takes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert batch.processes_for(0) == 2

    monkeypatch.delattr(os, "sched_getaffinity")
    assert batch.processes_for(0) == 7
    assert batch.processes_for(3) == 3

    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert batch.processes_for(0) == 1


def test_windows_gets_no_more_processes_than_it_can_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert batch.processes_for(100) == 100

    monkeypatch.setattr(sys, "platform", "win32")

    assert [batch.processes_for(asked) for asked in (60, 100)] == [60, 61]


def test_windows_does_not_say_how_much_memory_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.delattr(os, "sysconf", raising=False)

    assert memory.available_bytes() == math.inf


@pytest.mark.skipif(sys.platform == "win32", reason="it has no sysconf")
def test_macos_says_how_much_memory_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "nothing")
    pages = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 16384}

    def sysconf(name: str) -> int:
        if name not in pages:
            raise ValueError("unrecognized configuration name")
        return pages[name]

    monkeypatch.setattr(os, "sysconf", sysconf)
    assert memory.available_bytes() == 16_384_000

    pages.clear()
    assert memory.available_bytes() == math.inf


# --- names of files -------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["Texts.TXT", "texts.txt", "te\u0301xts.txt"])
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_two_outputs_that_would_be_one_file_there_are_refused(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, other: str
) -> None:
    # GIVEN files whose names differ in case, in nothing, or in how Unicode spells them
    first = "t\u00e9xts.txt" if "\u0301" in other else "texts.txt"
    files = [tmp_path / "one" / first, tmp_path / "two" / other]
    for file in files:
        file.parent.mkdir()
        file.write_text("好\n", encoding="utf-8")
    monkeypatch.setattr(sys, "platform", system)

    if system == "linux" and other != first:
        assert len(batch.plan(files, tmp_path / "out", bundle.manifest, batch.Options())) == 2
    else:
        with pytest.raises(InputError, match="would both be written to"):
            batch.plan(files, tmp_path / "out", bundle.manifest, batch.Options())


def test_a_long_chinese_name_leaves_room_for_that_of_the_temporary_file(bundle: Bundle, tmp_path: Path) -> None:
    # GIVEN names of up to 255 bytes, three of them a character
    output, model = tmp_path / f"{'评' * 75}.txt.predictions.jsonl", tmp_path / ("模" * 85)

    with batch._atomic(output) as file:
        file.write(b"{}\n")
    bundles.write(bundle, {}, model)

    assert output.read_bytes() == b"{}\n"
    assert load(model).model == bundle.model


def test_a_name_that_holds_what_stands_between_names_is_not_served() -> None:
    with pytest.raises(InputError, match="cannot be served: its name holds a"):
        make_server([Path("models", f"a{os.pathsep}b")], "127.0.0.1", 0, print)


def test_a_fetched_bundle_is_kept_where_the_system_has_its_temporary_files(tmp_path: Path) -> None:
    code = "from handler.model.fetch import KEPT; print(KEPT)"
    variables = {name: str(tmp_path) for name in ("TMPDIR", "TEMP", "TMP")}

    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | variables, check=True, capture_output=True
    ).stdout

    assert Path(os.fsdecode(said.strip())) == tmp_path


# --- what may not be written or removed -----------------------------------------------------------


def test_a_directory_is_tried_and_not_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a system that calls every directory writable, as Windows does
    monkeypatch.setattr(os, "access", lambda *_: True)
    bundles.check_destination(tmp_path / "model", force=False)
    assert list(tmp_path.iterdir()) == []

    # WHEN nothing can be made in it
    monkeypatch.setattr(Path, "mkdir", refuse)

    with pytest.raises(InputError, match="is no directory to write to; choose another --output"):
        bundles.check_destination(tmp_path / "model", force=False)


def test_files_are_not_classified_into_a_directory_that_takes_none(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("好\n", encoding="utf-8")
    monkeypatch.setattr(batch, "can_write", lambda _: False)

    with pytest.raises(InputError, match="cannot be written to; choose another --output"):
        batch.plan([tmp_path / "a.txt"], tmp_path, bundle.manifest, batch.Options())


def test_a_bundle_is_replaced_though_somebody_looks_into_the_old_one(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    bundles.write(bundle, {"card.md": "old"}, path)
    # GIVEN a system that removes no file that is open
    monkeypatch.setattr(os, "unlink", refuse)

    bundles.write(bundle, {"card.md": "new"}, path)

    assert (path / "card.md").read_text(encoding="utf-8") == "new"
    monkeypatch.undo()
    shutil.rmtree(tmp_path)
