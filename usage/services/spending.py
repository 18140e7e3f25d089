"""Before the work: who may spend what, on which model, at what price. One transaction, under the wallet's lock."""

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction

from credits.limits import Limit
from credits.models import ZERO, CreditConfig, Reservation, UsageCounter, Wallet
from credits.periods import month_of
from credits.services import DEFAULT_TIME_TO_LIVE, BillingExhausted
from credits.services.admission import Admission, ChargeTooLarge, deny, require_chargeable
from credits.services.counters import ORGANIZATION, subject_of
from credits.services.funding import refill_is_due
from credits.services.holds import admit, enlarge, find_open, place
from credits.services.locking import Locked, lock
from organizations.models import Organization
from organizations.services import require_active
from usage import policy
from usage.pricing import Tokens, affordable_output, dearest, freeze, price, thaw
from usage.services.asking import Ask, Candidate, Work

EXACT = Reservation.Mode.EXACT


class NotInTokens(Exception):
    """Token counts price a model's work: the reservation has no model, or was made in credits."""


class NothingHeld(Exception):
    """A personal key holds something for work that is charged: it may settle a multiple of that, and no more."""


class NotAllowed(Exception):
    """The organization or the actor may not use this at all, whatever it has to spend."""

    code: ClassVar[str]
    """What clients tell it by."""
    reason: str

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.details: dict[str, Any] = {"reason": reason}


class AiNotConfigured(NotAllowed):
    """The organization is not entitled to use AI, or no longer."""

    code = "AI_NOT_CONFIGURED"


class ModelNotEnabled(NotAllowed):
    """The organization has not enabled the provider of this model."""

    code = "MODEL_NOT_ENABLED"


class TierNotAllowed(NotAllowed):
    """The actor's profiles do not allow models of this tier."""

    code = "TIER_NOT_ALLOWED"


Denied = BillingExhausted | NotAllowed


@dataclass(frozen=True)
class Decision:
    """What may be held: on which model, at what price, within which limits."""

    decision: str
    credits: Decimal
    limits: list[Limit]
    model: Candidate | None
    is_charged: bool = True
    byok: bool = False
    tokens: Tokens | None = None
    """What the credits are for, if it was asked in tokens: in `up_to` perhaps fewer than asked."""
    counted: list[int] = field(default_factory=list)
    """The ids of the counters that carry it."""


@transaction.atomic(savepoint=False)
def reserve(
    work: Work,
    *,
    now: datetime,
    performed_by: str,
    mode: str = EXACT,
    time_to_live: timedelta = DEFAULT_TIME_TO_LIVE,
    metadata: dict[str, Any] | None = None,
) -> Reservation | Denied:
    """Decide and hold. A denial is *returned*: a refill that fired for the request must survive it.

    :raises usage.pricing.Unpriced: if the model has no price for this work
    :raises ChargeTooLarge: if that is more than one piece of work may cost
    :raises NothingHeld: if a personal key asks for nothing, and that is not the price of the work
    :raises OrganizationSuspended: if the organization is suspended
    :raises OrganizationArchived: if it is archived
    """
    ask = Ask(work, now)
    wallet, parent = _lock(ask)
    decided = _decide(ask, wallet, parent, mode=mode)
    if not isinstance(decided, Decision):
        return decided
    return place(
        wallet,
        decided.credits,
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
    """
    ask = Ask(work, now)
    point = transaction.savepoint()
    try:
        return _decide(ask, *_lock(ask), mode=mode)
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
    likely = _total(seen, credits, max_output_tokens) - seen.credits
    wallet, parent = lock(
        organization, now=now, needs_parent=lambda wallet: refill_is_due(wallet, likely, now=now)
    )
    require_active(wallet.organization)
    reservation = find_open(wallet, reservation_id, now=now)
    total = _total(reservation, credits, max_output_tokens)
    need = total - reservation.credits
    if need <= 0:
        return _foresee(reservation, max_output_tokens)
    if not reservation.is_charged:
        return _foresee(reservation, max_output_tokens)
    require_chargeable(wallet, total)
    denied_or_admitted = _admit_growth(wallet, parent, reservation, need, now=now)
    if isinstance(denied_or_admitted, BillingExhausted):
        return denied_or_admitted
    return enlarge(_foresee(reservation, max_output_tokens), denied_or_admitted, now=now)


def _lock(ask: Ask) -> Locked:
    locked = lock(
        ask.work.organization,
        now=ask.now,
        needs_parent=lambda wallet: refill_is_due(wallet, ask.need, now=ask.now),
    )
    require_active(locked.wallet.organization)
    return locked


def _decide(ask: Ask, wallet: Wallet, parent: Wallet | None, *, mode: str) -> Decision | Denied:
    """Ask every row of the order of checks, on locked wallets."""
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
    admitted = _require_output(admitted, ask, chosen, need)
    ids = [counter.pk, *(each.counter.pk for each in counted)]
    if isinstance(admitted, BillingExhausted):
        if admitted.reason == "balance" and _works_on_free(wallet, ask):
            limits = list(admitted.limits)
            return Decision(
                "downgrade", ZERO, limits, fallback, is_charged=False, tokens=ask.work.tokens
            )
        return _with_tokens(admitted, ask, chosen)
    limits = [*_shutoff(ask, counter), *admitted.limits]
    decision = Decision(
        verdict.decision, admitted.credits, limits, chosen, tokens=ask.work.tokens, counted=ids
    )
    return _fit_output(decision) if admitted.credits < need else decision


def _works_on_free(wallet: Wallet, ask: Ask) -> bool:
    """Whether an empty pool means the provider's fallback at no charge, and there is one."""
    falls_back = wallet.config.when_empty == CreditConfig.WhenEmpty.FALLBACK
    return falls_back and ask.fallback is not None


def _require_output(
    admitted: Admission | BillingExhausted, ask: Ask, chosen: Candidate | None, need: Decimal
) -> Admission | BillingExhausted:
    """Deny credits that do not buy the whole input and one output token, by the first limit that leaves too few."""
    tokens = ask.work.tokens
    if isinstance(admitted, BillingExhausted) or tokens is None or chosen is None:
        return admitted
    if admitted.credits >= need:
        return admitted
    rooms = [(limit, limit.room) for limit in admitted.limits if limit.room is not None]
    for limit, room in rooms:
        if affordable_output(chosen.held, tokens, room) < 1:
            return deny(admitted.limits, limit, need)
    if affordable_output(chosen.held, tokens, admitted.credits) < 1:
        raise ChargeTooLarge(
            f"{need.normalize():f} credits: {admitted.credits.normalize():f}, the most that one piece of"
            " work may cost, buy no output after this input"
        )
    return admitted


def _fit_output(decision: Decision) -> Decision:
    """Turn the credits that fit into the output tokens they buy, where it was asked in tokens."""
    tokens, chosen = decision.tokens, decision.model
    if tokens is None or chosen is None:
        return decision
    output = affordable_output(chosen.held, tokens, decision.credits)
    fitting = replace(tokens, output=output)
    return replace(decision, credits=price(chosen.held, fitting), tokens=fitting)


def _with_tokens(denied: BillingExhausted, ask: Ask, chosen: Candidate | None) -> BillingExhausted:
    """Say how many output tokens would have been affordable."""
    if ask.work.tokens is not None and chosen is not None and denied.affordable_credits is not None:
        denied.affordable_output_tokens = affordable_output(
            chosen.held, ask.work.tokens, denied.affordable_credits
        )
    return denied


def _refuse(ask: Ask, verdict: policy.Verdict, counter: UsageCounter) -> Denied:
    if verdict.refusal == "entitlement":
        return AiNotConfigured("the organization is not entitled to use AI", reason="entitlement")
    if verdict.refusal == "provider":
        return ModelNotEnabled("the provider of this model is not enabled", reason="provider")
    if verdict.refusal == "tier":
        return TierNotAllowed("the profile does not allow models of this tier", reason="tier")
    shutoff = _shutoff(ask, counter)
    return deny(shutoff, shutoff[0], ask.need)


def _shutoff(ask: Ask, counter: UsageCounter) -> list[Limit]:
    """The shutoff threshold as a limit, if there is one. It compares what is settled, no holds."""
    cap = ask.thresholds.shutoff
    if cap is None:
        return []
    public_id = ask.work.organization.public_id
    resets_at = month_of(datetime.combine(counter.month, time(), UTC)).ends_at
    return [Limit("shutoff", public_id, cap, counter.used, ZERO, resets_at, "shutoff")]


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
    ask = Ask(work, now)
    counters = list(UsageCounter.objects.filter(id__in=reservation.counter_ids).order_by("id"))
    own = [counter for counter in counters if subject_of(counter) == ORGANIZATION]
    shutoff = [limit for counter in own for limit in _shutoff(ask, counter)]
    if shutoff and shutoff[0].used >= (shutoff[0].cap or ZERO):
        return deny(shutoff, shutoff[0], need)
    capped = sorted((c for c in counters if c not in own), key=_row_of)
    counted = [ask.capped(each) for each in capped]
    return admit(wallet, parent, need, now=now, period=reservation.period, counted=counted)


def _row_of(counter: UsageCounter) -> int:
    """In which order of the checks a counter's cap is asked: actor, group, resource."""
    return 0 if counter.actor_id else 1 if counter.group_id else 2
