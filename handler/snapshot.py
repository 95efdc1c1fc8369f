"""SnapStart: what a snapshot is to hold, and what each copy of it must do again."""

import random
from collections.abc import Callable


def register(before: Callable[[], None], after: Callable[[], None]) -> None:
    """Calls `before` once, when Lambda is about to take the snapshot, and `after` when a copy of it wakes up.

    A failure of `before` fails the publishing, one of `after` the start. Copies of a snapshot share all its state: each
    gets randomness of its own. Who keeps connections closes them in `before`. Without SnapStart nothing is called;
    outside Lambda there is nothing to register with.
    """
    try:
        from snapshot_restore_py import register_after_restore, register_before_snapshot
    except ModuleNotFoundError:
        return
    register_before_snapshot(before)
    register_after_restore(random.seed)
    register_after_restore(after)
