"""How much may be held: every cap in its order, then the pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal, NamedTuple

from credits import ledger
from credits.limits import Limit, affordable, fit
from credits.models import ZERO, BillingPeriod, Reservation, UsageCounter, Wallet
from credits.services.funding import refill, refill_is_due

Mode = Reservation.Mode


class BillingExhausted(Exception):
    """A limit stands in the way. Returned, not raised, where work must survive it: see `reserve`.

    `reason` is the first row of the checks that refused, `limits` all that were looked at, the binding one named. `details` is
    what a client is told of it: the door that knows who asks fills it in.
    """

    code: ClassVar[str] = "BILLING_EXHAUSTED"
    """What clients tell it by."""

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        limits: Sequence[Limit] = (),
        affordable_credits: Decimal | None = None,
        affordable_output_tokens: int | None = None,
        unblocks_at: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.limits = limits
        self.affordable_credits = affordable_credits
        self.affordable_output_tokens = affordable_output_tokens
        self.unblocks_at = unblocks_at
        self.details: dict[str, Any] = {"reason": reason}


class ChargeTooLarge(Exception):
    """That is more than one piece of work may cost: rather a mistake of units than work. Nothing was changed."""

    details: Mapping[str, Any] = {}
    """Which field says it, filled in by the door that read it."""


@dataclass(frozen=True)
class Counted:
    """A counter that a hold would be counted in, and the cap that is set on it, if any."""

    counter: UsageCounter
    scope: Literal["actor", "group", "resource"]
    id: str
    cap: Decimal | None
    reason: str
    resets_at: datetime

    def limit(self) -> Limit:
        return Limit(
            scope=self.scope,
            id=self.id,
            cap=self.cap,
            used=self.counter.used,
            reserved=self.counter.reserved,
            resets_at=self.resets_at,
            reason=self.reason,
        )


class Admission(NamedTuple):
    """How much may be held, and every limit as it stood when that was decided."""

    credits: Decimal
    limits: list[Limit]
    free_credits: Decimal = ZERO
    """What the work may cost besides, on a free fallback."""


def decide(
    wallet: Wallet,
    parent: Wallet | None,
    period: BillingPeriod,
    need: Decimal,
    *,
    mode: str,
    counted: Sequence[Counted],
    is_free: bool,
    now: datetime,
) -> Admission | BillingExhausted:
    """Decide how much of `need` a locked wallet admits now. It may refill, and holds nothing.

    :param is_free: whether the work has the price 0: then no pool is too empty for it
    """
    up_to = mode == Mode.UP_TO
    caps = [*(each.limit() for each in counted), _cap_limit(wallet, period)]
    asked = need
    for cap in caps:
        fitting = fit(cap, need, up_to=up_to)
        if fitting is None:
            return deny([*caps, _pool_limit(wallet)], cap, asked)
        need = fitting
    if parent is not None and refill_is_due(wallet, need, now=now):
        refill(wallet, parent, now=now)
    pool = _pool_limit(wallet)
    fitting = need if is_free else fit(pool, need, up_to=up_to)
    if fitting is None:
        return deny([*caps, pool], pool, asked)
    return Admission(fitting, [*caps, pool])


def require_chargeable(wallet: Wallet, credits: Decimal) -> None:
    """Refuse more than one piece of work may cost.

    :raises ChargeTooLarge: if that is more
    """
    limit = wallet.config.charge_limit
    if limit is not None and credits > limit:
        raise ChargeTooLarge(
            f"{credits.normalize():f} credits: one piece of work may cost {limit.normalize():f} at most"
        )


def _cap_limit(wallet: Wallet, period: BillingPeriod) -> Limit:
    return Limit(
        scope="organization",
        id=wallet.organization.public_id,
        cap=wallet.config.monthly_cap,
        used=period.used,
        reserved=period.reserved,
        resets_at=period.ends_at,
        reason="cap",
    )


def _pool_limit(wallet: Wallet) -> Limit:
    overdraft = wallet.config.overdraft_limit
    return Limit(
        scope="pool",
        id=wallet.organization.public_id,
        cap=None if overdraft is None else wallet.balance + overdraft,
        used=ZERO,
        reserved=wallet.reserved,
        resets_at=ledger.open_period(wallet).term_ends_at if _renews(wallet) else None,
        reason="balance",
    )


def deny(limits: Sequence[Limit], denied_by: Limit, need: Decimal) -> BillingExhausted:
    """Return the denial of `need` by one of these limits, with what would be affordable, and when it ends."""
    # The message names no number of the limit: a child may read it, and the cap is its parent's business.
    return BillingExhausted(
        f"{need.normalize():f} credits are more than is left ({denied_by.reason})",
        reason=denied_by.reason,
        limits=limits,
        affordable_credits=affordable(limits),
        unblocks_at=denied_by.resets_at,
    )


def _renews(wallet: Wallet) -> bool:
    """Whether a new term would bring credits."""
    config = wallet.config
    brings = config.allowance or config.allowance_per_user
    return bool(brings) and not config.cancel_at_period_end
