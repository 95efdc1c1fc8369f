"""A model hub on this machine: what `huggingface_hub` asks of one, answered from a directory, over HTTP."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "5" * 40


class LocalHub:
    """Serves directories as models, each under a name and the revisions `main` and COMMIT; `asked` are the files."""

    def __init__(self, models: dict[str, Path], gated: str = "") -> None:
        self.models, self.gated, self.asked = models, gated, list[str]()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self)

            def do_HEAD(self) -> None:
                hub.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "LocalHub":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Information, a list of files, or a file; or the code by which the library knows what is wrong."""
        parts = unquote(urlsplit(request.path).path).strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        asked = parts[2:] if api else parts
        owner, name, kind, revision, *rest = asked + [""] * (4 - len(asked))
        directory = self.models.get(f"{owner}/{name}")
        if directory is None:
            return _refuse(request, 401, "RepoNotFound")
        if name == self.gated and kind in ("resolve", "tree"):
            return _refuse(request, 403, "GatedRepo")
        if revision not in ("", "main", COMMIT):
            return _refuse(request, 404, "RevisionNotFound")
        if not api:
            return self._file(request, directory / "/".join(rest))
        files = sorted(path for path in directory.iterdir() if path.is_file())
        if kind == "tree":
            return _send(request, json.dumps([_entry(path) for path in files]).encode())
        told = {"id": f"{owner}/{name}", "sha": COMMIT, "private": False, "tags": [], "downloads": 0, "likes": 0}
        return _send(request, json.dumps(told).encode())

    def _file(self, request: BaseHTTPRequestHandler, path: Path) -> None:
        if not path.is_file():
            return _refuse(request, 404, "EntryNotFound")
        if request.command == "GET":
            self.asked.append(path.name)
        return _send(request, path.read_bytes())


def _entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"type": "file", "path": path.name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}


def _refuse(request: BaseHTTPRequestHandler, status: int, code: str) -> None:
    request.send_response(status)
    request.send_header("X-Error-Code", code)
    request.send_header("Content-Length", "0")
    request.end_headers()


def _send(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
    request.send_header("X-Repo-Commit", COMMIT)
    request.end_headers()
    if request.command == "GET":
        request.wfile.write(content)
