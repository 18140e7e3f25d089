"""Terms that are kept against terms that are read anew, after whatever was edited, at whatever moment: they say the same."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from credits.models import CreditConfig
from organizations.models import Actor, Group, Membership, Organization, UsageProfile
from organizations.recent import Recent
from tests import factories as f
from tests.usage import people as p
from usage.models import AIModel, Limit, Rate, Thresholds
from usage.services import book, terms
from usage.services.asking import Ask, Left, Work

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = 150
HOUR = timedelta(hours=1)


class House:
    """Two people of an organization at work on two models, and dice that edit everything."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.organization = f.make_organization(funded=1_000)
        self.models = p.make_models()
        self.profiles = [
            p.make_profile(self.organization, "own", cap=50),
            p.make_profile(None, "wide", cap=None, tiers="all"),
        ]
        self.people = [p.make_actor(self.organization, name) for name in ("Ada", "Bob")]
        self.groups = [
            p.make_group(self.organization, "blue"),
            p.make_group(self.organization, "acme", kind="entity"),
        ]

    def some_work(self) -> Work:
        return p.work(
            self.organization,
            millions=1,
            model=self.dice.choice(self.models),
            # Whether somebody may come at all is the door's question.
            actor=Actor.objects.get(pk=self.dice.choice(self.people).pk),
            resource_type="app",
            resource_id=self.dice.choice("ab"),
        )

    def edit(self) -> None:
        """Change something, by whatever statement; what a constraint refuses changes nothing."""
        with suppress(IntegrityError), transaction.atomic():
            self.dice.choice(self.edits())()

    def edits(self) -> list[Callable[[], object]]:
        dice, owner = self.dice, self.organization
        cap = dice.choice([None, Decimal(0), Decimal(dice.randrange(100))])
        actor, group = dice.choice(self.people), dice.choice(self.groups)
        profile = dice.choice([None, *self.profiles])
        limits, actors = Limit.objects.filter(organization=owner), Actor.objects.filter(pk=actor.pk)
        since = f.NOW + dice.randrange(-5, 5) * HOUR
        model = dice.choice(self.models)
        member = Membership(organization=owner, group=group, actor=actor, kind=group.kind)
        organization = Organization.objects.filter(pk=owner.pk)
        return [
            lambda: p.limit(owner, cap, "actor", actor=actor),
            lambda: p.limit(owner, cap, "group", group=group),
            lambda: p.limit(owner, cap, dice.choice(["actor_default", "team_default"])),
            lambda: p.limit(owner, cap, "entity_default"),
            lambda: p.limit(owner, cap, "resource", resource_type="app", resource_id="a"),
            lambda: limits.update(cap=cap),
            lambda: limits.filter(scope=dice.choice(Limit.Scope.values)).delete(),
            lambda: Thresholds.objects.update_or_create(
                organization=owner, defaults={"shutoff": cap}
            ),
            lambda: Thresholds.objects.all().delete(),
            lambda: member.save(force_insert=True),
            lambda: Membership.objects.filter(actor=actor).delete(),
            lambda: actors.update(profile=profile),
            lambda: actors.update(active=dice.random() < 0.8),
            lambda: actors.update(name=str(dice.random())),
            lambda: Group.objects.filter(key="blue").update(profile=profile),
            lambda: UsageProfile.objects.filter(slug="own").update(credit_cap_per_month=cap),
            lambda: UsageProfile.objects.filter(organization=None).update(
                credit_cap_per_month=cap, allowed_model_tiers=p.TIERS[dice.choice(list(p.TIERS))]
            ),
            lambda: organization.update(default_profile=profile),
            lambda: organization.update(byok=dice.random() < 0.5),
            lambda: organization.update(entitled_until=dice.choice([None, since])),
            lambda: organization.update(enabled_providers=dice.choice([None, [], ["anthropic"]])),
            lambda: organization.update(status=dice.choice(["active", "suspended"])),
            lambda: CreditConfig.objects.update(monthly_cap=cap, charge_limit=cap),
            lambda: p.set_rate(model, dice.randrange(50), since=since),
            lambda: Rate.objects.filter(model=model, starts_at=since).delete(),
            lambda: p.set_price(model, dice.randrange(5) * 1_000, "requests"),
            lambda: AIModel.objects.filter(pk=model.pk).update(
                tier=dice.choice(["everyday", "advanced"])
            ),
            lambda: AIModel.objects.filter(pk=model.pk).update(
                retired_at=dice.choice([None, None, since])
            ),
            lambda: AIModel.objects.filter(slug="haiku").update(is_fallback=dice.random() < 0.7),
        ]


def facts(call: Callable[[], Ask]) -> Any:
    """Return all that an ask says of its terms, or that it has no price."""
    try:
        ask = call()
    except Left:
        return Left
    offers = [each and (each.offer, each.card) for each in (ask.asked, ask.fallback)]
    own, config = ask.organization, ask.book.config
    return (
        offers,
        ask.offer,
        ask.need,
        (ask.thresholds.downgrade, ask.thresholds.shutoff),
        (ask.actor_terms, ask.actor_cap),
        (ask.group, ask.group_cap, ask.resource_cap),
        (own.status, own.byok, own.enabled_providers, own.is_entitled(ask.now)),
        (config.monthly_cap, config.charge_limit),
    )


def read_anew(work: Work, now: Any) -> Ask:
    """Return an ask by terms of which nothing was kept."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((terms, "_books"), (book, "_entries"), (terms, "_catalogues")):
            patch.setattr(module, name, Recent(1_000))
        return Ask(work, now)


def by_the_lock(work: Work, now: Any) -> Ask:
    """Return an ask as an admission has it: by kept terms, and if they are stale by fresh ones."""
    ask = Ask(work, now)
    return ask if ask.book.is_current() else Ask(work, now, terms.fresh(work.organization))


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]


@pytest.mark.parametrize("seed", SEEDS)
def test_kept_terms_say_what_fresh_ones_say(seed: int) -> None:
    house = House(seed)
    told = stale = 0
    for _ in range(STEPS):
        if house.dice.random() < 0.6:
            house.edit()
        work = house.some_work()
        now = f.NOW + house.dice.randrange(-5, 5) * HOUR
        stale += not terms.book_of(house.organization).is_current()

        kept = facts(lambda work=work, now=now: by_the_lock(work, now))  # type: ignore[misc]

        assert kept == facts(lambda work=work, now=now: read_anew(work, now))  # type: ignore[misc]
        told += kept is not Left

    assert told > STEPS / 3
    assert STEPS / 10 < stale < STEPS


@pytest.mark.parametrize("seed", SEEDS)
def test_an_ask_is_the_same_until_it_says_it_is_not(seed: int) -> None:
    house = House(seed)
    ended = 0
    for _ in range(STEPS // 2):
        house.edit()
        work, now = house.some_work(), f.NOW + house.dice.randrange(-5, 5) * HOUR
        with suppress(Left):
            ask = read_anew(work, now)
            until = ask.valid_until
            last = until - timedelta(microseconds=1) if until else now + 1_000 * HOUR
            said = facts(lambda ask=ask: ask)  # type: ignore[misc]

            assert said == facts(lambda work=work, last=last: read_anew(work, last))  # type: ignore[misc]
            ended += until is not None

    assert ended > 5
