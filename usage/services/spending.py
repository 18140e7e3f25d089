"""Before the work: who may spend what, on which model, at what price. One transaction, under the wallet's lock."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from credits.models import ZERO, Reservation, UsageCounter, Wallet
from credits.services import DEFAULT_TIME_TO_LIVE, BillingExhausted
from credits.services.admission import Admission, deny, require_chargeable
from credits.services.counters import ORGANIZATION, subject_of
from credits.services.crowding import too_many
from credits.services.funding import refill_is_due
from credits.services.holds import admit, enlarge, find_open, place
from credits.services.locking import Locked, lock
from organizations.models import Organization
from organizations.services import require_active
from usage import policy
from usage.pricing import Tokens, dearest, freeze, price, thaw
from usage.services.asking import Ask, Left, Work
from usage.services.decisions import (
    AiNotConfigured,
    Decision,
    Denied,
    ModelNotEnabled,
    TierNotAllowed,
    fit_output,
    require_output,
    shutoff_limit,
    with_tokens,
)
from usage.services.fallbacks import fall_back, falls_back, grow_free

EXACT = Reservation.Mode.EXACT


class NotInTokens(Exception):
    """Token counts price a model's work: the reservation has no model, or was made in credits."""


class NothingHeld(Exception):
    """A personal key holds something for work that is charged: it may settle a multiple of that, and no more."""

    details: Mapping[str, Any] = {}
    """Which field says it, filled in by the door that read it."""


@transaction.atomic(savepoint=False)
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

    :raises usage.pricing.Unpriced: if the model has no price for this work
    :raises ChargeTooLarge: if that is more than one piece of work may cost
    :raises NothingHeld: if a personal key asks for nothing, and that is not the price of the work
    :raises OrganizationSuspended: if the organization is suspended
    :raises OrganizationArchived: if it is archived
    """
    ask = Ask(work, now)
    wallet, parent = _lock(ask)
    try:
        ask = ask.obeyed()
    except Left as left:
        return left
    work = ask.work
    decided = _decide(ask, wallet, parent, mode=mode)
    if not isinstance(decided, Decision):
        return decided
    return place(
        wallet,
        decided.credits,
        free_credits=decided.free_credits,
        limits=decided.limits,
        mode=mode,
        actor=work.actor,
        group=ask.group,
        counter_ids=decided.counted,
        work_type=work.work_type,
        resource_type=work.resource_type,
        resource_id=work.resource_id,
        requested_model=work.model.slug if work.model else "",
        effective_model=decided.model.model.slug if decided.model else "",
        decision=decided.decision,
        is_charged=decided.is_charged,
        byok=decided.byok,
        estimate=_estimate(decided),
        rate_card=freeze(decided.model.card) if decided.model else None,
        metadata=metadata or {},
        performed_by=performed_by,
        expires_at=now + time_to_live,
        created_at=now,
    )


@transaction.atomic
def check(work: Work, *, now: datetime, mode: str = EXACT) -> Decision | Denied:
    """Decide as `reserve` would, and leave nothing behind.

    It is the same code, undone: what a check says and what a reserve does cannot drift apart.

    :raises usage.pricing.Unpriced: if the model has no price for this work
    :raises ChargeTooLarge: if that is more than one piece of work may cost
    :raises NothingHeld: if a personal key asks for nothing, and that is not the price of the work
    :raises OrganizationSuspended: if the organization is suspended
    :raises OrganizationArchived: if it is archived
    :raises Left: if whom or what the work names left meanwhile
    """
    ask = Ask(work, now)
    point = transaction.savepoint()
    try:
        locked = _lock(ask)
        return _decide(ask.obeyed(), *locked, mode=mode)
    finally:
        transaction.savepoint_rollback(point)


@transaction.atomic(savepoint=False)
def grow(
    *,
    organization: Organization,
    reservation_id: UUID,
    now: datetime,
    credits: Decimal | None = None,
    max_output_tokens: int | None = None,
) -> Reservation | Denied:
    """Make `credits`, or the whole estimate with `max_output_tokens`, the new total of an open hold.

    No more than it has is a no-op. Shutoff, caps and pool are asked for the difference, in the hold's own month and period. A denial is
    returned, and leaves the hold as it was.

    :raises Reservation.DoesNotExist: if the organization has no such reservation
    :raises ReservationClosed: if it is not open
    :raises NotInTokens: if it was not reserved in tokens and `max_output_tokens` is given
    :raises ChargeTooLarge: if the new total is more than one piece of work may cost
    """
    seen = Reservation.objects.get(id=reservation_id, wallet__organization=organization)
    likely = _total(seen, credits, max_output_tokens) - seen.foreseen
    wallet, parent = lock(
        organization, now=now, needs_parent=lambda wallet: refill_is_due(wallet, likely, now=now)
    )
    require_active(wallet.organization)
    reservation = find_open(wallet, reservation_id, now=now)
    total = _total(reservation, credits, max_output_tokens)
    need = total - reservation.foreseen
    if need <= 0 or reservation.byok:
        return _foresee(reservation, max_output_tokens)
    require_chargeable(wallet, total)
    admitted = _admit_growth(wallet, parent, reservation, need, now=now)
    if isinstance(admitted, BillingExhausted):
        admitted = grow_free(wallet, reservation, admitted, need)
    if isinstance(admitted, BillingExhausted):
        return admitted
    return enlarge(_foresee(reservation, max_output_tokens), admitted, now=now)


def _lock(ask: Ask) -> Locked:
    locked = lock(
        ask.work.organization,
        now=ask.now,
        # Work on own keys costs nothing: no refill is for it.
        needs_parent=lambda wallet: (
            not wallet.organization.byok and refill_is_due(wallet, ask.need, now=ask.now)
        ),
    )
    require_active(locked.wallet.organization)
    return locked


def _decide(ask: Ask, wallet: Wallet, parent: Wallet | None, *, mode: str) -> Decision | Denied:
    """Ask every row of the order of checks, on locked wallets."""
    actor = ask.work.actor
    crowded = too_many(wallet, actor_id=actor.id if actor else None, now=ask.now)
    if crowded is not None:
        return crowded
    counter, counted = ask.count(wallet)
    asked, fallback = ask.asked, ask.fallback
    verdict = policy.decide(
        ask.terms(wallet.organization, counter.used),
        asked.offer if asked else None,
        fallback.offer if fallback else None,
    )
    if verdict.refusal is not None:
        return _refuse(ask, verdict, counter)
    chosen = fallback if verdict.decision == "downgrade" else asked
    if verdict.byok:
        return Decision(
            "allow", ZERO, [], chosen, is_charged=False, byok=True, tokens=ask.work.tokens
        )
    need = chosen.price if chosen else ask.need
    # What was estimated to cost nothing is not free: it is not known.
    is_free = need == 0 and ask.work.tokens is not None
    if ask.work.personal and need == 0 and not is_free:
        raise NothingHeld("0 credits: a personal key holds what its work may cost")
    admitted = admit(wallet, parent, need, mode=mode, now=ask.now, counted=counted, is_free=is_free)
    admitted = require_output(admitted, ask, chosen, need)
    ids = [counter.pk, *(each.counter.pk for each in counted)]
    if isinstance(admitted, BillingExhausted):
        if admitted.reason == "balance" and fallback and falls_back(wallet):
            found = fall_back(
                ask,
                fallback,
                admitted,
                wallet=wallet,
                parent=parent,
                counter=counter,
                counted=counted,
                mode=mode,
            )
            return replace(found, counted=ids) if isinstance(found, Decision) else found
        return with_tokens(admitted, ask, chosen)
    limits = [*shutoff_limit(ask, counter), *admitted.limits]
    decision = Decision(
        verdict.decision, admitted.credits, limits, chosen, tokens=ask.work.tokens, counted=ids
    )
    return fit_output(decision) if admitted.credits < need else decision


def _refuse(ask: Ask, verdict: policy.Verdict, counter: UsageCounter) -> Denied:
    if verdict.refusal == "entitlement":
        return AiNotConfigured("the organization is not entitled to use AI", reason="entitlement")
    if verdict.refusal == "provider":
        return ModelNotEnabled("the provider of this model is not enabled", reason="provider")
    if verdict.refusal == "tier":
        return TierNotAllowed("the profile does not allow models of this tier", reason="tier")
    shutoff = shutoff_limit(ask, counter)
    return deny(shutoff, shutoff[0], ask.need)


def _estimate(decision: Decision) -> dict[str, int] | None:
    return asdict(decision.tokens) if decision.tokens else None


def _total(reservation: Reservation, credits: Decimal | None, output: int | None) -> Decimal:
    """What a hold would be in all, by credits or by the output tokens of its estimate."""
    if output is None:
        return credits or ZERO
    if reservation.estimate is None or reservation.rate_card is None:
        raise NotInTokens("it was not reserved in tokens of a model")
    tokens = Tokens(**{**reservation.estimate, "output": output})
    return price(dearest(thaw(reservation.rate_card)), tokens)


def _foresee(reservation: Reservation, output: int | None) -> Reservation:
    """Note that an open hold is for so many output tokens; never for fewer than it was."""
    estimate = reservation.estimate
    if output is not None and estimate is not None and output > estimate["output"]:
        estimate["output"] = output
        reservation.save(update_fields=["estimate"])
    return reservation


def _admit_growth(
    wallet: Wallet, parent: Wallet | None, reservation: Reservation, need: Decimal, *, now: datetime
) -> Admission | BillingExhausted:
    """Ask shutoff, caps and pool for more, in the hold's own month and period."""
    work = Work(
        organization=wallet.organization,
        actor=reservation.actor,
        group=reservation.group,
        resource_type=reservation.resource_type,
        resource_id=reservation.resource_id,
    )
    ask = Ask(work, now).obeyed()
    counters = list(UsageCounter.objects.filter(id__in=reservation.counter_ids).order_by("id"))
    own = [counter for counter in counters if subject_of(counter) == ORGANIZATION]
    shutoff = [limit for counter in own for limit in shutoff_limit(ask, counter)]
    if shutoff and shutoff[0].used >= (shutoff[0].cap or ZERO):
        return deny(shutoff, shutoff[0], need)
    capped = sorted((c for c in counters if c not in own), key=_row_of)
    counted = [ask.capped(each) for each in capped]
    return admit(wallet, parent, need, now=now, period=reservation.period, counted=counted)


def _row_of(counter: UsageCounter) -> int:
    """In which order of the checks a counter's cap is asked: actor, group, resource."""
    return 0 if counter.actor_id else 1 if counter.group_id else 2
