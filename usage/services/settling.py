"""After the work: what it really cost, charged once, and told in one usage event. All of it in one statement (`usage_settle_2`)."""

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
from organizations import statements
from organizations.idempotency import Earlier, Key
from organizations.ids import new_id
from organizations.models import Organization
from organizations.services import merged_metadata
from usage.counts import completed, remarks, tokens_of
from usage.pricing import (
    Counts,
    RateCard,
    Tokens,
    contradiction,
    counts_of,
    price,
    price_of,
    thaw,
)
from usage.services.spending import NotInTokens

SOURCE = "reservation"
"""The source of the events of holds; nobody else may use it."""
TIMES_HOLD = 10
"""How many times its hold work may have cost, if a personal key says so."""

_PARAMETERS = 18
_SETTLE = f"SELECT * FROM usage_settle_2({', '.join(['%s'] * _PARAMETERS)})"


class Outcome(NamedTuple):
    """What came of it: the columns of `usage_settle_2`, whose comment says what they mean."""

    outcome: str
    charged: Decimal | None
    late: bool | None
    moment: datetime | None
    figures: list[Decimal | None] | None
    earlier: Earlier
    """What was found under the key; of nulls, if the outcome is another."""


@dataclass(frozen=True)
class Done:
    """Work that was done: what its hold is, and what it cost, in credits, in tokens or in counts by unit."""

    reservation: Reservation
    performed_by: str
    now: datetime
    credits: Decimal | None = None
    tokens: Tokens | None = None
    metadata: dict[str, str] | None = None
    """What is said of the work that was not known when it was reserved."""
    usage: Counts | None = None
    personal: bool = False

    @cached_property
    def card(self) -> RateCard | None:
        """The prices of the moment of the reserve, if it was for a model."""
        frozen = self.reservation.rate_card
        return thaw(frozen) if frozen else None

    @cached_property
    def cost(self) -> Decimal:
        """What it costs.

        :raises NotInTokens: if tokens or counts are given and the hold has no model
        """
        if self.tokens is None and self.usage is None:
            return self.credits or ZERO
        if self.card is None:
            raise NotInTokens("it was reserved without a model: settle it in credits")
        if self.tokens is None:
            return price_of(self.card, completed(self.usage or {}), work_is_done=True)
        return price(self.card, self.tokens, work_is_done=True)

    @cached_property
    def given(self) -> dict[str, Any]:
        """The input as it was given, to tell a repeat from a contradiction."""
        said: dict[str, Any] = {} if self.metadata is None else {"metadata": self.metadata}
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
        if self.card and self.usage is not None:
            return list(counts_of(tokens_of(self.card, self.usage)).values())
        return list(counts_of(self.tokens).values()) if self.tokens else []

    @property
    def note(self) -> str:
        """Where the counts contradict each other, or have no price."""
        if self.card and self.usage is not None:
            return remarks(self.card, self.usage)
        return contradiction(self.card, self.tokens) if self.card and self.tokens else ""


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
    personal: bool = False,
) -> Reservation:
    """Charge what the work really cost, by credits, tokens or counts, however it was reserved; give back the rest of its hold.

    Less, equal or more than was held: the work is done, so what the wallet lacks becomes debt. After its expiry a hold is gone but the
    work is still charged, and marked late. Tokens are charged by the prices of the moment of the reserve; where their counts contradict
    each other, as far as they can be true, and the event notes it. Where the organization brings its own keys, nothing is charged, and
    on a free fallback what the balance reaches; the event also says what it would have cost. A repeat with the same input returns the
    first result.

    :param metadata: merges over that of the reservation, key by key, in the event and the entry; an empty text leaves a key out
    :param personal: whether a personal key says so: it charges its organization no more than a multiple of what it held
    :raises Reservation.DoesNotExist: if the organization has no such reservation
    :raises NotInTokens: if tokens are given and the hold has no model
    :raises MetadataTooLarge: if the merged metadata has too many keys, or is too long
    :raises ChargeTooLarge: if it is more than was held, and more than one piece of work may cost
    :raises AlreadySettled: if it was settled with another input
    :raises ReservationClosed: if it was released
    """
    seen = find_hold(organization.id, reservation_id)
    done = Done(seen, performed_by, now, credits, tokens, metadata, usage, personal)
    if not connection.in_atomic_block:
        settled = settle_at_once(organization, done)
        if isinstance(settled, Reservation):
            return settled
    return settle_with_care(organization, done)


def settle_at_once(
    organization: Organization, done: Done, *, key: Key | None = None
) -> Reservation | Earlier | None:
    """Settle in one statement that is its own transaction, if it can be done so; else return None.

    :param key: under which the answer is stored; if there is one already it is returned
    :raises NotInTokens: if tokens are given and the hold has no model
    """
    outcome = _send(organization, done, key=key)
    if outcome.outcome == "earlier":
        return outcome.earlier
    return _settled(done, outcome) if outcome.outcome == "settled" else None


@transaction.atomic(savepoint=False)
def settle_with_care(organization: Organization, done: Done) -> Reservation:
    """Settle in a transaction that first posts what is due, and sends on what an archived wallet is left with."""
    wallet, parent = lock(organization, now=done.now, needs_parent=is_archived)
    outcome = _send(organization, done, archived=is_archived(wallet))
    if outcome.outcome == "repeated":
        done.reservation.refresh_from_db()
        return done.reservation
    if outcome.outcome != "settled":
        raise _refusal(done, outcome)
    if is_archived(wallet):
        (again,) = ledger.lock(organization.id)
        reclaim_if_archived(again, parent, now=done.now)
    return _settled(done, outcome)


def _send(
    organization: Organization,
    done: Done,
    *,
    key: Key | None = None,
    archived: bool = False,
) -> Outcome:
    require_exact(done.cost)
    row = statements.fetch_one(
        _SETTLE,
        [
            organization.id,
            done.reservation.id,
            done.now,
            *(key.columns if key else (None, None, None, None)),
            archived,
            done.cost,
            json.dumps(done.given),
            TIMES_HOLD if done.personal else None,
            done.performed_by,
            new_id(),
            new_id(),
            done.classes,
            done.note,
            done.merged,
            None if done.usage is None else json.dumps(done.usage),
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
