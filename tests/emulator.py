"""AWS's runtime interface emulator, with the handler of this tree in it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Function:
    """A function in the emulator; one request at a time."""

    def __init__(
        self, emulator: Path, model: Path, log: Path, handler: str = "handler.api.lambda_handler", **more: str
    ) -> None:
        self.log = log
        self.address = f"127.0.0.1:{free_port()}"
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MODEL_DIR": str(model)} | more
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    emulator,
                    "--runtime-interface-emulator-address",
                    self.address,
                    "--runtime-api-address",
                    f"127.0.0.1:{free_port()}",
                    sys.executable,
                    "-m",
                    "awslambdaric",
                    handler,
                ],
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def invoke(self, event: object) -> dict[str, Any]:
        """What the function returned: the response, or Lambda's own error document."""
        url = f"http://{self.address}/2015-03-31/functions/function/invocations"
        for attempt in range(100):
            try:
                with urllib.request.urlopen(url, json.dumps(event).encode(), timeout=60) as answer:
                    result: dict[str, Any] = json.load(answer)
                    return result
            except urllib.error.URLError:  # it does not listen yet
                if attempt == 99 or self.process.poll() is not None:
                    raise
                time.sleep(0.1)
        raise AssertionError

    def wait(self) -> None:
        """Until it listens."""
        host, _, port = self.address.partition(":")
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the emulator does not listen")

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)  # a group of our own: the emulator and its Python
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
