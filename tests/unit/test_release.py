"""A release is packed once and unpacked elsewhere: the same content, and nothing that its digest does not say."""

import os
from pathlib import Path

import pytest

from build import archive, release
from build.errors import BuildError


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What `sam build` makes, in small."""
    path = tmp_path / "build"
    for name, content in {"template.yaml": "Resources: {}\n", "ApiFunction/handler/分类.py": "好\n"}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content, encoding="utf-8")
    return path


@pytest.fixture
def packed(built: Path, tmp_path: Path) -> Path:
    path = tmp_path / "dist/release.zip"
    release.pack(built, path)
    return path


def test_what_is_unpacked_is_what_was_packed_and_nothing_else(built: Path, packed: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "of-an-older-release").write_text("", encoding="utf-8")

    release.unpack(packed, elsewhere)

    assert archive.files(elsewhere) == archive.files(built)
    for name in archive.files(built):
        assert (elsewhere / name).read_bytes() == (built / name).read_bytes()
    assert (elsewhere / "template.yaml").stat().st_mtime == 315532800  # SAM finds by it what is uploaded already


def test_the_same_content_gives_the_same_release(built: Path, packed: Path, tmp_path: Path) -> None:
    os.utime(built / "template.yaml", (1, 1))
    (built / "template.yaml").chmod(0o600)

    release.pack(built, tmp_path / "again/release.zip")

    assert (tmp_path / "again/release.zip").read_bytes() == packed.read_bytes()
    assert release.digest_of(packed).read_text(encoding="utf-8") == f"{archive.sha256(packed)}  release.zip\n"


def test_a_release_that_was_changed_is_not_unpacked(packed: Path, built: Path) -> None:
    packed.write_bytes(packed.read_bytes() + b"!")

    with pytest.raises(BuildError, match=r"release\.zip is not what .*release\.zip\.sha256 says"):
        release.unpack(packed, built)

    assert (built / "template.yaml").exists()


def test_what_is_not_there_is_said_with_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="make it with: sam build"):
        release.pack(tmp_path / "nothing", tmp_path / "release.zip")
    with pytest.raises(BuildError, match="make them with: make release"):
        release.unpack(tmp_path / "release.zip", tmp_path / "build")
