"""Waiting for what somebody else does: for as long as it takes, since a busy machine is no failure."""

import time
from collections.abc import Callable

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.01


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait until a condition holds. Returns False if it does not within a minute."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(PAUSE_SECONDS)
    return True
