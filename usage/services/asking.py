"""What somebody asks for, with all that decides about it: by the terms that are kept, or by those that are true under the wallet's lock."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from credits.limits import Capped
from organizations.authentication import Unauthenticated
from organizations.models import Actor, Group, Organization
from organizations.permissions import ForbiddenScope
from usage.counts import NAMES, completed
from usage.models import AIModel, Thresholds
from usage.policy import Offer, Terms
from usage.pricing import (
    NOTHING,
    Counts,
    ImpossibleTokens,
    RateCard,
    Tokens,
    Unpriced,
    dearest,
    price,
)
from usage.services import limits, rates, terms
from usage.services.book import Book, Versions
from usage.units import DIRECTIONS, REQUESTS, TOKENS


class Work(NamedTuple):
    """One piece of work: who does it for whom, on which model, and how much of it there may be.

    `credits` or `tokens`, not both; tokens need a model.
    """

    organization: Organization
    credits: Decimal | None = None
    tokens: Tokens | None = None
    units: Counts = NOTHING
    """How much there may be besides tokens, by unit."""
    variant: str = ""
    """How it is to be served, like `service_tier=flex`; empty is the standard way."""
    model: AIModel | None = None
    model_called: str = ""
    """What the request calls the model: perhaps an alias, or a dated snapshot."""
    actor: Actor | None = None
    actor_called: str | None = None
    """The external id by which the request names the actor, if it does: whose that is may change before it is the work's turn."""
    group: Group | None = None
    """The entity group that the request names; else it is the actor's."""
    work_type: str = "ai"
    resource_type: str = ""
    resource_id: str = ""
    personal: bool = False
    """Whether the actor itself asks, with a key of its own."""


class Candidate(NamedTuple):
    """A model that could do the work, with its prices."""

    model: AIModel
    card: RateCard
    price: Decimal
    """The most that the work can cost on it."""
    variant: str = ""
    """How it is to be served, if that has prices of its own."""

    @property
    def held(self) -> RateCard:
        """The prices by which the work is held."""
        return dearest(self.card, self.variant)

    @property
    def offer(self) -> Offer:
        return Offer(self.model.slug, self.model.provider, self.model.tier, self.price)


class Left(Exception):
    """Whom or what a request named is not there any more, or not for it: it was when the request came.

    `details` names the field, as for a request that comes now.
    """

    reason = "left"
    details: Mapping[str, Any] = {}

    @classmethod
    def of(cls, field: str, sentence: str) -> "Left":
        """Return what a request is told of one of its fields."""
        left = cls(f"{field}: {sentence}")
        left.details = {"fields": {field: [sentence]}}
        return left


def no_price(model: str, units: Sequence[str]) -> Left:
    """Return that a model has no price for some of what is asked for, with the field that asks for it; or for anything, where no unit is named."""
    if not any(units):
        return Left.of("model", f"{model} has no price.")
    if units[0] not in TOKENS:
        field = "model" if units[0] == REQUESTS else "maxUnits"
    else:
        field = "maxOutputTokens" if DIRECTIONS[units[0]] == "output" else "inputTokens"
    named = " and ".join(NAMES.get(unit, unit) for unit in units)
    return Left.of(field, f"{model} has no price for {named}.")


class ActorGone(Left):
    """The organization has no such actor any more."""


_REFUSALS = (ImpossibleTokens, Left, Unauthenticated, ForbiddenScope)
"""How an ask may be refused by its terms alone."""


class Ask:
    """A piece of work at a moment, with the terms that apply to it.

    They are those of a book, which may be stale: so what it answers is used with `versions` and `valid_until`, and not after that.
    """

    def __init__(self, work: Work, now: datetime, book: Book | None = None) -> None:
        """Find what decides about the work, and whom and what it names: by one book all of it, also what a door took from an older one.

        :param book: the terms to go by, where they were read anew; those that are kept, unless it is told others
        :raises usage.pricing.ImpossibleTokens: if the counts contradict each other
        :raises Left: if the model, or something that the work may come to, has no price; or whom or what it names left meanwhile
        """
        self.now = now
        self.book = book or terms.book_of(work.organization)
        self._named = work
        try:
            self._look_up()
        except _REFUSALS:
            # By terms that were kept nothing is refused.
            if book is not None or self.book.is_current():
                raise
            self.book = terms.fresh(work.organization)
            self._look_up()

    def _look_up(self) -> None:
        work = self.work = _by(self.book, self._named)
        self.asked: Candidate | None = None
        self.fallback: Candidate | None = None
        self._models: list[AIModel] = []
        self._cards: rates.Cards = {}
        if work.model is not None:
            self.asked, self.fallback = self._candidates(work.model)
        self.actor_terms = _actor_terms(self.book, work.actor)
        self.actor_cap = self.actor_terms.cap if self.actor_terms else None
        self.group = self._group()
        self.group_cap = self.book.group_cap(self.group) if self.group else None
        self.resource_cap = (
            self.book.resource_cap(work.resource_type, work.resource_id)
            if work.resource_type
            else None
        )

    @property
    def versions(self) -> Versions:
        """At which version its terms were read."""
        return self.book.versions

    @property
    def organization(self) -> Organization:
        """Who asks, with whom it depends on."""
        return self.book.organization

    @property
    def thresholds(self) -> Thresholds:
        return self.book.thresholds

    @cached_property
    def valid_until(self) -> datetime | None:
        """The first moment after `now` at which it would differ although nobody edits anything; None if there is none."""
        moments = [each.retired_at for each in self._models if each.retired_at is not None]
        for starts_at, card in (dated for cards in self._cards.values() for dated in cards):
            moments += [starts_at, *card.changes_after(self.now)]
        if self.organization.entitled_until is not None:
            moments.append(self.organization.entitled_until)
        return min((moment for moment in moments if moment > self.now), default=None)

    @property
    def offer(self) -> Offer | None:
        """The model that was asked for, as the policy looks at it; None where only credits were."""
        if self.asked is None:
            return None
        return self.asked.offer._replace(is_retired=self.asked.model.is_retired(self.now))

    @property
    def need(self) -> Decimal:
        """The credits that the work needs on the model that was asked for."""
        if self.asked is not None:
            return self.asked.price
        return self.work.credits or Decimal(0)

    def _candidates(self, model: AIModel) -> tuple[Candidate, Candidate | None]:
        fallback = self.book.fallback(model.provider)
        self._models = [model, *([fallback] if fallback else [])]
        cards = self._cards = self.book.cards(self._models)
        try:
            self._require_prices_of_units(rates.in_force(cards, model, self.now), model)
            asked = self._candidate(model, cards)
        except Unpriced as error:
            raise no_price(model.slug, [error.unit]) from error
        self._require_sense(asked)
        if fallback is None or fallback.is_retired(self.now):
            return asked, None
        if fallback == model:
            return asked, asked
        try:
            return asked, self._candidate(fallback, cards)
        except Unpriced:  # nobody falls back to what has no price
            return asked, None

    def _candidate(self, model: AIModel, cards: rates.Cards) -> Candidate:
        """Price the work on a model: the most that its tokens can cost, or the credits that were asked for."""
        work, card = self.work, rates.in_force(cards, model, self.now)
        # A fallback that has no such way of being served does the work in its own.
        variant = card.served(work.variant) or ""
        if work.credits is not None:
            price(dearest(card, variant), Tokens())
            return Candidate(model, card, work.credits, variant)
        held = dearest(card, variant)
        priced = price(held, work.tokens or Tokens(), units=self.units)
        return Candidate(model, card, priced, variant)

    @cached_property
    def units(self) -> Counts:
        """How much there may be besides tokens: wholes with their parts in."""
        return completed(self.work.units) if self.work.units else NOTHING

    def _require_prices_of_units(self, card: RateCard, model: AIModel) -> None:
        """Refuse to begin what could not be charged.

        :raises Left: naming the unit
        """
        sheet = card.sheet(card.served(self.work.variant) or "")
        missing = [unit for unit in self.work.units if not sheet.sells(unit)]
        if missing and card.is_priced:
            raise no_price(model.slug, missing)

    def _require_sense(self, asked: Candidate) -> None:
        """Refuse what a model does not sell so.

        :raises Left: naming the field
        """
        work, slug = self.work, asked.model.slug
        if asked.card.served(work.variant) is None:
            raise Left.of("variant", f"{slug} has no prices for {work.variant}.")
        if work.tokens is None or work.units or work.tokens.output:
            return
        if asked.card.prices_output:
            raise Left.of("maxOutputTokens", "It is required: what comes out of this model costs.")

    def _group(self) -> Group | None:
        """The entity group whose bucket this is: the request's, else the actor's."""
        if self.work.group is not None or self.actor_terms is None:
            return self.work.group
        return self.actor_terms.entity_group

    @property
    def terms(self) -> Terms:
        """On what terms the organization and the actor stand."""
        enabled = self.organization.enabled_providers
        return Terms(
            is_entitled=self.organization.is_entitled(self.now),
            enabled_providers=None if enabled is None else frozenset(enabled),
            tiers=self.actor_terms.tiers if self.actor_terms else None,
        )

    @property
    def capped(self) -> list[Capped]:
        """Whom the work is counted for besides its organization, with their caps, in the order of the checks: actor, group, resource."""
        work, found = self.work, []
        if work.actor is not None:
            found.append(Capped("actor", self.actor_cap, actor_id=work.actor.id))
        if self.group is not None:
            found.append(Capped("group", self.group_cap, group_id=self.group.id))
        if work.resource_type:
            cap, resource = self.resource_cap, (work.resource_type, work.resource_id)
            found.append(Capped("resource", cap, None, None, *resource))
        return found


def _by(book: Book, work: Work) -> Work:
    """Return a piece of work with whom and what it names as a book has them.

    :raises Left: if one of them is not there any more, or may not do this any more
    """
    actor, model, group = _actor_by(book, work), work.model, work.group
    if model is not None:
        model = book.model(work.model_called or model.slug)
        if model is None:
            raise Left.of("model", "There is no such model.")
    if group is not None:
        group = book.group(group.key)
        if group is None:
            raise Left.of("entity", "There is no such entity group.")
        _require_own_group(book, work, group)
    if actor is work.actor and model is work.model and group is work.group:
        return work
    return work._replace(actor=actor, model=model, group=group)


def _actor_by(book: Book, work: Work) -> Actor | None:
    before = work.actor
    if before is None:
        return None
    called = work.actor_called
    actor = book.actor(before.id) if called is None else book.actor_called(called)
    if actor is None:
        raise ActorGone("not found")
    if before.active and not actor.active:
        if work.personal:
            raise Unauthenticated("the API key is not valid")
        field = "actorId" if called is None else "actorExternalId"
        raise Left.of(field, "This actor is not active.")
    return actor


def _require_own_group(book: Book, work: Work, group: Group) -> None:
    """Refuse a personal key whose actor left the entity group that it names."""
    own = _actor_terms(book, work.actor)
    if work.personal and (own is None or own.entity_group != group):
        raise ForbiddenScope("a personal key spends from its actor's own entity group only")


def _actor_terms(book: Book, actor: Actor | None) -> limits.ActorTerms | None:
    """Return what applies to an actor, if the work has one.

    :raises ActorGone: if the organization has none of its id
    """
    if actor is None:
        return None
    found = book.actor_terms(actor.id)
    if found is None:
        raise ActorGone("not found")
    return found
