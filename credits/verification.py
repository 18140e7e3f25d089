"""Walking the hash chain of a ledger, to find any change that was made behind its back."""

from typing import NamedTuple

from django.db import connection

from credits.ledger import HASH
from credits.models import GENESIS, Wallet
from credits.reconcile import known
from organizations.jobs import Found

BATCH = 2_000
NEXT = f"""
    SELECT number, expected, hash, count, problem FROM (
        SELECT e.number, expected, e.hash, count(*) OVER () AS count,
            CASE WHEN e.number <> expected THEN 'number ' || expected || ' is missing'
                WHEN e.previous_hash <> before THEN 'does not continue the entry before it'
                WHEN e.hash <> {HASH} THEN 'its hash is not that of its content' END AS problem
        FROM (
            SELECT page.*, %(number)s + row_number() OVER (ORDER BY number) AS expected,
                coalesce(lag(hash) OVER (ORDER BY number), %(hash)s) AS before
            FROM (
                SELECT * FROM credits_ledgerentry WHERE wallet_id = %(wallet)s AND number > %(number)s ORDER BY number LIMIT %(most)s
            ) page
        ) e
    ) walked
    ORDER BY problem IS NULL, CASE WHEN problem IS NULL THEN -number ELSE number END LIMIT 1"""
"""The first of the next entries that does not fit, or the last of them."""


class Place(NamedTuple):
    """How far a walk is: the last entry that fits, and its hash."""

    number: int
    hash: bytes


BEGINNING = Place(0, GENESIS)


class BadEntry(NamedTuple):
    """The first entry of a wallet that is not what was written, and what is wrong with it."""

    wallet: Wallet
    number: int
    problem: str


def verify(wallet: Wallet) -> BadEntry | None:
    """Recompute every hash of a wallet's ledger, in order; return the first entry that does not fit.

    An entry's hash covers all it says, its draws, and the grants it made: an edit of any of them shows here. Nothing is locked: what is
    posted meanwhile is walked too, up to a head that was read after it.
    """
    place = BEGINNING
    while isinstance(walked := walk(wallet, after=place), Place):
        place = walked
    return walked


def walk(wallet: Wallet, *, after: Place) -> Place | BadEntry | None:
    """Verify the next entries of a ledger. Returns how far they fit, or the first that does not; None at the end of a ledger that fits."""
    number, head, count, problem = _next(wallet, after)
    if problem:
        return BadEntry(wallet, number, problem)
    if count == BATCH:
        return Place(number, head)
    known_head = wallet.head_number
    if number > known_head:
        wallet.refresh_from_db(fields=["head_number", "head_hash"])
        if wallet.head_number != known_head:
            return Place(number, head)
    return _bad_head(wallet, number, head)


def finding(bad: BadEntry) -> Found:
    """Return a bad entry as a finding, like those of the books."""
    subject = f"entry {bad.number} of wallet {bad.wallet.id}"
    owner = known(bad.wallet.organization_id)
    return Found("every hash is that of its content", subject, bad.problem, owner)


def _next(wallet: Wallet, after: Place) -> tuple[int, bytes, int, str | None]:
    """Look at the next entries; return the number of the first that does not fit, or of the last, its hash, how many were looked at, and the problem."""
    with connection.cursor() as cursor:
        cursor.execute(
            NEXT,
            {"wallet": wallet.pk, "number": after.number, "hash": after.hash, "most": BATCH},
        )
        row = cursor.fetchone()
    if row is None:
        return after.number, after.hash, 0, None
    number, expected, hash, count, problem = row
    return expected if problem else number, bytes(hash), count, problem


def _bad_head(wallet: Wallet, number: int, last_hash: bytes) -> BadEntry | None:
    """Compare the end of the chain with what the wallet says of it: entries may be missing there, or be too many."""
    if number != wallet.head_number:
        problem = f"{number} entries are there, the wallet's head is entry {wallet.head_number}"
        return BadEntry(wallet, min(number, wallet.head_number) + 1, problem)
    if last_hash != bytes(wallet.head_hash):
        return BadEntry(wallet, number, "its hash is not that of the wallet's head")
    return None
