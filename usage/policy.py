"""May this actor use this, now? Pure: numbers in, one decision and its reasons out.

The rows of the order of checks that need no money: entitlement, provider and tier, own keys, shutoff, downgrade. The caps and the pool
come after, in `credits`.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Refusal = Literal["entitlement", "provider", "tier", "shutoff"]
"""The first row that refused."""


@dataclass(frozen=True)
class Offer:
    """A model that could do the work, and what the work would cost on it."""

    model: str
    provider: str
    tier: str
    price: Decimal


@dataclass(frozen=True)
class Terms:
    """On what terms an organization and its actor stand at the moment of a decision."""

    is_entitled: bool = True
    byok: bool = False
    enabled_providers: frozenset[str] | None = None
    """None is all of them."""
    tiers: frozenset[str] | None = None
    """The tiers in the actor's profiles; None where there is no actor."""
    downgrade: Decimal | None = None
    shutoff: Decimal | None = None
    settled_this_month: Decimal = Decimal(0)


@dataclass(frozen=True)
class Verdict:
    """What the policy says: the model to use, or why not. With `byok` nothing is held or charged."""

    decision: Literal["allow", "downgrade", "deny"]
    offer: Offer | None = None
    byok: bool = False
    refusal: Refusal | None = None


def decide(terms: Terms, offer: Offer | None, fallback: Offer | None = None) -> Verdict:
    """Ask rows 1 to 6 in their order; the first that refuses names the reason.

    :param offer: the model that was asked for; None where only credits were
    :param fallback: its provider's fallback, priced for the same work
    """
    if not terms.is_entitled:
        return _deny("entitlement")
    if offer is not None:
        refusal = _refuse_model(terms, offer)
        if refusal is not None:
            return refusal
    if terms.byok:
        return Verdict("allow", offer, byok=True)
    if terms.shutoff is not None and terms.settled_this_month >= terms.shutoff:
        return _deny("shutoff")
    if _downgrades(terms, offer, fallback):
        return Verdict("downgrade", fallback)
    return Verdict("allow", offer)


def _refuse_model(terms: Terms, offer: Offer) -> Verdict | None:
    if terms.enabled_providers is not None and offer.provider not in terms.enabled_providers:
        return _deny("provider")
    if terms.tiers is not None and offer.tier not in terms.tiers:
        return _deny("tier")
    return None


def _downgrades(terms: Terms, offer: Offer | None, fallback: Offer | None) -> bool:
    """A downgrade must be one: to a fallback that costs less for this work."""
    if terms.downgrade is None or terms.settled_this_month < terms.downgrade:
        return False
    return offer is not None and fallback is not None and fallback.price < offer.price


def _deny(refusal: Refusal) -> Verdict:
    return Verdict("deny", refusal=refusal)
