"""What a decision says, shared by those who decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from credits.limits import Limit
from credits.services import BillingExhausted
from usage.pricing import Tokens, affordable_output
from usage.services.asking import Ask, Candidate


class NotAllowed(Exception):
    """The organization or the actor may not use this at all, whatever it has to spend."""

    code: ClassVar[str]
    """What clients tell it by."""
    reason: str
    limits: Sequence[Limit] = ()
    affordable_credits: Decimal | None = None
    affordable_output_tokens: int | None = None
    unblocks_at: datetime | None = None
    """As of every denial; but no limit stands in the way, and no time removes it."""

    def __init__(self, message: str, *, reason: str, needed: Decimal | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.needed = needed
        self.details: dict[str, Any] = {"reason": reason}


class AiNotConfigured(NotAllowed):
    """The organization is not entitled to use AI, or no longer."""

    code = "AI_NOT_CONFIGURED"


class ModelRetired(NotAllowed):
    """The model does no new work any more."""

    code = "MODEL_RETIRED"


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
    byok: bool = False
    tokens: Tokens | None = None
    """What the credits are for, if it was asked in tokens: in `up_to` perhaps fewer than asked."""


def with_tokens(denied: BillingExhausted, ask: Ask, chosen: Candidate | None) -> BillingExhausted:
    """Say how many output tokens would have been affordable."""
    if ask.work.tokens is not None and chosen is not None and denied.affordable_credits is not None:
        denied.affordable_output_tokens = affordable_output(
            chosen.held, ask.work.tokens, denied.affordable_credits, units=ask.units
        )
    return denied
