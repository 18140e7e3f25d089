"""Walking the hash chain of a ledger, to find any change that was made behind its back."""

from typing import NamedTuple

from django.db import DataError

from credits import ledger
from credits.models import GENESIS, Grant, GrantDraw, LedgerEntry, Wallet
from credits.reconcile import known
from organizations.jobs import Found

BATCH = 2_000


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
    try:
        return _walk(wallet, after, batch=BATCH)
    except DataError:
        # Somebody wrote a value that we cannot read, such as a time after the year 9999. Find out where.
        return _walk_one_by_one(wallet, after)


def finding(bad: BadEntry) -> Found:
    """Return a bad entry as a finding, like those of the books."""
    subject = f"entry {bad.number} of wallet {bad.wallet.id}"
    owner = known(bad.wallet.organization_id)
    return Found("every hash is that of its content", subject, bad.problem, owner)


def _walk_one_by_one(wallet: Wallet, place: Place) -> BadEntry | None:
    while True:
        try:
            walked = _walk(wallet, place, batch=1)
        except DataError as error:
            return BadEntry(wallet, place.number + 1, f"it cannot be read: {error}")
        if not isinstance(walked, Place):
            return walked
        place = walked


def _walk(wallet: Wallet, place: Place, *, batch: int) -> Place | BadEntry | None:
    number, previous = place
    entries = _page(wallet, after=number, size=batch)
    for entry in entries:
        number += 1
        problem = _problem(entry, number, previous)
        if problem:
            return BadEntry(wallet, number, problem)
        previous = bytes(entry.hash)
    if len(entries) == batch:
        return Place(number, previous)
    head = wallet.head_number
    if number > head:
        wallet.refresh_from_db(fields=["head_number", "head_hash"])
        if wallet.head_number != head:
            return Place(number, previous)
    return _bad_head(wallet, number, previous)


def _bad_head(wallet: Wallet, number: int, last_hash: bytes) -> BadEntry | None:
    """Compare the end of the chain with what the wallet says of it: entries may be missing there, or be too many."""
    if number != wallet.head_number:
        problem = f"{number} entries are there, the wallet's head is entry {wallet.head_number}"
        return BadEntry(wallet, min(number, wallet.head_number) + 1, problem)
    if last_hash != bytes(wallet.head_hash):
        return BadEntry(wallet, number, "its hash is not that of the wallet's head")
    return None


def _page(wallet: Wallet, *, after: int, size: int) -> list[LedgerEntry]:
    """Read the next entries with their draws and grants. In pages, not by a cursor: an error would leave that open."""
    entries = LedgerEntry.objects.filter(wallet=wallet, number__gt=after).order_by("number")
    return list(entries.prefetch_related("draws", "grants")[:size])


def _problem(entry: LedgerEntry, number: int, previous: bytes) -> str | None:
    if entry.number != number:
        return f"number {number} is missing"
    if bytes(entry.previous_hash) != previous:
        return "does not continue the entry before it"
    changes = [_as_drawn(draw) for draw in entry.draws.all()]
    made: list[Grant] = list(entry.grants.all())
    if ledger.digest(entry, changes, made) != bytes(entry.hash):
        return "its hash is not that of its content"
    return None


def _as_drawn(draw: GrantDraw) -> ledger.Draw:
    """Return a draw as the hash reads it. The grant itself may be gone; its id is what was written."""
    return ledger.Draw(Grant(id=draw.grant_id), draw.amount)
