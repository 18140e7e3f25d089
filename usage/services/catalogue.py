"""Which models somebody may use now, and why not the others."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from credits.models import ZERO, CreditConfig, UsageCounter
from credits.periods import month_of
from credits.services.counters import counter_of
from credits.services.reading import wallet_as_of
from organizations.models import Actor, Organization
from usage.models import AIModel, Thresholds
from usage.pricing import RateCard, Unpriced, is_free
from usage.services import limits, rates
from usage.services.book import Book


@dataclass(frozen=True)
class Listed:
    """A model as a model switcher shows it: greyed out where `reason` is set."""

    model: AIModel
    reason: str | None
    card: RateCard | None = None
    """What it costs whoever asks, at all hours; None if it has no price."""

    @property
    def available(self) -> bool:
        return self.reason is None


@dataclass(frozen=True)
class _Standing:
    """What stands in the way of everything: the shutoff, or an empty pool without a fallback."""

    is_stopped: bool = False
    is_empty: bool = False
    falls_back: bool = False
    """Whether work goes on, on fallbacks, when the pool is empty."""

    def pays(self, model: AIModel, card: RateCard) -> bool:
        """Whether a reserve could be for some work on a model."""
        return not self.is_empty or is_free(card) or (self.falls_back and model.is_fallback)


def shown_to(organization: Organization) -> QuerySet[AIModel]:
    """Return the models that an organization is shown: all but the fallbacks of providers that it has not enabled."""
    enabled = organization.enabled_providers
    if enabled is None:
        return AIModel.objects.all()
    return AIModel.objects.filter(Q(is_fallback=False) | Q(provider__in=enabled))


def found(
    organization: Organization, *, provider: str = "", tier: str = "", q: str = ""
) -> QuerySet[AIModel]:
    """Return of the models that an organization is shown those of a provider, of a tier, and that have a text in their id, name or
    provider, or as one of their aliases."""
    models = shown_to(organization)
    if provider:
        models = models.filter(provider=provider)
    if tier:
        models = models.filter(tier=tier)
    if q:
        named = Q(slug__icontains=q) | Q(name__icontains=q) | Q(provider__icontains=q)
        models = models.filter(named | Q(aliases__contains=[q]))
    return models


def standing_of(
    models: Iterable[AIModel], book: Book, actor: Actor | None, *, now: datetime
) -> list[Listed]:
    """Return models, each available or not and why, with what they cost an organization.

    `reason` is the code that a reserve would answer, or `UNPRICED`.
    """
    organization = book.organization
    tiers = limits.actor_terms(organization, [actor])[actor.id].tiers if actor else None
    standing = _standing(organization, now=now)
    models = list(models)
    cards = book.cards(models)
    listed = []
    for model in models:
        enabled = organization.enables(model.provider)
        card = _card_of(model, cards, now)
        reasons = (
            (not organization.is_entitled(now), "AI_NOT_CONFIGURED"),
            (model.is_retired(now), "MODEL_RETIRED"),
            (not enabled, "MODEL_NOT_ENABLED"),
            (tiers is not None and model.tier not in tiers, "TIER_NOT_ALLOWED"),
            (card is None, "UNPRICED"),
            (standing.is_stopped, "BILLING_EXHAUSTED"),
            (card is not None and not standing.pays(model, card), "BILLING_EXHAUSTED"),
        )
        reason = next((why for is_so, why in reasons if is_so), None)
        listed.append(Listed(model, reason, _shown(model, cards, now)))
    return listed


def _card_of(model: AIModel, cards: rates.Cards, now: datetime) -> RateCard | None:
    """Return the card by which a reserve could price some work on a model, if there is one."""
    try:
        card = rates.in_force(cards, model, now)
    except Unpriced:
        return None
    return card if card.is_priced else None


def _shown(model: AIModel, cards: rates.Cards, now: datetime) -> RateCard | None:
    try:
        return rates.whole_day(cards, model, now)
    except Unpriced:
        return None


def _standing(organization: Organization, *, now: datetime) -> _Standing:
    if organization.byok:
        return _Standing()
    wallet = wallet_as_of(organization, now=now).wallet
    overdraft = wallet.config.overdraft_limit
    thresholds = Thresholds.objects.filter(organization=organization).first()
    shutoff = thresholds.shutoff if thresholds else None
    counter = counter_of(wallet, month_of(now).starts_at.date())
    return _Standing(
        is_stopped=shutoff is not None and counter.used >= shutoff,
        is_empty=overdraft is not None and wallet.unreserved + overdraft <= ZERO,
        falls_back=_falls_back(wallet.config, counter),
    )


def _falls_back(config: CreditConfig, counter: UsageCounter) -> bool:
    """Whether some work goes on, on fallbacks, that the pool cannot pay."""
    limit, taken = config.free_fallback_limit, counter.free_used + counter.free_reserved
    has_room = limit is None or taken < limit
    return has_room and config.when_empty == CreditConfig.WhenEmpty.FALLBACK
