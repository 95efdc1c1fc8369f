"""The command in a wheel: what stands at the top of the repository lies in `tree` there, and goes on the path first.

At the top of site-packages the names `handler`, `training` and `build` would be anybody's, and `build` is somebody's.
Here they are seen by this command and the processes that it starts, and are the same modules that run in Lambda,
unchanged. In a clone there is no `tree`: the path has them already.
"""

import sys
from pathlib import Path


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parent / "tree"))
    from training.commands.cli import main as command

    command()


if __name__ == "__main__":
    main()
