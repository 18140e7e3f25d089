"""Work that the pool cannot pay: on the provider's fallback, paid as far as the balance reaches when it is settled.

What is not paid is no debt. It counts, at list price, against a limit of the organization's for the calendar month, which running work
sets aside just as it does credits. It spares nobody a cap or a threshold; and nobody works for nothing while the pool has something.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal

from credits.limits import Limit, fit
from credits.models import CreditConfig, Reservation, UsageCounter, Wallet
from credits.periods import month_of
from credits.services import BillingExhausted
from credits.services.admission import Admission, Counted, deny
from credits.services.holds import admit
from usage.pricing import affordable_output, price
from usage.services.asking import Ask, Candidate
from usage.services.decisions import Decision, Denied, require_output, shutoff_limit, with_tokens

UP_TO = Reservation.Mode.UP_TO


def falls_back(wallet: Wallet) -> bool:
    """Whether work that the pool cannot pay goes on, on a fallback."""
    return wallet.config.when_empty == CreditConfig.WhenEmpty.FALLBACK


def fall_back(
    ask: Ask,
    fallback: Candidate,
    denied: BillingExhausted,
    *,
    wallet: Wallet,
    parent: Wallet | None,
    counter: UsageCounter,
    counted: Sequence[Counted],
    mode: str,
) -> Decision | Denied:
    """Decide about work on its provider's fallback, on locked wallets, once the pool has denied the model that was asked for.

    If the price of the fallback fits, it is held and charged like any other. If not, what is unreserved is held, perhaps nothing.

    :param denied: the denial, with the caps that had admitted the work
    :param counter: the organization's of the month
    """
    caps = [limit for limit in denied.limits if limit.scope != "pool"]
    wanted = require_output(_most(fallback, wallet, caps, mode), ask, fallback, fallback.price)
    if isinstance(wanted, BillingExhausted):
        return with_tokens(wanted, ask, fallback)
    is_free = fallback.price == 0 and ask.work.tokens is not None
    admitted = admit(wallet, parent, wanted.credits, now=ask.now, counted=counted, is_free=is_free)
    is_charged = isinstance(admitted, Admission)
    if isinstance(admitted, BillingExhausted):
        if admitted.reason != "balance":
            return with_tokens(admitted, ask, fallback)
        # Holds whose time has passed were given back for this denial.
        counter.refresh_from_db(fields=["free_used", "free_reserved"])
        limits = [*admitted.limits, free_limit(wallet, counter)]
        admitted = part(wallet, wanted.credits, limits, mode=mode)
    if isinstance(admitted, Admission):
        return _decision(admitted, ask, fallback, counter, is_charged=is_charged)
    return with_tokens(admitted, ask, fallback)


def _most(fallback: Candidate, wallet: Wallet, caps: Sequence[Limit], mode: str) -> Admission:
    """Return how much of the fallback's price is wanted: all of it, or with `up_to` what the caps and one piece of work admit."""
    if mode != UP_TO:
        return Admission(fallback.price, list(caps))
    rooms = [limit.room for limit in caps if limit.room is not None]
    most = wallet.config.charge_limit
    return Admission(
        min([fallback.price, *rooms, *([most] if most is not None else [])]), list(caps)
    )


def free_limit(wallet: Wallet, counter: UsageCounter) -> Limit:
    """Return how much may be left unpaid in a month, and how much of it is taken, by the organization's counter."""
    return Limit(
        scope="free_fallback",
        id=wallet.organization.public_id,
        cap=wallet.config.free_fallback_limit,
        used=counter.free_used,
        reserved=counter.free_reserved,
        resets_at=month_of(datetime.combine(counter.month, time(), UTC)).ends_at,
        reason="free_fallback_limit",
    )


def part(
    wallet: Wallet, need: Decimal, limits: Sequence[Limit], *, mode: str
) -> Admission | BillingExhausted:
    """Part what work may cost into what is unreserved, which is held, and the rest, which the last of the limits admits or denies."""
    held = min(need, wallet.available)
    fitting = fit(limits[-1], need - held, up_to=mode == UP_TO)
    if fitting is None:
        return deny(limits, limits[-1], need)
    return Admission(held, list(limits), fitting)


def _decision(
    admitted: Admission, ask: Ask, fallback: Candidate, counter: UsageCounter, *, is_charged: bool
) -> Decision | BillingExhausted:
    """Return the decision, with as many output tokens as was admitted for, if that is fewer than were asked for."""
    limits = [*shutoff_limit(ask, counter), *admitted.limits]
    tokens, total = ask.work.tokens, admitted.credits + admitted.free_credits
    if tokens is not None and total < fallback.price:
        output = affordable_output(fallback.held, tokens, total)
        if output < 1:
            return with_tokens(deny(limits, limits[-1], fallback.price), ask, fallback)
        tokens = replace(tokens, output=output)
        total = price(fallback.held, tokens)
    held = min(admitted.credits, total)
    return Decision(
        "downgrade",
        held,
        limits,
        fallback,
        is_charged=is_charged,
        tokens=tokens,
        free_credits=total - held,
    )


def grow_free(
    wallet: Wallet, reservation: Reservation, denied: BillingExhausted, need: Decimal
) -> Admission | BillingExhausted:
    """Admit more of a hold on a free fallback once the pool has denied it: what is unreserved, and the rest of the limit of its month."""
    if denied.reason != "balance" or not reservation.is_free_fallback:
        return denied
    own = {"actor": None, "group": None, "resource_type": ""}
    counter = UsageCounter.objects.filter(id__in=reservation.counter_ids, **own).first()
    if counter is None:
        return denied
    limits = [*denied.limits, free_limit(wallet, counter)]
    return part(wallet, need, limits, mode=Reservation.Mode.EXACT)
