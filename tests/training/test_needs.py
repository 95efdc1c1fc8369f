"""What a bundle needs of a machine, and the parameters that follow from it."""

import hashlib
import sys
import tarfile
from pathlib import Path

import pytest
from command import fenlei
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support import write_bundle

from handler.model.bundle import Bundle, Needs, load
from training.errors import WorkError
from training.shipping.needs import measured, parameters


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process's memory")
def test_a_bundle_is_measured_in_a_process_that_serves_it(bundle: Bundle) -> None:
    needs = measured(bundle).manifest.needs

    assert needs is not None
    assert 40 < needs.megabytes < 400
    assert 0 < needs.slowest < needs.start + 60


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process's memory")
def test_a_bundle_that_cannot_be_served_is_not_written(bundle: Bundle) -> None:
    with pytest.raises(WorkError, match=r"cannot serve the bundle: .*model\.tflite"):
        measured(replace(bundle, model=b"no model"))


def test_needs_are_sealed_and_leave_the_version_as_it_is(bundle: Bundle, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "measured", bundle, needs=Needs(300, 1.0, 0.5))

    assert load(path).manifest.version == bundle.manifest.version
    assert load(path).manifest.needs == Needs(300, 1.0, 0.5)


@given(megabytes=st.integers(1, 6000), start=st.floats(0, 10), slowest=st.floats(0, 10))
def test_parameters_hold_what_was_measured_and_what_lambda_takes(megabytes: int, start: float, slowest: float) -> None:
    found = parameters(Needs(megabytes, start, slowest))

    assert max(1024, 1.5 * megabytes) <= found["ApiMemory"] <= max(1024, 1.5 * megabytes + 128)
    assert 15 <= found["ApiTimeout"] <= 29
    assert found["ApiTimeout"] == 29 or found["ApiTimeout"] >= 3 * (start + 4 * slowest)


def test_the_command_gives_parameters_for_the_deployment(bundle: Bundle, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "large", bundle, needs=Needs(900, 2.0, 1.5))
    archive = tmp_path / "large.tar.gz"
    with tarfile.open(archive, "w:gz") as members:
        members.add(path, "large")

    ran = fenlei("needs", archive)

    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert ran.output.strip() == f"ApiMemory=1408 ApiTimeout=29 ModelSha256={sha256}"
    assert "900 MB of memory, 2 s to the first answer, 1.5 s for 32 of the longest texts" in ran.errors


def test_a_bundle_that_was_not_measured_says_so(bundle: Bundle, tmp_path: Path) -> None:
    ran = fenlei("needs", write_bundle(tmp_path / "old", bundle, needs=None))

    assert ran.status == 2
    assert "does not say what it needs; train it again" in ran.errors.replace("\n", " ")
