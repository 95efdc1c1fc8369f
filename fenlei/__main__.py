"""The command in a wheel: what stands at the top of the repository lies in `tree` there, and goes on the path first.

At the top of site-packages the names `handler`, `training` and `build` would be anybody's, and `build` is somebody's.
Here they are seen by this command and the processes that it starts, and are the same modules that run in Lambda,
unchanged. In a clone there is no `tree`: the path has them already.
"""

import os
import sys
from pathlib import Path


def start_again_in_utf8() -> None:
    """Starts Python again, in its UTF-8 mode, if the locale has another encoding.

    Linux takes the encoding of arguments and of names of files from the locale as Python starts, and keeps to it. In
    the C locale neither NumPy 2 nor TensorFlow is even imported from a directory whose name is Chinese, so nothing of
    ours is before this. On macOS and Windows that encoding is UTF-8.
    """
    if os.name == "posix" and sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def main() -> None:
    start_again_in_utf8()
    sys.path.insert(0, str(Path(__file__).parent / "tree"))
    from training.commands.cli import main as command

    command()


if __name__ == "__main__":
    main()
