"""`fenlei` forked from a process that has imported TensorFlow: of a tiny training, that import is half of the time.

    python -m tests.warm serve SOCKET            imports, and forks for each that asks, until standard input ends
    python -S tests/warm.py SOCKET train ...     asks; to whoever started it, it is the command itself

What runs is the same code in a process of its own, with the arguments, the directory, the environment and the standard
streams of whoever asked.
"""

import atexit
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path

MAX_REQUEST_BYTES = 1 << 20


def serve(path: str) -> int:
    """Forks for each that asks; what it gives is the exit status of a process."""
    from training.learning.fit import load_tensorflow

    load_tensorflow()
    import training.learning.layers  # noqa: F401 # and with it Keras

    # No process of this one waits for another: the kernel does.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([sys.stdin, listening], [], [])[0]:
            asking, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                become(asking)
            asking.close()
    return 0


def become(asking: socket.socket) -> None:
    """Runs `fenlei` for whoever asked, tells its exit status, and ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    content, streams, _, _ = socket.recv_fds(asking, MAX_REQUEST_BYTES, 3)
    said = json.loads(content)
    for descriptor, stream in enumerate(streams):
        os.dup2(stream, descriptor)
        os.close(stream)
    sys.stdin, sys.stdout = os.fdopen(0, encoding="utf-8"), os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    os.chdir(said["directory"])
    os.environ.clear()
    os.environ.update(said["environment"])
    sys.argv = ["fenlei", *said["arguments"]]
    asking.sendall(f"{os.getpid()}\n".encode())
    status = 1
    try:
        from training.commands.cli import main

        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        end_like_python()
        asking.sendall(f"{status}\n".encode())
        os._exit(status)


def end_like_python() -> None:
    """What Python does at its end, and `os._exit` does not."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()


def ask(path: str, arguments: list[str]) -> int:
    """Gives the exit status of the process that was forked for these arguments; signals are passed on to it."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)
        said = {"arguments": arguments, "directory": str(Path.cwd()), "environment": dict(os.environ)}
        socket.send_fds(asking, [json.dumps(said).encode()], [0, 1, 2])
        answers = asking.makefile()
        forked = int(answers.readline())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: os.kill(forked, number))
        status = answers.readline()
    return int(status) if status else 128 + signal.SIGKILL


if __name__ == "__main__":
    sys.exit(serve(sys.argv[2]) if sys.argv[1] == "serve" else ask(sys.argv[1], sys.argv[2:]))
