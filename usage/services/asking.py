"""What somebody asks for, with all that decides about it: read before the wallet is locked."""

from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Literal

from credits import periods
from credits.models import UsageCounter, Wallet
from credits.services.admission import Counted
from credits.services.counters import ORGANIZATION, Subject, counters_of
from organizations.ids import write
from organizations.models import Actor, Group, Organization
from usage.models import AIModel, Thresholds
from usage.policy import Offer, Terms
from usage.pricing import RateCard, Tokens, Unpriced, dearest, price
from usage.services import limits, rates


@dataclass(frozen=True)
class Work:
    """One piece of work: who does it for whom, on which model, and how much of it there may be.

    `credits` or `tokens`, not both; tokens need a model.
    """

    organization: Organization
    credits: Decimal | None = None
    tokens: Tokens | None = None
    model: AIModel | None = None
    actor: Actor | None = None
    group: Group | None = None
    """The entity group that the request names; else it is the actor's."""
    work_type: str = "ai"
    resource_type: str = ""
    resource_id: str = ""
    personal: bool = False
    """Whether the actor itself asks, with a key of its own."""


@dataclass(frozen=True)
class Candidate:
    """A model that could do the work, with its prices."""

    model: AIModel
    card: RateCard
    price: Decimal
    """The most that the work can cost on it."""

    @property
    def held(self) -> RateCard:
        """The prices by which the work is held."""
        return dearest(self.card)

    @property
    def offer(self) -> Offer:
        return Offer(self.model.slug, self.model.provider, self.model.tier, self.price)


class Ask:
    """A piece of work at a moment, with the terms that apply to it: all of them read here, before any lock."""

    def __init__(self, work: Work, now: datetime) -> None:
        """Read what decides about the work.

        :raises usage.pricing.Unpriced: if the model, or this much of it, has no price
        :raises usage.pricing.ImpossibleTokens: if the counts contradict each other
        """
        self.work, self.now = work, now
        self.asked: Candidate | None = None
        self.fallback: Candidate | None = None
        if work.model is not None:
            self.asked, self.fallback = self._candidates(work.model)
        self.thresholds = self._thresholds()
        self.actor_terms = self._actor_terms()
        self.group = self._group()
        self._group_cap = self._cap_of_group()
        self._resource_cap = self._cap_of_resource()

    @property
    def need(self) -> Decimal:
        """The credits that the work needs on the model that was asked for."""
        if self.asked is not None:
            return self.asked.price
        return self.work.credits or Decimal(0)

    def _candidates(self, model: AIModel) -> tuple[Candidate, Candidate | None]:
        fallback = AIModel.objects.filter(provider=model.provider, is_fallback=True).first()
        models = {each.slug: each for each in (model, fallback) if each is not None}
        cards = rates.cards_of(models.values(), until=self.now)
        asked = self._candidate(model, cards)
        if fallback is None or fallback == model:
            return asked, asked if fallback else None
        try:
            return asked, self._candidate(fallback, cards)
        except Unpriced:  # nobody falls back to what has no price
            return asked, None

    def _candidate(self, model: AIModel, cards: rates.Cards) -> Candidate:
        """Price the work on a model: the most that its tokens can cost, or the credits that were asked for."""
        card = rates.in_force(cards, model, self.now)
        priced = price(dearest(card), self.work.tokens or Tokens())
        return Candidate(model, card, priced if self.work.credits is None else self.work.credits)

    def _thresholds(self) -> Thresholds:
        organization = self.work.organization
        found = Thresholds.objects.filter(organization=organization).first()
        return found or Thresholds(organization=organization)

    def _actor_terms(self) -> limits.ActorTerms | None:
        actor = self.work.actor
        if actor is None:
            return None
        return limits.actor_terms(self.work.organization, [actor])[actor.id]

    def _group(self) -> Group | None:
        """The entity group whose bucket this is: the request's, else the actor's."""
        if self.work.group is not None or self.actor_terms is None:
            return self.work.group
        return self.actor_terms.entity_group

    def _cap_of_group(self) -> limits.Cap:
        if self.group is None:
            return None
        return limits.entity_group_caps(self.work.organization, [self.group])[self.group.id]

    def _cap_of_resource(self) -> limits.Cap:
        work = self.work
        if not work.resource_type:
            return None
        return limits.resource_cap(work.organization, work.resource_type, work.resource_id)

    def terms(self, organization: Organization, settled: Decimal) -> Terms:
        """Return on what terms the organization stands, having settled so much this month."""
        enabled = organization.enabled_providers
        return Terms(
            is_entitled=organization.is_entitled(self.now),
            byok=organization.byok,
            enabled_providers=None if enabled is None else frozenset(enabled),
            tiers=self.actor_terms.tiers if self.actor_terms else None,
            downgrade=self.thresholds.downgrade,
            shutoff=self.thresholds.shutoff,
            settled_this_month=settled,
        )

    def count(self, wallet: Wallet) -> tuple[UsageCounter, list[Counted]]:
        """Return the counter of the organization, and those that may carry a cap in their order, on a locked wallet."""
        month = periods.month_of(self.now)
        subjects = [ORGANIZATION, *self._capped_subjects()]
        organization, *counters = counters_of(wallet, month.starts_at.date(), subjects)
        return organization, [self.capped(each) for each in counters]

    def _capped_subjects(self) -> list[Subject]:
        work = self.work
        subjects = [Subject(actor_id=work.actor.id)] if work.actor else []
        if self.group is not None:
            subjects.append(Subject(group_id=self.group.id))
        if work.resource_type:
            subjects.append(Subject(resource_type=work.resource_type, resource_id=work.resource_id))
        return subjects

    def capped(self, counter: UsageCounter) -> Counted:
        """Return a counter with the cap that applies to its subject now."""
        resets_at = periods.month_of(datetime.combine(counter.month, time(), UTC)).ends_at
        scope, public_id, cap, reason = self._cap_of(counter)
        return Counted(counter, scope, public_id, cap, reason, resets_at)

    def _cap_of(
        self, counter: UsageCounter
    ) -> tuple[Literal["actor", "group", "resource"], str, limits.Cap, str]:
        if counter.actor_id is not None:
            cap = self.actor_terms.cap if self.actor_terms else None
            return "actor", write("act", counter.actor_id), cap, "actor_cap"
        if counter.group_id is not None:
            return "group", write("grp", counter.group_id), self._group_cap, "group_cap"
        name = f"{counter.resource_type}/{counter.resource_id}"
        return "resource", name, self._resource_cap, "entity_budget"
