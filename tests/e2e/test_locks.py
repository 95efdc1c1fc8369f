"""`make lock` says what it changes; `make audit` looks up what is pinned."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from support import ROOT

from build import audit, locks_report, resolve, wheels
from build.errors import BuildError

LOCK = wheels.LOCKS / "handler.txt"


def test_the_readme_s_table_of_machines_is_what_uv_finds() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "build.resolve", resolve.RUN],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    if done.returncode and "cannot resolve" in done.stderr:
        pytest.skip(done.stderr.strip())
    table = done.stdout.rpartition(f"{resolve.RUN}.txt: ")[0]
    assert table.count("\n") == 2 + len(resolve.MACHINES)
    for name in ("README.md", "README.zh-CN.md"):
        assert table in (ROOT / name).read_text(encoding="utf-8")


def test_what_has_no_wheel_on_a_machine_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "small.txt"
    entries = wheels.entries_of((wheels.LOCKS / "handler.txt").read_text(encoding="utf-8"))
    lock.write_text("".join(entry for entry in entries if entry.startswith("ai-edge-litert==2.3.0")), encoding="utf-8")

    try:
        found = resolve.resolve(lock, "x86_64-apple-darwin", "3.13")
    except BuildError as error:
        pytest.skip(str(error))
    assert resolve.cell(found) == "no ai-edge-litert"
    assert resolve.cell(resolve.resolve(lock, "x86_64-manylinux_2_34", "3.14")) == "serves"


def test_a_lock_that_stays_is_weighed_and_passes_the_gate() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "build.locks_report", LOCK], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )

    first, *builds = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert first == "handler.txt: every version as before"
    assert [line.split(":")[0] for line in builds] == ["python3.13 x86_64", "python3.13 arm64", "image-debian12 x86_64"]
    assert all(" MB " in line and "needs GLIBC 2." in line and line.endswith("; loads") for line in builds)


def test_changed_versions_are_told_with_those_that_ship_marked(tmp_path: Path) -> None:
    old = tmp_path / "old.txt"
    text = LOCK.read_text(encoding="utf-8")
    current = locks_report.versions(LOCK)
    old.write_text(
        text.replace(f"msgspec=={current['msgspec']}", "msgspec==0.1").replace("tqdm==", "tqdn=="), encoding="utf-8"
    )

    changed = locks_report.changed_versions(locks_report.versions(old), current)

    assert changed == [
        f"* msgspec 0.1 -> {current['msgspec']}",
        f"  tqdm (new) -> {current['tqdm']}",
        f"  tqdn {current['tqdm']} -> (gone)",
    ]
    assert current["numpy"].count(" and ") == 2  # NumPy 1; the last 2 for Python 3.11; today's


class Database(BaseHTTPRequestHandler):
    """Answers as OSV does, and knows of one vulnerability, in one version of one package."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        known = {
            "id": "TEST-1",
            "affected": [
                {
                    "package": {"name": "msgspec", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
                }
            ],
        }
        body = json.dumps({"vulns": [known]} if asked["package"]["name"] == "msgspec" else {}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Database)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def auditor() -> Path:
    found = ROOT / ".envs/audit/bin/python"
    if not found.exists():
        pytest.skip("pip-audit is not installed; make audit")
    return found


def run(auditor: Path, database: str) -> subprocess.CompletedProcess[str]:
    command = [auditor, "-m", "build.audit", LOCK, "--database", database]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)


def test_a_known_vulnerability_is_found_and_fails_the_audit(auditor: Path, database: str) -> None:
    done = run(auditor, database)

    found, total = done.stdout.splitlines()
    assert done.returncode == 1, done.stderr
    assert found == f"msgspec {locks_report.versions(LOCK)['msgspec']}: TEST-1, fixed in 99.0"
    assert total.startswith("1 known vulnerabilities in ")


def test_without_a_database_it_says_that_it_did_not_run(auditor: Path) -> None:
    done = run(auditor, "http://127.0.0.1:9/v1/query")

    assert done.stdout.startswith("The audit did NOT run, nothing was looked up: ")
    assert "Traceback" not in done.stdout


def test_every_pin_is_looked_up_whatever_python_it_is_for() -> None:
    found = audit.pins([LOCK.read_text(encoding="utf-8")])

    assert len([pin for pin in found if pin.startswith("numpy==")]) == 3
    assert any(pin.startswith("tflite-runtime==") for pin in found)
    assert any(pin.startswith("ai-edge-litert==") for pin in found)
