"""Why a hold is refused, in words and with its limits: the figures come from the admission, which decided."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from credits.ledger import Outcome, Wanted
from credits.limits import Limit, affordable, limits_of
from credits.models import ZERO, CreditConfig


class BillingExhausted(Exception):
    """A limit stands in the way. Returned, not raised, where work must survive it: see `reserve`.

    `reason` is the first row of the checks that refused, `needed` the credits that it compared, `limits` all that were looked at, the
    binding one named. `details` is what a client is told of it: the door that knows who asks fills it in.
    """

    code: ClassVar[str] = "BILLING_EXHAUSTED"
    """What clients tell it by."""

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        needed: Decimal | None = None,
        limits: Sequence[Limit] = (),
        affordable_credits: Decimal | None = None,
        affordable_output_tokens: int | None = None,
        unblocks_at: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.needed = needed
        self.limits = limits
        self.affordable_credits = affordable_credits
        self.affordable_output_tokens = affordable_output_tokens
        self.unblocks_at = unblocks_at
        self.details: dict[str, Any] = {"reason": reason}


class ChargeTooLarge(Exception):
    """That is more than one piece of work may cost: rather a mistake of units than work. Nothing was changed."""

    details: Mapping[str, Any] = {}
    """Which field says it, filled in by the door that read it."""


def denial(wanted: Wanted, outcome: Outcome, unblocks_at: datetime | None) -> BillingExhausted:
    """Return why an admission denied what was wanted, by which limit, what would be affordable, and when it ends."""
    shutoff, limits = looked_at(wanted, outcome)
    number = outcome.denied_by or 0
    if number == 0:
        return _deny(shutoff, shutoff[0], _need(wanted, outcome), unblocks_at)
    is_by_free_limit = number == len(limits)
    shown = limits if is_by_free_limit else limits[:-1]
    need = outcome.held or ZERO if wanted.kind == "grow" else _need(wanted, outcome)
    return _deny(shown, limits[number - 1], need, unblocks_at)


def looked_at(wanted: Wanted, outcome: Outcome) -> tuple[list[Limit], list[Limit]]:
    """Return the limits that an admission looked at: the shutoff, if there is one, and the others in their order."""
    limits = limits_of(outcome.figures or [], wanted.names)
    shutoff = [limit for limit in limits[:1] if limit.scope == "shutoff"]
    return shutoff, limits[len(shutoff) :]


def _deny(
    limits: Sequence[Limit], denied_by: Limit, need: Decimal, unblocks_at: datetime | None
) -> BillingExhausted:
    # The message names no number of the limit: a child may read it, and the cap is its parent's business.
    return BillingExhausted(
        f"{need.normalize():f} credits are more than is left ({denied_by.reason})",
        reason=denied_by.reason,
        needed=need,
        limits=limits,
        affordable_credits=affordable(limits),
        unblocks_at=unblocks_at,
    )


def too_large(wanted: Wanted, outcome: Outcome, most: Decimal) -> ChargeTooLarge:
    """Return why what was wanted is more than one piece of work may cost."""
    need = _need(wanted, outcome)
    if wanted.up_to:
        return ChargeTooLarge(
            f"{need.normalize():f} credits: {most.normalize():f}, the most that one piece of"
            " work may cost, buy no output after this input"
        )
    return more_than(need, most)


def more_than(credits: Decimal, most: Decimal) -> ChargeTooLarge:
    return ChargeTooLarge(
        f"{credits.normalize():f} credits: one piece of work may cost {most.normalize():f} at most"
    )


def require_chargeable(config: CreditConfig, credits: Decimal) -> None:
    """Refuse more than one piece of work may cost.

    :raises ChargeTooLarge: if that is more
    """
    limit = config.charge_limit
    if limit is not None and credits > limit:
        raise more_than(credits, limit)


def _need(wanted: Wanted, outcome: Outcome) -> Decimal:
    return wanted.candidates[(outcome.model or 1) - 1].need
