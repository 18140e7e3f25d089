"""After the work: what it really cost, charged once, and told in one usage event."""

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from credits import services as credits_services
from credits.models import ZERO, Reservation
from credits.periods import month_of
from organizations.models import Organization
from usage.models import UsageEvent
from usage.pricing import Tokens, contradiction, price, thaw
from usage.services.spending import NotInTokens
from usage.services.storing import store

SOURCE = "reservation"
"""The source of the events of holds; nobody else may use it."""
TIMES_HOLD = 10
"""How many times its hold work may have cost, if a personal key says so."""


@transaction.atomic(savepoint=False)
def settle(
    *,
    organization: Organization,
    reservation_id: UUID,
    performed_by: str,
    now: datetime,
    credits: Decimal | None = None,
    tokens: Tokens | None = None,
    units: int = 0,
    personal: bool = False,
) -> Reservation:
    """Charge what the work really cost, by credits or by tokens, however it was reserved.

    Tokens are charged by the prices of the moment of the reserve; where their counts contradict each other, as far as they can be true,
    and the event notes it. Where the organization brings its own keys, nothing is charged, and on a free fallback what the balance
    reaches; the event also says what it would have cost. A repeat with the same input returns the first result.

    :param personal: whether a personal key says so: it charges its organization no more than a multiple of what it held
    :raises Reservation.DoesNotExist: if the organization has no such reservation
    :raises NotInTokens: if tokens are given and the hold has no model
    :raises ChargeTooLarge: if it is more than was held, and more than one piece of work may cost
    :raises AlreadySettled: if it was settled with another input
    :raises ReservationClosed: if it was released
    """
    seen = Reservation.objects.get(id=reservation_id, wallet__organization=organization)
    cost = _cost(seen, credits, tokens, units)
    reservation = credits_services.settle(
        organization=organization,
        reservation_id=reservation_id,
        credits=ZERO if seen.byok else cost,
        performed_by=performed_by,
        now=now,
        settled_with=_given(credits, tokens, units),
        times_hold=TIMES_HOLD if personal else None,
    )
    # A repeat finds its event there.
    if not UsageEvent.objects.filter(reservation=reservation).exists():
        event = _event(reservation, organization, cost, tokens, now=now)
        store(reservation.wallet, [event])
    return reservation


def _cost(
    reservation: Reservation, credits: Decimal | None, tokens: Tokens | None, units: int
) -> Decimal:
    if tokens is None:
        return credits or ZERO
    if reservation.rate_card is None:
        raise NotInTokens("it was reserved without a model: settle it in credits")
    return price(thaw(reservation.rate_card), tokens, units=units, work_is_done=True)


def _given(credits: Decimal | None, tokens: Tokens | None, units: int) -> dict[str, Any]:
    if tokens is None:
        return {"credits": f"{(credits or ZERO).normalize():f}"}
    return {**asdict(tokens), **({"units": units} if units else {})}


def _event(
    reservation: Reservation,
    organization: Organization,
    cost: Decimal,
    tokens: Tokens | None,
    *,
    now: datetime,
) -> UsageEvent:
    card = reservation.rate_card
    return UsageEvent(
        organization=organization,
        source=SOURCE,
        external_id=str(reservation.id),
        reservation=reservation,
        actor_id=reservation.actor_id,
        group_id=reservation.group_id,
        model_id=reservation.effective_model or None,
        work_type=reservation.work_type,
        resource_type=reservation.resource_type,
        resource_id=reservation.resource_id,
        credits=reservation.settled_credits or ZERO,
        list_credits=cost,
        rated_at=card["starts_at"] if card else None,
        month=month_of(reservation.created_at).starts_at.date(),
        counter_ids=reservation.counter_ids,
        byok=reservation.byok,
        late=reservation.late,
        note=contradiction(thaw(card), tokens) if card and tokens else "",
        metadata=reservation.metadata,
        occurred_at=now,
        created_at=now,
        **counts(tokens),
    )


def counts(tokens: Tokens | None) -> dict[str, int]:
    """Return token counts as the fields of a usage event."""
    return {f"{name}_tokens": count for name, count in asdict(tokens).items()} if tokens else {}
