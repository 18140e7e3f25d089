"""The rules of an organization as they are and as they are tried, and what the product's own policy and admission say by them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from credits import ledger
from credits.ledger import Candidate, Wanted
from credits.models import ZERO, CreditConfig
from organizations.models import Group, Organization, UsageProfile
from usage import policy, what_if
from usage.models import AIModel
from usage.policy import Offer, Terms
from usage.services import limits
from usage.services.book import Book
from usage.services.limits import ActorTerms
from usage.what_if import EVERYBODY, Changes, Course, Verdict


class Asked(NamedTuple):
    """A piece of work, as it is asked of a course: whom it counts for, and what it needs on either model."""

    actor_id: UUID | None
    keys: Sequence[str]
    period: str
    offer: Offer | None
    need: Decimal
    fallback: Decimal | None


class Rules(NamedTuple):
    """The rules by which one course goes."""

    organization_id: UUID
    monthly_cap: Decimal | None
    overdraft_limit: Decimal | None
    downgrade: Decimal | None
    shutoff: Decimal | None
    falls_back: bool
    caps: Mapping[str, Decimal | None]
    """Of each subject's month, by its key."""
    tiers: Mapping[UUID, frozenset[str]]
    """What each person may use."""

    def ask(self, asked: Asked, course: Course, *, now: datetime) -> Verdict:
        """Ask the product's policy and admission about a piece of work, at this point of a course."""
        tiers = self.tiers.get(asked.actor_id) if asked.actor_id else None
        refusal = policy.refuse(Terms(tiers=tiers), asked.offer)
        if refusal is not None:
            return Verdict(False, refusal)
        decision = ledger.decide(
            self._wanted(asked, now),
            settled=course.settled,
            charge_limit=None,
            caps=[*(self.caps.get(key) for key in asked.keys), self.monthly_cap],
            taken=[*course.taken_of(asked.keys), course.of_period(asked.period)],
            unreserved=course.pool,
            overdraft=self.overdraft_limit,
            refill_threshold=None,
            falls_back=self.falls_back,
            free_limit=None,
            free_taken=ZERO,
        )
        names = ["shutoff", *(key.partition(" ")[0] for key in asked.keys), "cap", "pool", "pool"]
        limit = names[decision.denied_by] if decision.denied_by is not None else ""
        return Verdict(decision.outcome == "held", limit, decision.model == 2)

    def _wanted(self, asked: Asked, now: datetime) -> Wanted:
        needs = [asked.need] if asked.fallback is None else [asked.need, asked.fallback]
        return Wanted(
            organization_id=self.organization_id,
            now=now,
            candidates=[Candidate(need) for need in needs],
            downgrade=self.downgrade,
            shutoff=self.shutoff,
        )


def rules_of(book: Book, actors: Mapping[UUID, ActorTerms], keys: Iterable[str]) -> Rules:
    """Return the rules of an organization as they are, with the caps of these people and of whom else these keys name."""
    config, thresholds = book.config, book.thresholds
    caps = {what_if.actor_key(id): found.cap for id, found in actors.items()}
    return Rules(
        book.organization.id,
        config.monthly_cap,
        config.overdraft_limit,
        thresholds.downgrade,
        thresholds.shutoff,
        config.when_empty == CreditConfig.WhenEmpty.FALLBACK,
        _shared_caps(book.organization, keys) | caps,
        {id: found.tiers for id, found in actors.items()},
    )


def tried(rules: Rules, changes: Changes, actors: Mapping[UUID, ActorTerms]) -> Rules:
    """Return the rules as they are tried."""
    caps, tiers = dict(rules.caps), dict(rules.tiers)
    profile = UsageProfile.objects.filter(id=changes.profile).first() if changes.profile else None
    without = {id: what_if.actor_key(id) for id, found in actors.items() if not found.has_own_limit}
    if profile is not None:
        tiers = dict.fromkeys(actors, frozenset(profile.allowed_model_tiers))
        caps |= dict.fromkeys(without.values(), profile.credit_cap_per_month)
    if EVERYBODY in changes.limits:
        caps |= dict.fromkeys(without.values(), changes.limits[EVERYBODY])
    caps |= {key: cap for key, cap in changes.limits.items() if key != EVERYBODY}
    return rules._replace(
        caps=caps,
        tiers=tiers,
        monthly_cap=changes.rule("monthly_cap", rules.monthly_cap),
        overdraft_limit=changes.rule("overdraft_limit", rules.overdraft_limit),
        downgrade=changes.rule("downgrade", rules.downgrade),
        shutoff=changes.rule("shutoff", rules.shutoff),
    )


def offer(model: AIModel | None) -> Offer | None:
    """Return a model as the policy asks of it. A fallback is for everybody."""
    if model is None or model.is_fallback:
        return None
    return Offer(model.slug, model.provider, model.tier, ZERO)


def _shared_caps(organization: Organization, keys: Iterable[str]) -> dict[str, Decimal | None]:
    """Return the caps of groups, apps and datasets, by their keys."""
    keys = list(keys)
    groups = [UUID(key.split(" ")[1]) for key in keys if key.startswith("group ")]
    found = Group.objects.filter(organization=organization, id__in=groups)
    caps = limits.entity_group_caps(list(found))
    shared = {what_if.group_key(id): cap for id, cap in caps.items()}
    for key in keys:
        kind, _, rest = key.partition(" ")
        if kind == "resource":
            shared[key] = limits.resource_cap(organization, *rest.split(" ", 1))
    return shared
