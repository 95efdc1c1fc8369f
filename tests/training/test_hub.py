"""An encoder by name, from a hub on this machine; and weights in several files."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from checkpoints import write_checkpoint
from command import COMMAND
from hub import COMMIT, LocalHub
from safetensors.numpy import load_file, save_file
from support import ROOT

from training.encoders.checkpoint import open_checkpoint
from training.encoders.hub import Hub, open_named
from training.errors import InputError

UNUSED = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    directory = tmp_path_factory.mktemp("hub")
    names = ("tiny", "gated", "multilingual-e5-small", "llama", "pickled")
    made = {f"me/{name}": write_checkpoint(directory / name) for name in names}
    (made["me/tiny"] / "pytorch_model.bin").write_bytes(b"a pickle")
    (made["me/llama"] / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    (made["me/pickled"] / "model.safetensors").rename(made["me/pickled"] / "pytorch_model.bin")
    with LocalHub(made, gated="gated") as hub:
        yield hub


@pytest.mark.parametrize("revision", ["", "@main", f"@{COMMIT}"])
def test_what_is_read_is_fetched_once_with_its_commit(hub: LocalHub, tmp_path: Path, revision: str) -> None:
    hub.asked.clear()

    checkpoint = open_named(f"me/tiny{revision}", 1, Hub(hub.url, tmp_path))
    again = open_named(f"me/tiny{revision}", 1, Hub(hub.url, tmp_path))
    offline = open_named(f"me/tiny{revision}", 1, Hub(UNUSED, tmp_path))

    assert (checkpoint.name, checkpoint.commit, checkpoint.shape.blocks) == ("me/tiny", COMMIT, 1)
    assert again.directory == offline.directory == checkpoint.directory
    assert sorted(hub.asked) == ["config.json", "model.safetensors", "vocab.txt"]


def test_a_prefix_goes_with_the_name_on_the_hub(hub: LocalHub, tmp_path: Path) -> None:
    checkpoint = open_named("me/multilingual-e5-small", None, Hub(hub.url, tmp_path))

    words = [checkpoint.tokenizer.id_to_token(i) for i in checkpoint.before[1:]]
    assert "".join(words).replace("##", "").startswith("query")


def test_an_architecture_that_is_not_supported_costs_no_weights(hub: LocalHub, tmp_path: Path) -> None:
    hub.asked.clear()

    with pytest.raises(InputError, match="the architecture 'llama' is not supported"):
        open_named("me/llama", None, Hub(hub.url, tmp_path))
    assert hub.asked == ["config.json"]


REFUSED = {
    "me/none": "me/none: there is neither such a directory nor such a model on the hub",
    "me/gated": r"me/gated: its authors ask for consent: .* token in HF_TOKEN",
    "me/tiny@v9": "me/tiny: it has no revision 'v9'",
    "me/pickled": r"no weights in safetensors, and others, such as pickles, are not loaded; .*save_pretrained",
    "a--b/tiny": r"a--b/tiny: Cannot have -- or \.\.",
    "nowhere": "nowhere is not a directory; .* owner/name@revision",
}


@pytest.mark.parametrize(("named", "message"), REFUSED.items(), ids=REFUSED)
def test_what_is_not_to_be_had_is_said_in_a_sentence(hub: LocalHub, tmp_path: Path, named: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        open_named(named, None, Hub(hub.url, tmp_path))
    assert "\n" not in str(refused.value)


def test_a_hub_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="me/tiny: the hub does not answer, and it is not in the cache"):
        open_named("me/tiny", None, Hub(UNUSED, tmp_path))


def test_a_disk_that_fills_leaves_nothing_that_looks_whole(hub: LocalHub, four_lines: Path, tmp_path: Path) -> None:
    # GIVEN a process whose files may not grow beyond what config.json takes
    code = (
        "import resource, os, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4000,) * 2); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    call = [COMMAND, "train", four_lines, "--checkpoint", "me/tiny", "-o", tmp_path / "model"]
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}

    ran = subprocess.run(
        [sys.executable, "-c", code, *call],
        cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip

    assert (ran.returncode, "Traceback" in ran.stderr) == (2, False), ran.stderr
    assert "me/tiny: it cannot be fetched or kept (File too large)" in ran.stderr
    whole = open_named("me/tiny", None, Hub(hub.url, tmp_path / "home" / "hub"))
    assert whole.parameters > 0


def sharded(directory: Path) -> Path:
    """A checkpoint whose tensors are in two files, with an index."""
    held = load_file(write_checkpoint(directory) / "model.safetensors")
    names, places = list(held), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: held[name] for name in part}, directory / file)
        places |= dict.fromkeys(part, file)
    (directory / "model.safetensors").unlink()
    index = json.dumps({"metadata": {}, "weight_map": places})
    (directory / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    return directory


def test_weights_in_several_files_are_the_same_weights(tmp_path: Path) -> None:
    whole, parts = (
        open_checkpoint(path) for path in (write_checkpoint(tmp_path / "whole"), sharded(tmp_path / "parts"))
    )

    assert parts.parameters == whole.parameters
    found = parts.tensors()
    assert all(np.array_equal(found[name], value) for name, value in whole.tensors().items())
    assert open_checkpoint(tmp_path / "parts").fingerprint() == parts.fingerprint() != whole.fingerprint()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda d: (d / "model-00002-of-00002.safetensors").unlink(),
            "00002.safetensors does not exist, and .* names it",
        ),
        (lambda d: (d / "model-00001-of-00002.safetensors").write_bytes(b"\0" * 9), "00001.* is damaged"),
        (lambda d: (d / "model.safetensors.index.json").write_text("{}", encoding="utf-8"), "has no 'weight_map'"),
        (
            lambda d: (d / "model-00001-of-00002.safetensors").write_bytes(
                (d / "model-00002-of-00002.safetensors").read_bytes()
            ),
            "does not go with the files",
        ),
    ],
)
def test_an_index_and_its_files_have_to_be_there_and_agree(tmp_path: Path, damage: object, message: str) -> None:
    directory = sharded(tmp_path / "parts")
    damage(directory)  # type: ignore[operator]

    with pytest.raises(InputError, match=message):
        open_checkpoint(directory)
