"""May this actor use this, now? Pure: terms in, the first reason against it out.

The rows of the order of checks that compare no numbers: entitlement, whether there still is such a model, provider and tier. The rest is decided by the admission, under
the wallet's lock (`credits_decide_1`).
"""

from decimal import Decimal
from typing import Literal, NamedTuple

Refusal = Literal["entitlement", "retired", "provider", "tier"]
"""The first row that refused."""


class Offer(NamedTuple):
    """A model that could do the work, and what the work would cost on it."""

    model: str
    provider: str
    tier: str
    price: Decimal
    is_retired: bool = False


class Terms(NamedTuple):
    """On what terms an organization and its actor stand at the moment of a decision."""

    is_entitled: bool = True
    enabled_providers: frozenset[str] | None = None
    """None is all of them."""
    tiers: frozenset[str] | None = None
    """The tiers in the actor's profiles; None where there is no actor."""


def refuse(terms: Terms, offer: Offer | None) -> Refusal | None:
    """Ask rows 1 and 2 in their order; return the first that refuses.

    :param offer: the model that was asked for; None where only credits were
    """
    if not terms.is_entitled:
        return "entitlement"
    if offer is None:
        return None
    if offer.is_retired:
        return "retired"
    if terms.enabled_providers is not None and offer.provider not in terms.enabled_providers:
        return "provider"
    if terms.tiers is not None and offer.tier not in terms.tiers:
        return "tier"
    return None
