"""Before the work: who may spend what, on which model, at what price.

Usually that is one statement: the terms are known to this process, and the admission compares under the wallet's lock whether they are
still in force. What cannot be decided so, and every refusal, takes a transaction: terms that changed, a period that ended, holds that
ran out of time, a refill. The admission is the same.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from credits import ledger
from credits.ledger import Outcome, Wanted
from credits.models import ZERO, Reservation, Wallet
from credits.services import (
    DEFAULT_TIME_TO_LIVE,
    HoldsAreEnding,
    ReservationClosed,
)
from credits.services.admission import denial, looked_at, more_than, too_large
from credits.services.crowding import too_many
from credits.services.holds import Asked, admit
from credits.services.relief import Later, unblocks_at
from organizations import statements
from organizations.gates import WalletBusy
from organizations.idempotency import Earlier, Key
from organizations.models import Organization
from organizations.services import (
    OrganizationArchived,
    OrganizationSuspended,
    require_active,
)
from usage.counts import completed
from usage.pricing import (
    NOTHING,
    Counts,
    ImpossibleTokens,
    Unpriced,
    asked_variant,
    dearest,
    price,
    thaw,
)
from usage.services import terms
from usage.services.asking import Ask, Left, Work, no_price
from usage.services.decisions import Decision, Denied, NotAllowed, with_tokens
from usage.services.wanting import Request, chosen_of, estimate_of, estimated, fitted

EXACT = Reservation.Mode.EXACT
PORTIONS = 10
"""How many portions of holds whose time has passed a call gives back, each in a transaction, before it says that there are more."""
_SAID_BY_TERMS = (
    NotAllowed,
    Left,
    ImpossibleTokens,
    OrganizationSuspended,
    OrganizationArchived,
)
"""What the terms that a process knows may say, and those that are in force may not."""


class NothingHeld(Exception):
    """A personal key holds something for work that is charged: it may settle a multiple of that, and no more."""

    details: Mapping[str, Any] = {}
    """Which field says it, filled in by the door that read it."""


class NotInTokens(Exception):
    """Token counts price a model's work: the reservation has no model, or was made in credits."""


def reserve(
    work: Work,
    *,
    now: datetime,
    performed_by: str,
    mode: str = EXACT,
    time_to_live: timedelta = DEFAULT_TIME_TO_LIVE,
    metadata: dict[str, Any] | None = None,
) -> Reservation | Denied | Left:
    """Decide and hold. A denial is *returned*: a refill that fired for the request must survive it. So is that somebody left meanwhile.

    :raises ChargeTooLarge: if that is more than one piece of work may cost
    :raises NothingHeld: if a personal key asks for nothing, and that is not the price of the work
    :raises OrganizationSuspended: if the organization is suspended
    :raises OrganizationArchived: if it is archived
    """
    request = Request(work, now, mode, "reserve", performed_by, time_to_live, metadata or {})
    if not connection.in_atomic_block:
        held = reserve_at_once(request)
        if isinstance(held, Reservation):
            return held
    for _ in range(PORTIONS):
        found = with_care(request)
        if not isinstance(found, HoldsAreEnding) or connection.in_atomic_block:
            break
    return found


def reserve_at_once(request: Request, *, key: Key | None = None) -> Reservation | Earlier | None:
    """Hold in one statement that is its own transaction, by the terms that this process knows; return None where it takes more than that, or
    the answer is no.

    :param key: under which the answer is stored; if there is one already it is returned
    """
    try:
        ask = request.ask()
    except _SAID_BY_TERMS:
        return None
    wanted = request.wanted(ask)
    outcome = ledger.hold(wanted, key=key)
    if outcome.outcome == "earlier":
        return outcome.earlier
    if outcome.outcome == "stale":
        terms.note_stale(ask.book)
        terms.forget(request.work.organization.id)
    return _made(ask, wanted, outcome) if outcome.outcome == "held" else None


@transaction.atomic(savepoint=False)
def with_care(request: Request) -> Reservation | Denied | Left:
    """Ask the admission for a hold under the wallet's lock, by the terms that are in force, once what is due is posted.

    Raises and returns as `reserve` does.
    """
    try:
        ask, asked = _admit(request)
    except (NotAllowed, Left) as refusal:
        return refusal
    if asked.outcome.outcome == "held":
        return _made(ask, asked.wanted, asked.outcome)
    return _refusal(request, ask, asked)


def check(work: Work, *, now: datetime, mode: str = EXACT) -> Decision | Denied:
    """Decide as `reserve` would, and hold nothing. It is the same admission, asked without a lock.

    :raises ChargeTooLarge: if that is more than one piece of work may cost
    :raises NothingHeld: if a personal key asks for nothing, and that is not the price of the work
    :raises OrganizationSuspended: if the organization is suspended
    :raises OrganizationArchived: if it is archived
    """
    request = Request(work, now, mode, "check")
    return check_at_once(request) or check_with_care(request)


def check_at_once(
    request: Request, *, send: statements.Send = statements.fetch_one
) -> Decision | None:
    """Decide in one statement, by the terms that this process knows; return None where it takes more than that, or the answer is no.

    :param send: what sends the statement, which only reads
    """
    try:
        ask = request.ask()
    except _SAID_BY_TERMS:
        return None
    wanted = request.wanted(ask)
    outcome = ledger.hold(wanted, send=send)
    return _decision(ask, wanted, outcome) if outcome.outcome == "held" else None


@transaction.atomic(savepoint=False)
def check_with_care(request: Request) -> Decision | Denied:
    """Ask as `with_care` does, and hold nothing."""
    try:
        ask, asked = _admit(request)
    except NotAllowed as refusal:
        return refusal
    if asked.outcome.outcome == "held":
        return _decision(ask, asked.wanted, asked.outcome)
    return _refusal(request, ask, asked)


def _admit(request: Request) -> tuple[Ask, Asked]:
    """Ask for a hold under the wallet's lock, by the terms that are in force."""
    asks: list[Ask] = []

    def asking() -> Wanted:
        asks.append(request.ask(terms.current(request.work.organization)))
        # By the terms of the moment that it came: it may have waited for the lock until after they ended.
        return replace(request.wanted(asks[-1]), valid_until=None)

    def fitting(wanted: Wanted, outcome: Outcome) -> Wanted:
        return fitted(wanted, outcome, asks[-1])

    asked = admit(request.work.organization, asking, now=request.now, fitting=fitting)
    return asks[-1], asked


def _refusal(request: Request, ask: Ask, asked: Asked) -> Denied:
    """Return why nothing is held, or raise it, if the request was wrong.

    :raises ChargeTooLarge: if it is more than one piece of work may cost
    :raises NothingHeld: if a personal key asks for nothing
    :raises WalletBusy: if somebody edits the catalogue all the time
    """
    wallet, wanted, outcome = asked
    if outcome.outcome == "denied":
        at = unblocks_at(wanted, _later(request, ask))
        return with_tokens(denial(wanted, outcome, at), ask, chosen_of(ask, outcome))
    if outcome.outcome == "crowded":
        return too_many(wallet, wanted, outcome, unblocks_at(wanted, _later(request, ask)))
    if outcome.outcome == "ending":
        return HoldsAreEnding()
    if outcome.outcome == "too_large":
        raise too_large(wanted, outcome, wallet.config.charge_limit or ZERO)
    if outcome.outcome == "nothing":
        raise NothingHeld("0 credits: a personal key holds what its work may cost")
    if outcome.outcome == "stale":
        raise WalletBusy("the terms are being edited; try again")
    raise AssertionError(f"{outcome.outcome}: not under the lock")


def _later(request: Request, ask: Ask) -> Later:
    """Return what a request wants at a later moment, by the terms that are known now. What a hold grows by is priced already."""

    def later(moment: datetime) -> tuple[Wanted | None, datetime | None]:
        then = replace(request, now=moment)
        try:
            asked = then.ask(ask.book) if request.kind != "grow" else ask
        except _SAID_BY_TERMS:
            return None, None
        return then.wanted(asked), asked.valid_until if asked is not ask else None

    return later


def _made(ask: Ask, wanted: Wanted, outcome: Outcome) -> Reservation:
    """Return the reservation that an admission wrote."""
    chosen, made = chosen_of(ask, outcome), outcome.made
    actor, group = ask.work.actor, ask.group
    written = {
        "id": wanted.reservation_id,
        "wallet_id": ask.book.wallet_id,
        "period_id": made.period,
        "status": Reservation.Status.OPEN,
        "mode": Reservation.Mode.UP_TO if wanted.up_to else EXACT,
        "credits": made.held,
        "free_credits": made.held_free,
        "settled_credits": None,
        "late": False,
        "actor_id": actor.id if actor else None,
        "group_id": group.id if group else None,
        "counter_ids": made.counters,
        "work_type": wanted.work_type,
        "resource_type": ask.work.resource_type,
        "resource_id": ask.work.resource_id,
        "requested_model": wanted.requested_model,
        "effective_model": chosen.model.slug if chosen else "",
        "decision": _said(outcome),
        "is_charged": made.is_charged,
        "byok": wanted.byok,
        "estimate": wanted.estimate,
        "rate_card": chosen.card.frozen_for(chosen.variant) if chosen else None,
        "settled_with": None,
        "figures": made.figures,
        "metadata": wanted.metadata,
        "performed_by": wanted.performed_by,
        "expires_at": made.moment + wanted.time_to_live,
        "created_at": made.moment,
        "closed_at": None,
    }
    reservation = statements.stored(Reservation, written)
    wallet = {"id": ask.book.wallet_id, "organization_id": wanted.organization_id}
    statements.relate(reservation, wallet=statements.stored(Wallet, wallet))
    return reservation


def _said(outcome: Outcome) -> str:
    return Reservation.Decision.DOWNGRADE if outcome.model == 2 else Reservation.Decision.ALLOW


def _decision(ask: Ask, wanted: Wanted, outcome: Outcome) -> Decision:
    shutoff, limits = looked_at(wanted, outcome)
    estimate = wanted.estimate
    return Decision(
        _said(outcome),
        outcome.held or ZERO,
        [*shutoff, *limits],
        chosen_of(ask, outcome),
        byok=wanted.byok,
        tokens=estimate_of(estimate)[0] if estimate else None,
    )


@transaction.atomic(savepoint=False)
def grow(
    *,
    organization: Organization,
    reservation_id: UUID,
    now: datetime,
    credits: Decimal | None = None,
    max_output_tokens: int | None = None,
    units: Counts = NOTHING,
) -> Reservation | Denied | Left:
    """Make `credits`, or the whole estimate with `max_output_tokens` and `units`, the new total of an open hold.

    No more than it has is a no-op. Shutoff, caps and pool are asked for the difference, in the hold's own month and period. A denial is
    returned, and leaves the hold as it was.

    :raises Reservation.DoesNotExist: if the organization has no such reservation
    :raises ReservationClosed: if it is not open
    :raises NotInTokens: if it was not reserved in tokens or units and `max_output_tokens` or `units` are given
    :raises Left: if some of it has no price in the hold
    :raises ChargeTooLarge: if the new total is more than one piece of work may cost
    :raises OrganizationSuspended: if the organization is suspended
    :raises OrganizationArchived: if it is archived
    """
    seen = Reservation.objects.select_related("actor", "group").get(
        id=reservation_id, wallet__organization=organization
    )
    estimate: Mapping[str, Any] = {}
    if credits is None:
        estimate = _foreseen(seen, max_output_tokens, units)
        credits = _total(seen, estimate)
    work = Work(
        organization=organization,
        actor=seen.actor,
        group=seen.group,
        resource_type=seen.resource_type,
        resource_id=seen.resource_id,
        credits=credits,
    )
    is_more = bool(estimate) and estimate != seen.estimate
    request = Request(work, now, kind="grow", reservation_id=reservation_id)
    asks: list[Ask] = []

    def asking() -> Wanted:
        asks.append(Ask(work, now, terms.current(organization)))
        require_active(asks[-1].organization)
        return replace(
            request.wanted(asks[-1]), estimate=dict(estimate) if is_more else None, valid_until=None
        )

    asked = admit(organization, asking, now=now)
    outcome = asked.outcome.outcome
    if outcome in ("held", "enough"):
        grown = Reservation.objects.select_related("wallet").get(id=reservation_id)
        return grown if outcome == "held" else ledger.read_figures(grown)
    if outcome == "closed":
        seen.refresh_from_db()
        raise ReservationClosed(f"{seen.status_at(now)}: the reservation is not open")
    if outcome == "too_large":
        raise more_than(credits, asked.wallet.config.charge_limit or ZERO)
    return _refusal(request, asks[-1], asked)


def _foreseen(reservation: Reservation, output: int | None, units: Counts) -> dict[str, Any]:
    """Return the estimate of a hold for so much; never for less of anything than it was.

    :raises NotInTokens: if it has none
    """
    if reservation.estimate is None or reservation.rate_card is None:
        raise NotInTokens("it was not reserved in tokens or units of a model")
    tokens, before = estimate_of(reservation.estimate)
    more = {unit: max(count, before.get(unit, 0)) for unit, count in units.items()}
    wider = replace(tokens, output=max(tokens.output, output or 0))
    return estimated(wider, {**before, **more})


def _total(reservation: Reservation, estimate: Mapping[str, Any]) -> Decimal:
    """Return what a hold would be in all for an estimate.

    :raises Left: if something of it has no price
    """
    frozen = reservation.rate_card or {}
    held = dearest(thaw(frozen), asked_variant(frozen))
    tokens, units = estimate_of(estimate)
    missing = [unit for unit in units if not held.sheet().sells(unit)]
    if missing:
        raise no_price(reservation.effective_model, missing)
    try:
        return price(held, tokens, units=completed(units))
    except Unpriced as error:
        raise no_price(reservation.effective_model, [error.unit]) from error
