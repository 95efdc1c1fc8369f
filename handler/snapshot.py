"""SnapStart: what a snapshot is to hold, and what each copy of it must do again."""

import random
from collections.abc import Callable


def register(before: Callable[[], None]) -> None:
    """Calls `before` once, when Lambda is about to take the snapshot; a failure fails the publishing.

    Copies of a snapshot share all its state: each gets randomness of its own. Who keeps connections closes them in
    `before`. Without SnapStart nothing is called; outside Lambda there is nothing to register with.
    """
    try:
        from snapshot_restore_py import register_after_restore, register_before_snapshot
    except ModuleNotFoundError:
        return
    register_before_snapshot(before)
    register_after_restore(random.seed)
