"""What a decision says, and how it is fitted to what there is: shared by those who decide."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, ClassVar

from credits.limits import Limit
from credits.models import ZERO, UsageCounter
from credits.periods import month_of
from credits.services import BillingExhausted
from credits.services.admission import Admission, ChargeTooLarge, deny
from usage.pricing import Tokens, affordable_output, price
from usage.services.asking import Ask, Candidate


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
    free_credits: Decimal = ZERO
    """What the work may cost besides, on a free fallback."""


def require_output(
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


def fit_output(decision: Decision) -> Decision:
    """Turn the credits that fit into the output tokens they buy, where it was asked in tokens."""
    tokens, chosen = decision.tokens, decision.model
    if tokens is None or chosen is None:
        return decision
    output = affordable_output(chosen.held, tokens, decision.credits)
    fitting = replace(tokens, output=output)
    return replace(decision, credits=price(chosen.held, fitting), tokens=fitting)


def with_tokens(denied: BillingExhausted, ask: Ask, chosen: Candidate | None) -> BillingExhausted:
    """Say how many output tokens would have been affordable."""
    if ask.work.tokens is not None and chosen is not None and denied.affordable_credits is not None:
        denied.affordable_output_tokens = affordable_output(
            chosen.held, ask.work.tokens, denied.affordable_credits
        )
    return denied


def shutoff_limit(ask: Ask, counter: UsageCounter) -> list[Limit]:
    """The shutoff threshold as a limit, if there is one. It compares what is settled, no holds."""
    cap = ask.thresholds.shutoff
    if cap is None:
        return []
    public_id = ask.work.organization.public_id
    resets_at = month_of(datetime.combine(counter.month, time(), UTC)).ends_at
    return [Limit("shutoff", public_id, cap, counter.used, ZERO, resets_at, "shutoff")]
