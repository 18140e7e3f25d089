"""Gates: how many requests of one process may wait for one wallet, so that a wallet that is locked occupies nobody else's threads.

While a wallet moves, nearly all threads may be at it, and whoever finds them there waits for a place. Once a wait for its lock ended in
vain (in a third of a second) the wallet is *stuck*: until one gets through again, two try and everybody else is sent away at once.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.db import DatabaseError

LOCK_TIMEOUTS = {"55P03", "57014"}
"""What PostgreSQL calls it when a wait for a lock, or a statement that waits for one, took too long."""
STUCK_KEPT = 1_000
"""Of how many stuck wallets at most it is remembered that they are."""


class WalletBusy(Exception):
    """More requests than may wait are waiting for this wallet already."""

    wait = 1.0


@dataclass
class Gates:
    """The gates of one process, one for each wallet that somebody is at. Shared by its threads."""

    places: int = 12
    """At most so many requests are at one wallet that moves: fewer than there are threads."""
    places_if_stuck: int = 2
    places_of_all_stuck: int = 6
    patience_seconds: float = 5.0
    """How long to wait for one of the places: as long as the wallet moves that is a matter of milliseconds."""
    inside: dict[UUID, int] = field(default_factory=dict)
    stuck: dict[UUID, None] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def through(self, organization_id: UUID) -> Iterator[None]:
        """Take a place at the wallet of an organization for as long as the block lasts.

        :raises WalletBusy: if there is none
        """
        self._enter(organization_id)
        moves: bool | None = None
        try:
            yield
            moves = True
        except DatabaseError as error:
            moves = False if waited_in_vain(error) else None
            raise
        finally:
            self._leave(organization_id, moves=moves)

    def _enter(self, organization_id: UUID) -> None:
        until = time.monotonic() + self.patience_seconds
        with self._changed:
            while self._is_full(organization_id):
                left = until - time.monotonic()
                if left <= 0 or organization_id in self.stuck:
                    raise WalletBusy("too many requests are waiting for this wallet; try again")
                self._changed.wait(left)
            self.inside[organization_id] = self.inside.get(organization_id, 0) + 1

    def _leave(self, organization_id: UUID, *, moves: bool | None) -> None:
        """Give the place back, and say whether the wallet moves, if that is known."""
        with self._changed:
            self.inside[organization_id] -= 1
            if not self.inside[organization_id]:
                del self.inside[organization_id]
            if moves:
                self.stuck.pop(organization_id, None)
            elif moves is False:
                self.stuck[organization_id] = None
                while len(self.stuck) > STUCK_KEPT:
                    del self.stuck[next(iter(self.stuck))]
            self._changed.notify_all()

    def _is_full(self, organization_id: UUID) -> bool:
        inside = self.inside.get(organization_id, 0)
        if organization_id not in self.stuck:
            return inside >= self.places
        at_stuck = sum(count for each, count in self.inside.items() if each in self.stuck)
        return inside >= self.places_if_stuck or at_stuck >= self.places_of_all_stuck


def waited_in_vain(error: DatabaseError) -> bool:
    """Whether this is a wait for a lock that took too long."""
    return getattr(error.__cause__, "sqlstate", None) in LOCK_TIMEOUTS


gates = Gates()
"""This process's."""
