"""How many reservations a wallet had at a moment, counted in portions: there may be millions, and no statement may take as long as they are many."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

from django.db import connection

MOST = 2_000
"""Up to how many are counted for each of several wallets in one statement."""
PORTION = 100_000
"""How many of one wallet are counted in a statement of its own."""
COUNTED = """
    SELECT count(*) FILTER (WHERE r.created_at <= %(until)s) AS counted, count(*) AS looked_at
    FROM (SELECT created_at FROM credits_reservation WHERE wallet_id = w.id ORDER BY id LIMIT %(most)s + 1) r"""
"""In SQL, of a wallet `w`: how many there are, if no more than `most` had to be looked at."""
NEXT = """
    SELECT count(*) FILTER (WHERE r.created_at <= %(until)s), count(*), max(r.id::text COLLATE "C")
    FROM (
        SELECT id, created_at FROM credits_reservation WHERE wallet_id = %(wallet)s AND id > %(after)s ORDER BY id LIMIT %(portion)s
    ) r"""


class Tally(NamedTuple):
    """How many were counted of one wallet, and up to which."""

    counted: int
    counted_to: str

    @classmethod
    def read(cls, place: dict[str, Any]) -> Self:
        """Return the tally that a place says, as `said` does."""
        return cls(place["counted"], place["counted_to"])

    @property
    def said(self) -> dict[str, Any]:
        return self._asdict()


BEGINNING = Tally(0, str(UUID(int=0)))


def count(
    wallets: Sequence[tuple[UUID, int, int]], until: datetime, tally: Tally
) -> tuple[list[int], Tally]:
    """Return how many reservations the first of some wallets had, as many as are counted, and the tally of the next.

    :param wallets: with what `COUNTED` says of each
    :param tally: of the first of them, from where its counting goes on
    """
    counts: list[int] = []
    for wallet_id, counted, looked_at in wallets:
        if looked_at <= MOST:
            counts.append(counted)
        elif counts:
            break  # it is the first one the next time
        else:
            tally, is_last = _count_on(wallet_id, until, tally)
            return ([tally.counted], BEGINNING) if is_last else ([], tally)
    return counts, BEGINNING


def _count_on(wallet_id: UUID, until: datetime, tally: Tally) -> tuple[Tally, bool]:
    """Count the next reservations of a wallet; return how many there are so far, and whether that was the last portion."""
    asked: dict[str, Any] = {
        "wallet": wallet_id,
        "after": tally.counted_to,
        "until": until,
        "portion": PORTION,
    }
    with connection.cursor() as cursor:
        cursor.execute(NEXT, asked)
        counted, looked_at, last = cursor.fetchone()
    return Tally(tally.counted + counted, last or tally.counted_to), looked_at < PORTION
