"""What a request costs beyond the work itself, and how many there are in a second: `make bench`.

In process, texts of 50 characters, `lambda_handler` beside a floor of tokenizer.encode and interpreter.invoke alone.
The two take turns, so that a slow moment of the machine hits both; medians. Then over HTTP on this machine, one
process each: `fenlei serve` beside the same model behind FastAPI + uvicorn and behind Flask, which take turns too.
"""

import http.client
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import numpy as np

from handler import api
from handler.api import lambda_handler
from handler.drift import WINDOW_TEXTS
from handler.model import bundle as bundles
from handler.model.classifier import Classifier
from handler.model.interpreter import RUNTIME
from handler.model.models import from_environment, models
from tests.local_server import serving
from training.commands.serve import Context, proxy_event

CHARACTERS = 50
ROUNDS = {1: 2000, 32: 300}
OVERHEAD_CEILING, BYTES_CEILING = 0.15, 1024
REQUESTS, TURNS = 400, 5
JSON = {"Content-Type": "application/json"}


def main(bundle_path: Path) -> None:
    os.environ["MODEL_DIR"] = str(bundle_path)
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "false"
    results, sys.stdout = sys.stdout, Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - the handler prints its metrics there
    bundle = bundles.load(bundle_path)
    sources = [golden.text[:CHARACTERS] for golden in bundle.golden() if len(golden.text) >= CHARACTERS]
    bodies = {count: [sources[i % len(sources)] for i in range(count)] for count in ROUNDS}
    in_process(Classifier(bundle), bodies, results)
    observability(bodies, results)
    over_http(bundle_path, bodies, results)


def in_process(classifier: Classifier, bodies: dict[int, list[str]], results: object) -> None:
    manifest = classifier.manifest
    say(results, f"{manifest.name} ({manifest.family}) on {RUNTIME}, Python {sys.version.split()[0]}, in process")
    say(results, f"{'texts':>8} {'handler us':>11} {'floor us':>9} {'ratio':>6}")
    for count, texts in bodies.items():
        handler_us, floor_us = interleaved([request(texts), floor(classifier, texts)], ROUNDS[count])
        say(results, f"{count:>8} {handler_us:>11.0f} {floor_us:>9.0f} {handler_us / floor_us:>6.2f}")
    (explained,) = interleaved([request(bodies[1], explain=True)], 500)
    say(results, f"{'explain':>8} {explained:>11.0f}")


def observability(bodies: dict[int, list[str]], results: object) -> None:
    """What lines of metrics and the counting for drift cost: time, beside requests without them, and bytes."""
    say(
        results,
        f"{'texts':>8} {'observed us':>12} {'quiet us':>9} {'overhead':>9} {'bytes a request':>16} {'drift bytes':>12}",
    )
    served, unwatched = models(), from_environment(os.environ)
    for count, texts in bodies.items():
        ask = request(texts)

        def quietly(ask: Callable[[], None] = ask) -> None:
            os.environ["POWERTOOLS_METRICS_DISABLED"], api.models = "true", lambda: unwatched
            ask()

        def watched(ask: Callable[[], None] = ask) -> None:
            os.environ["POWERTOOLS_METRICS_DISABLED"], api.models = "false", lambda: served
            ask()

        observed_us, quiet_us = interleaved([watched, quietly], ROUNDS[count])
        sys.stdout, kept = io.StringIO(), sys.stdout
        for _ in range(WINDOW_TEXTS):
            watched()
        lines, sys.stdout = sys.stdout.getvalue().encode().splitlines(keepends=True), kept
        own = sum(len(line) for line in lines if b'"Requests"' in line) / WINDOW_TEXTS
        drift = sum(map(len, lines)) / WINDOW_TEXTS - own
        overhead = observed_us / quiet_us - 1
        say(
            results,
            f"{count:>8} {observed_us:>12.0f} {quiet_us:>9.0f} {overhead:>9.1%} {own:>16.0f} {drift:>12.0f}",
        )
        if overhead > OVERHEAD_CEILING or own > BYTES_CEILING:
            sys.exit(
                f"error: observability costs more than {OVERHEAD_CEILING:.0%} of a request or {BYTES_CEILING} bytes"
            )


def request(texts: list[str], **options: bool) -> Callable[[], None]:
    body = json.dumps({"texts": texts, **options}, ensure_ascii=False).encode()
    event, context = proxy_event("POST", "/v1/classify", JSON, body), Context("bench")

    def run() -> None:
        assert lambda_handler(event, context)["statusCode"] == 200

    return run


def floor(classifier: Classifier, texts: list[str]) -> Callable[[], None]:
    """The least that must be done: tokenize, and run the network on a ready batch."""
    ids = classifier.encode(texts).ids
    signature = next(
        s for s in classifier.manifest.signatures if s.batch >= len(texts) and s.length >= len(max(ids, key=len))
    )
    batch = np.zeros((signature.batch, signature.length), np.int32)
    for row, tokens in zip(batch, ids, strict=False):
        row[: len(tokens)] = tokens
    interpreter = classifier._interpreter._interpreter
    runner = interpreter.get_signature_runner(signature.name("predict"))
    encode = classifier.tokenizer.encode

    def run() -> None:
        for text in texts:
            encode(text)
        runner(token_ids=batch)

    return run


def interleaved(functions: list[Callable[[], None]], rounds: int) -> list[float]:
    """Median microseconds of functions that take turns."""
    times: list[list[float]] = [[] for _ in functions]
    for i in range(rounds + 20):
        for function, taken in zip(functions, times, strict=True):
            started = time.perf_counter()
            function()
            if i >= 20:
                taken.append((time.perf_counter() - started) * 1e6)
    return [median(taken) for taken in times]


# --- over HTTP ------------------------------------------------------------------------------------


def over_http(bundle_path: Path, bodies: dict[int, list[str]], results: object) -> None:
    say(results, "one process over HTTP on this machine, one kept connection, requests per second")
    say(results, f"{'texts':>8} {'fenlei serve':>13} {'FastAPI':>9} {'Flask':>9}")
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(bundle_path))]
        urls += [stack.enter_context(peer(kind, bundle_path)) for kind in ("fastapi", "flask")]
        for count, texts in bodies.items():
            body = json.dumps({"texts": texts}, ensure_ascii=False).encode()
            rates: list[list[float]] = [[] for _ in urls]
            for _ in range(TURNS):
                for url, measured in zip(urls, rates, strict=True):
                    measured.append(rate(url, body, REQUESTS // count + 20))
            say(results, f"{count:>8} {median(rates[0]):>13.0f} {median(rates[1]):>9.0f} {median(rates[2]):>9.0f}")


@contextmanager
def peer(kind: str, bundle_path: Path) -> Iterator[str]:
    """Starts one of tests/bench/peers.py and waits until it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "tests.bench.peers", kind, str(bundle_path), str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(150):
                time.sleep(0.1)
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def rate(url: str, body: bytes, requests: int) -> float:
    """Requests per second, one after the other on one connection."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    started = time.perf_counter()
    for _ in range(requests):
        connection.request("POST", "/v1/classify", body, JSON)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        response.read()
    elapsed = time.perf_counter() - started
    connection.close()
    return requests / elapsed


def say(results: object, line: str) -> None:
    print(line, file=results, flush=True)  # type: ignore[call-overload]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
