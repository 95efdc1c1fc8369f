"""A bundle that is fetched: from a real S3 API over HTTP, in processes of their own, as a cold start is one."""

import hashlib
import os
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support import PYTHON

from handler.errors import BundleError
from handler.model.bundle import SHIPPED, Bundle
from handler.model.fetch import fetch

ROOT = Path(__file__).parents[2]
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1"}
# Loads what MODEL_URI names into a directory of ours and answers a text. FILE_LIMIT is how many bytes a file may have.
PROGRAM = """
import os, sys
from pathlib import Path
import handler.model.fetch
from handler.errors import BundleError
from handler.model.models import from_environment
handler.model.fetch.fetch.__defaults__ = (Path(sys.argv[1]),)
if "FILE_LIMIT" in os.environ:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["FILE_LIMIT"]),) * 2)
try:
    print(from_environment(os.environ).get().classify(["东西质量很好"])[0].label)
except BundleError as error:
    sys.exit(str(error))
"""


class Store(NamedTuple):
    """An S3 API and the sha256 of the bundle in it, s3://models/bundle.tar.gz."""

    url: str
    sha256: str


class Started(NamedTuple):
    """How a cold start ended."""

    output: str
    error: str
    left: list[str]


@pytest.fixture(scope="module")
def store(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    pytest.importorskip("moto")
    import boto3

    archive = tmp_path_factory.mktemp("store") / "bundle.tar.gz"
    with tarfile.open(archive, "w:gz") as members:
        for name in ("manifest.json", *SHIPPED):
            members.add(bundle_path / name, f"some/folder/{name}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
            client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **keys)
            client.create_bucket(Bucket="models")
            client.upload_file(str(archive), "models", "bundle.tar.gz")
            client.put_object(Bucket="models", Key="text.tar.gz", Body=b"this is no archive")
            client.close()
            yield Store(f"http://127.0.0.1:{port}", hashlib.sha256(archive.read_bytes()).hexdigest())
        finally:
            process.kill()


def wait_for(port: int) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError


def start(directory: Path, url: str, sha256: str, key: str = "bundle.tar.gz", **more: str) -> Started:
    directory.mkdir(exist_ok=True)
    own = {"AWS_ENDPOINT_URL": url, "MODEL_URI": f"s3://models/{key}", "MODEL_SHA256": sha256, "AWS_MAX_ATTEMPTS": "1"}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **KEYS, **own, **more}
    command = [*PYTHON, "-c", PROGRAM, str(directory)]
    ran = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert "Traceback" not in ran.stderr
    # ai-edge-litert tells which delegate it made.
    said = "\n".join(line for line in ran.stderr.splitlines() if not line.startswith("INFO: Created"))
    return Started(ran.stdout.strip(), said.strip(), sorted(path.name for path in directory.iterdir()))


def test_a_bundle_is_fetched_once_and_kept_under_its_hash(store: Store, tmp_path: Path) -> None:
    first = start(tmp_path, store.url, store.sha256)
    # GIVEN no store any more
    second = start(tmp_path, "http://127.0.0.1:9", store.sha256)

    assert first == second == Started("positive", "", [f"fenlei-{store.sha256}"])


def test_another_sha256_is_refused_and_nothing_is_left(store: Store, tmp_path: Path) -> None:
    started = start(tmp_path, store.url, "0" * 64)

    assert f"has the sha256 {store.sha256}, and not {'0' * 64}" in started.error
    assert started.left == []


def test_an_object_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    started = start(tmp_path, store.url, store.sha256, "nowhere.tar.gz")

    assert "s3://models/nowhere.tar.gz cannot be fetched: " in started.error
    assert started.left == []


def test_an_object_that_is_no_archive_is_named(store: Store, tmp_path: Path) -> None:
    started = start(tmp_path, store.url, hashlib.sha256(b"this is no archive").hexdigest(), "text.tar.gz")

    assert r"s3://models/text.tar.gz is not a bundle's .tar.gz" in started.error
    assert started.left == []


def test_a_full_disk_is_an_error_that_leaves_nothing(store: Store, tmp_path: Path) -> None:
    # GIVEN room for a part of the archive only
    started = start(tmp_path, store.url, store.sha256, FILE_LIMIT="100000")

    assert f"cannot be kept in {tmp_path}: File too large" in started.error
    assert started.left == []


@pytest.fixture
def breaking() -> Iterator[str]:
    """A server that promises a megabyte, sends some of it, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in range(10):
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + bytes(5000))

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_download_that_breaks_off_is_an_error_that_leaves_nothing(breaking: str, tmp_path: Path) -> None:
    started = start(tmp_path, breaking, "0" * 64)

    assert "s3://models/bundle.tar.gz cannot be fetched: " in started.error
    assert started.left == []


def test_two_starts_at_once_leave_one_bundle(store: Store, tmp_path: Path) -> None:
    results: list[Started] = []
    threads = [
        threading.Thread(target=lambda: results.append(start(tmp_path, store.url, store.sha256))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [result.output for result in results] == ["positive", "positive"]
    assert [path.name for path in tmp_path.iterdir()] == [f"fenlei-{store.sha256}"]


def test_a_path_is_served_where_it_is(bundle_path: Path, bundle: Bundle) -> None:
    from handler.model.models import from_environment

    assert fetch({"MODEL_URI": str(bundle_path)}) == bundle_path
    assert from_environment({"MODEL_URI": str(bundle_path)}).default == bundle.manifest.name


@pytest.mark.parametrize(
    ("uri", "sha256", "message"),
    [
        ("https://example.org/a.tar.gz", "0" * 64, r"give a path, or s3://bucket/key\.tar\.gz"),
        ("s3://bucket/model.zip", "0" * 64, r"named s3://bucket/key\.tar\.gz"),
        ("s3:///model.tar.gz", "0" * 64, r"named s3://bucket/key\.tar\.gz"),
        ("s3://bucket/model.tar.gz", "", "MODEL_SHA256 is not the 64 hexadecimal digits"),
        ("s3://bucket/model.tar.gz", "x" * 64, "MODEL_SHA256 is not the 64 hexadecimal digits"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(uri: str, sha256: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=message):
        fetch({"MODEL_URI": uri, "MODEL_SHA256": sha256}, tmp_path)
