"""After the work: what it really cost, charged once, and told in one usage event. All of it in one statement (`usage_settle_3`)."""

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from credits import ledger
from credits.ledger import require_exact
from credits.models import ZERO, Reservation
from credits.services import AlreadySettled, ChargeTooLarge, ReservationClosed
from credits.services.admission import more_than
from credits.services.ending import reclaim_if_archived
from credits.services.finding import find_hold
from credits.services.locking import is_archived, lock
from organizations import statements, wire
from organizations.idempotency import Earlier, Key
from organizations.ids import new_id
from organizations.models import Organization
from organizations.services import merged_metadata
from usage.counts import as_json
from usage.pricing import Counts, Tokens, Unpriced, counts_of
from usage.services import terms
from usage.services.served import NoPrice, Served, by_hold, noted
from usage.services.spending import NotInTokens

SOURCE = "reservation"
"""The source of the events of holds; nobody else may use it."""
TIMES_HOLD = 10
"""How many times its hold work may have cost, if a personal key says so."""

_PARAMETERS = 21
_SETTLE = f"SELECT * FROM usage_settle_3({', '.join(['%s'] * _PARAMETERS)})"


class Outcome(NamedTuple):
    """What came of it: the columns of `usage_settle_3`, whose comment says what they mean."""

    outcome: str
    charged: Decimal | None
    late: bool | None
    moment: datetime | None
    figures: list[Decimal | None] | None
    entry: UUID | None
    earlier: Earlier
    """What was found under the key; of nulls, if the outcome is another."""


@dataclass(frozen=True)
class Done:
    """Work that was done: what its hold is, and what it cost, in credits, in tokens or in counts by unit."""

    organization: Organization
    reservation: Reservation
    performed_by: str
    now: datetime
    credits: Decimal | None = None
    tokens: Tokens | None = None
    metadata: dict[str, str] | None = None
    """What is said of the work that was not known when it was reserved."""
    usage: Counts | None = None
    model: str | None = None
    """Which model really served it, where that is said."""
    variant: str | None = None
    """How it was served, where that is said; empty is the standard way."""
    personal: bool = False

    @cached_property
    def served(self) -> Served | None:
        """What charges it: by the prices of the moment of the reserve; None without a model.

        :raises Left: if what is said to have served it is not there, or has no price
        """
        return by_hold(self.organization, self.reservation, self.model, self.variant)

    @property
    def cost(self) -> Decimal:
        """What it costs.

        :raises NotInTokens: if tokens or counts are given and there is no model
        :raises NoPrice: if something of it has no price
        """
        return self._charge[0]

    @property
    def note(self) -> str:
        """Where the counts contradict each other, or what was charged by another's price."""
        return self._charge[1]

    @cached_property
    def _charge(self) -> tuple[Decimal, str]:
        served = self.served
        if self.tokens is None and self.usage is None:
            return self.credits or ZERO, served.naming if served else ""
        if served is None:
            raise NotInTokens("it was reserved without a model: settle it in credits, or name one")
        try:
            return served.charge(self.tokens, self.usage)
        except Unpriced:
            book = terms.current(self.organization)
        try:
            return served.charge(self.tokens, self.usage, book)
        except NoPrice as error:
            if not self.reservation.byok:
                raise
            return ZERO, noted(served.naming, str(error))

    @cached_property
    def given(self) -> dict[str, Any]:
        """The input as it was given, to tell a repeat from a contradiction."""
        beside = {"metadata": self.metadata, "model": self.model, "variant": self.variant}
        said = {name: value for name, value in beside.items() if value is not None}
        if self.usage is not None:
            return {"usage": self.usage, **said}
        if self.tokens is None:
            return {"credits": f"{(self.credits or ZERO).normalize():f}", **said}
        return {**counts_of(self.tokens), **said}

    @property
    def merged(self) -> str | None:
        """The metadata of the reservation and over it that of the settle, as the function of the database takes it; null to keep the first.

        :raises MetadataTooLarge: if both together have too many keys, or are too long
        """
        if self.metadata is None:
            return None
        return json.dumps(merged_metadata(self.reservation.metadata, self.metadata))

    @property
    def classes(self) -> list[int]:
        """The tokens of each class, as their provider counts them."""
        if self.served and self.usage is not None:
            return list(counts_of(self.served.tokens(self.usage)).values())
        return list(counts_of(self.tokens).values()) if self.tokens else []


def settle(
    *,
    organization: Organization,
    reservation_id: UUID,
    performed_by: str,
    now: datetime,
    credits: Decimal | None = None,
    tokens: Tokens | None = None,
    metadata: dict[str, str] | None = None,
    usage: Counts | None = None,
    model: str | None = None,
    variant: str | None = None,
    personal: bool = False,
) -> Reservation:
    """Charge what the work really cost, by credits, tokens or counts, however it was reserved; give back the rest of its hold.

    Less, equal or more than was held: the work is done, so what the wallet lacks becomes debt. After its expiry a hold is gone but the
    work is still charged, and marked late. Tokens are charged by the prices of the moment of the reserve; where their counts contradict
    each other, as far as they can be true, and the event notes it. Where the organization brings its own keys, nothing is charged, and
    on a free fallback what the balance reaches; the event also says what it would have cost. A repeat with the same input returns the
    first result.

    :param metadata: merges over that of the reservation, key by key, in the event and the entry; an empty text leaves a key out
    :param model: which model really served it: it is charged by that one's prices of the moment of the reserve
    :param variant: how it really was served, like `service_tier=flex`; as was asked unless said, and empty is the standard way
    :param personal: whether a personal key says so: it charges its organization no more than a multiple of what it held
    :raises Reservation.DoesNotExist: if the organization has no such reservation
    :raises NotInTokens: if tokens are given and there is no model
    :raises Left: if there is no such model, or it has no prices of then, or none of the variant
    :raises NoPrice: if something of it has no price: it stays as it is until there is one
    :raises MetadataTooLarge: if the merged metadata has too many keys, or is too long
    :raises ChargeTooLarge: if it is more than was held, and more than one piece of work may cost
    :raises AlreadySettled: if it was settled with another input
    :raises ReservationClosed: if it was released
    """
    seen = find_hold(organization.id, reservation_id)
    done = Done(
        *(organization, seen, performed_by, now, credits, tokens, metadata, usage),
        *(model, variant, personal),
    )
    if not connection.in_atomic_block:
        settled = settle_at_once(done)
        if isinstance(settled, Reservation):
            return settled
    return settle_with_care(done)


def settle_at_once(done: Done, *, key: Key | None = None) -> Reservation | Earlier | None:
    """Settle in one statement that is its own transaction, if it can be done so; else return None.

    :param key: under which the answer is stored; if there is one already it is returned
    :raises NotInTokens: if tokens are given and there is no model
    """
    outcome = _send(done, key=key)
    if outcome.outcome == "earlier":
        return outcome.earlier
    return _settled(done, outcome) if outcome.outcome == "settled" else None


@transaction.atomic(savepoint=False)
def settle_with_care(done: Done) -> Reservation:
    """Settle in a transaction that first posts what is due, and sends on what an archived wallet is left with."""
    wallet, parent = lock(done.organization, now=done.now, needs_parent=is_archived)
    outcome = _send(done, archived=is_archived(wallet))
    if outcome.outcome == "repeated":
        done.reservation.refresh_from_db()
        done.reservation.settled_entry_id = outcome.entry
        return done.reservation
    if outcome.outcome != "settled":
        raise _refusal(done, outcome)
    if is_archived(wallet):
        (again,) = ledger.lock(done.organization.id)
        reclaim_if_archived(again, parent, now=done.now)
    return _settled(done, outcome)


def _send(done: Done, *, key: Key | None = None, archived: bool = False) -> Outcome:
    is_over = done.reservation.status == Reservation.Status.SETTLED
    # Of work that is settled it is only asked whether it was settled so: it may have no price any more.
    cost, note = (ZERO, "") if is_over else (done.cost, done.note)
    served = None if is_over else done.served
    require_exact(cost)
    row = statements.fetch_one(
        _SETTLE,
        [
            done.organization.id,
            done.reservation.id,
            done.now,
            *(key.columns if key else (None, None, None, None)),
            archived,
            cost,
            wire.dumps(done.given).decode(),
            TIMES_HOLD if done.personal else None,
            done.performed_by,
            new_id(),
            new_id(),
            [] if is_over else done.classes,
            note,
            done.merged,
            None if done.usage is None else as_json(done.usage),
            served.model if served else None,
            served.variant if served else "",
            served.card.starts_at if served else None,
        ],
    )
    assert row is not None  # a function returns a row
    return Outcome._make((*row[:-4], Earlier(*row[-4:])))


def _settled(done: Done, outcome: Outcome) -> Reservation:
    reservation = done.reservation
    reservation.status = Reservation.Status.SETTLED
    reservation.settled_credits = outcome.charged
    reservation.settled_with = done.given
    reservation.late = bool(outcome.late)
    reservation.closed_at = outcome.moment
    reservation.figures = outcome.figures or []
    reservation.settled_entry_id = outcome.entry
    return reservation


def _refusal(done: Done, outcome: Outcome) -> Exception:
    """Return why work is not charged."""
    figure = outcome.charged or ZERO
    if outcome.outcome == "missing":
        return Reservation.DoesNotExist("the organization has no such reservation")
    if outcome.outcome == "other":
        return AlreadySettled(f"settled for {figure:f}, with other input than this")
    if outcome.outcome == "released":
        return ReservationClosed("released: nothing is held for this work any more")
    if outcome.outcome == "too_large":
        return more_than(done.cost, figure)
    if outcome.outcome == "too_many_times":
        return ChargeTooLarge(
            f"{done.cost.normalize():f} credits: a personal key settles at most {TIMES_HOLD} times"
            f" the {figure.normalize():f} that it held"
        )
    return AssertionError(f"{outcome.outcome}: not under the lock")
