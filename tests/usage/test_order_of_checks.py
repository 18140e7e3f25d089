"""The order of checks, row by row: with every earlier row passing, the reason is the first that fails."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from credits.models import Reservation, Wallet
from credits.services import BillingExhausted
from organizations.models import Actor, Group, Organization
from tests import factories as f
from tests.parallel import locked
from tests.usage import people as p
from usage import services
from usage.models import AIModel, UsageEvent
from usage.services import groups
from usage.services.asking import Left

pytestmark = pytest.mark.django_db(transaction=True)


class World:
    """An organization in which every row is about to refuse work of 10 credits."""

    def __init__(self) -> None:
        self.organization = f.make_organization(monthly_cap=9)
        self.sonnet, self.haiku = p.make_models()
        self.profile = p.make_profile(self.organization, "none", cap=None, tiers="everyday")
        self.actor = p.make_actor(self.organization, profile=self.profile)
        self.group = p.make_group(self.organization, "acme", self.actor, kind="entity")
        self.thresholds = p.thresholds(self.organization, shutoff=0)
        self.actor_limit = p.limit(self.organization, 9, "actor", actor=self.actor)
        self.group_limit = p.limit(self.organization, 9, "group", group=self.group)
        app = {"resource_type": "app", "resource_id": "sales"}
        self.budget = p.limit(self.organization, 9, "resource", **app)
        self.set(ai_enabled=False, enabled_providers=["openai"])
        AIModel.objects.filter(pk=self.sonnet.pk).update(retired_at=f.NOW)

    def set(self, **fields: Any) -> None:
        Organization.objects.filter(pk=self.organization.pk).update(**fields)

    def work(self) -> services.Work:
        return p.work(
            self.organization,
            millions=1,
            model=self.sonnet,
            actor=Actor.objects.get(pk=self.actor.pk),
            resource_type="app",
            resource_id="sales",
        )

    def repairs(self) -> list[Callable[[], Any]]:
        """What makes each row pass, in the order of the rows."""
        return [
            lambda: self.set(ai_enabled=True),
            lambda: AIModel.objects.filter(pk=self.sonnet.pk).update(retired_at=None),
            lambda: self.set(enabled_providers=["anthropic"]),
            lambda: self.save(self.profile, allowed_model_tiers=["advanced"]),
            lambda: self.save(self.thresholds, shutoff=None),
            lambda: self.save(self.actor_limit, cap=Decimal(10)),
            lambda: self.save(self.group_limit, cap=Decimal(10)),
            lambda: self.save(self.budget, cap=Decimal(10)),
            lambda: f.set_terms(self.organization, monthly_cap=10),
            lambda: f.grant(self.organization, 10),
        ]

    def save(self, row: Any, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(row, name, value)
        row.save()


ROWS = [
    "entitlement",
    "retired",
    "provider",
    "tier",
    "shutoff",
    "actor_cap",
    "group_cap",
    "entity_budget",
    "cap",
    "balance",
]


class TestOrder:
    @pytest.mark.parametrize(("row", "reason"), list(enumerate(ROWS)))
    def test_names_the_first_row_that_fails(self, row: int, reason: str) -> None:
        world = World()
        for repair in world.repairs()[:row]:
            repair()

        assert p.refusal(world.work()) == reason
        assert f.money_of(world.organization)[1] == 0

    def test_admits_what_every_row_admits(self) -> None:
        world = World()
        for repair in world.repairs():
            repair()

        held = p.hold(world.work())

        assert [held.credits, held.decision] == [10, "allow"]
        scopes = [limit["scope"] for limit in held.limits]
        assert scopes == ["actor", "group", "resource", "organization", "pool"]

    @pytest.mark.parametrize(("row", "reason"), list(enumerate(ROWS)))
    def test_is_what_check_says_too_and_holds_nothing(self, row: int, reason: str) -> None:
        world = World()
        for repair in world.repairs()[:row]:
            repair()

        said = services.check(world.work(), now=f.NOW)

        assert not isinstance(said, services.Decision)
        assert said.reason == reason
        assert Reservation.objects.count() == 0

    def test_asks_the_last_six_rows_of_growth_too(self) -> None:
        world = World()
        for repair in world.repairs():
            repair()
        held = p.hold(world.work())
        widen: list[Callable[[], Any]] = [
            lambda: world.save(world.actor_limit, cap=Decimal(99)),
            lambda: world.save(world.group_limit, cap=Decimal(99)),
            lambda: world.save(world.budget, cap=Decimal(99)),
            lambda: f.set_terms(world.organization, monthly_cap=99),
            lambda: world.save(world.thresholds, shutoff=Decimal(0)),
        ]

        order = [self._growth(world, held)]
        for change in widen:
            change()
            order.append(self._growth(world, held))

        expected = ["actor_cap", "group_cap", "entity_budget", "cap", "balance", "shutoff"]
        assert order == expected
        assert Reservation.objects.get().credits == 10

    def _growth(self, world: World, held: Reservation) -> str:
        outcome = services.grow(
            organization=world.organization,
            reservation_id=held.id,
            now=f.NOW,
            max_output_tokens=2 * p.MILLION,
        )
        assert isinstance(outcome, BillingExhausted)
        return outcome.reason


class TestByok:
    def test_holds_nothing_and_counts_against_nothing(self) -> None:
        world = World()
        for repair in world.repairs()[:4]:
            repair()
        world.set(byok=True)

        held = p.hold(world.work())
        done = p.settle(held, millions=1)

        assert [held.credits, held.byok, done.settled_credits] == [0, True, 0]
        event = UsageEvent.objects.get()
        assert [event.credits, event.list_credits, event.byok] == [0, 10, True]
        assert p.counted(world.organization, "2026-05") == (0, 0)
        assert f.wallet_of(world.organization).head_number == 0

    def test_never_locks_the_parent(self) -> None:
        parent, child = f.make_refilled_family(child_has=0)
        Organization.objects.filter(pk=child.pk).update(byok=True)

        with locked(parent):
            assert p.hold(p.work(p.fresh(child), 1)).byok

    @pytest.mark.parametrize(("row", "reason"), list(enumerate(ROWS[:4])))
    def test_asks_the_first_rows_all_the_same(self, row: int, reason: str) -> None:
        world = World()
        world.set(byok=True)
        for repair in world.repairs()[:row]:
            repair()

        assert p.refusal(world.work()) == reason


class TestDowngrade:
    def test_holds_and_charges_the_fallback_at_its_price(self) -> None:
        organization = f.make_organization(funded=1_000)
        sonnet, _ = p.make_models()
        p.thresholds(organization, downgrade=800)
        p.use(p.work(organization, 800), 800)

        held = p.hold(p.work(organization, millions=1, model=sonnet))
        done = p.settle(held, millions="0.5")

        assert [held.decision, held.effective_model, held.credits] == ["downgrade", "haiku", 2]
        assert done.settled_credits == 1

    def test_is_exempt_from_the_tier_check(self) -> None:
        organization = f.make_organization(funded=1_000)
        sonnet, _ = p.make_models()
        profile = p.make_profile(organization, "advanced", cap=None)
        profile.allowed_model_tiers = ["advanced"]
        profile.save()
        actor = p.make_actor(organization, profile=profile)
        p.thresholds(organization, downgrade=0)

        held = p.hold(p.work(organization, millions=1, model=sonnet, actor=actor))

        assert held.effective_model == "haiku"

    def test_lets_the_caps_ask_for_the_lower_price(self) -> None:
        organization = f.make_organization(funded=1_000, monthly_cap=2)
        sonnet, _ = p.make_models()
        p.thresholds(organization, downgrade=0)

        assert p.hold(p.work(organization, millions=1, model=sonnet)).credits == 2

    def test_leaves_work_in_credits_on_its_model(self) -> None:
        organization = f.make_organization(funded=1_000)
        sonnet, _ = p.make_models()
        p.thresholds(organization, downgrade=0)

        held = p.hold(p.work(organization, 5, model=sonnet))

        assert [held.decision, held.effective_model, held.credits] == ["allow", "sonnet", 5]


def with_input(asked: services.Work) -> services.Work:
    """Return the same work with a million input tokens before its output."""
    assert asked.tokens is not None
    return asked._replace(tokens=replace(asked.tokens, input=p.MILLION))


class TestPrice:
    def test_is_that_of_the_moment_of_the_reserve(self) -> None:
        organization = f.make_organization(funded=1_000)
        sonnet, _ = p.make_models()
        held = p.hold(p.work(organization, millions=1, model=sonnet))
        p.set_rate(sonnet, 99, since=f.later(minutes=1))

        done = p.settle(held, millions=2, now=f.later(minutes=2))

        assert done.settled_credits == 20
        assert UsageEvent.objects.get().rated_at == p.SINCE

    def test_begins_at_its_date_to_the_microsecond(self) -> None:
        organization = f.make_organization(funded=1_000)
        sonnet, _ = p.make_models()
        p.set_rate(sonnet, 99, since=f.NOW)
        asked = p.work(organization, millions=1, model=sonnet)

        before = p.hold(asked, now=f.later(microseconds=-1))
        after = p.hold(asked)

        assert before.credits == 10
        assert after.credits == 99

    @pytest.mark.parametrize("fields", [{"millions": 1}, {"credits": 5}])
    def test_is_needed_of_every_model(self, fields: dict[str, Any]) -> None:
        organization = f.make_organization(funded=1_000)
        unpriced = p.make_model("new", credits_per_million=None)

        refused = p.ask(p.work(organization, model=unpriced, **fields))

        assert isinstance(refused, Left)
        assert str(refused) == "model: new has no price."


class TestUpTo:
    @pytest.mark.parametrize(
        ("narrow", "credits"),
        [("actor", 4), ("group", 5), ("resource", 6), ("cap", 7), ("pool", 8), ("none", 10)],
    )
    def test_holds_what_the_narrowest_admits_and_says_how_many_tokens_that_buys(
        self, narrow: str, credits: int
    ) -> None:
        world = World()
        for repair in world.repairs():
            repair()
        wide = {"actor": world.actor_limit, "group": world.group_limit, "resource": world.budget}
        if narrow in wide:
            world.save(wide[narrow], cap=Decimal(credits))
        if narrow == "cap":
            f.set_terms(world.organization, monthly_cap=credits)
        if narrow == "pool":
            f.adjust(world.organization, credits - 10)

        held = p.hold(world.work(), mode="up_to")

        assert held.credits == credits
        assert held.estimate is not None
        assert held.estimate["output"] == credits * p.MILLION // 10

    def test_needs_the_whole_input_and_one_output_token(self) -> None:
        organization = f.make_organization(funded="10.000009")
        sonnet, _ = p.make_models()
        asked = with_input(p.work(organization, millions=1, model=sonnet))

        outcome = p.ask(asked, mode="up_to")

        assert isinstance(outcome, BillingExhausted)
        assert [outcome.reason, outcome.affordable_output_tokens] == ["balance", 0]

    def test_names_the_first_that_leaves_too_little_not_the_narrowest(self) -> None:
        organization = f.make_organization(funded=3)
        sonnet, _ = p.make_models()
        actor = p.make_actor(organization)
        p.limit(organization, 4, "actor", actor=actor)
        p.thresholds(organization, shutoff=1)

        asked = with_input(p.work(organization, millions=1, model=sonnet, actor=actor))

        assert p.refusal(asked, mode="up_to") == "actor_cap"

    def test_is_not_narrowed_by_a_hold_whose_time_has_passed(self) -> None:
        organization = f.make_organization(funded=10)
        f.reserve(organization, 7)

        held = p.hold(p.work(organization, 10), mode="up_to", now=f.later(minutes=16))

        assert held.credits == 10

    def test_says_in_a_denial_what_would_be_affordable(self) -> None:
        organization = f.make_organization(funded=3)
        sonnet, _ = p.make_models()

        outcome = p.ask(p.work(organization, millions=1, model=sonnet))

        assert isinstance(outcome, BillingExhausted)
        assert [outcome.affordable_credits, outcome.affordable_output_tokens] == [3, 300_000]


class TestMonths:
    def test_count_a_hold_in_its_own_however_late_it_settles(self) -> None:
        organization = f.make_organization(funded=100)
        actor = p.make_actor(organization)
        may = f.at("2026-05-31 23:59:59")
        june = f.at("2026-06-01 00:00:01")
        held = p.hold(p.work(organization, 10, actor=actor), now=may)

        spanning = p.counted(organization, "2026-05", actor=actor)
        p.settle(held, 7, now=june)
        p.use(p.work(organization, 1, actor=actor), 1, now=june)

        assert spanning == (0, 10)
        assert p.counted(organization, "2026-05", actor=actor) == (7, 0)
        assert p.counted(organization, "2026-06", actor=actor) == (1, 0)

    def test_give_everybody_a_new_cap(self) -> None:
        organization = f.make_organization(funded=100)
        actor = p.make_actor(organization)
        p.limit(organization, 10, "actor", actor=actor)
        p.use(p.work(organization, 10, actor=actor), 10)

        assert p.refusal(p.work(organization, 1, actor=actor)) == "actor_cap"
        assert p.hold(p.work(organization, 10, actor=actor), now=f.at("2026-06-01")).credits == 10


class TestMembership:
    def test_that_changes_does_not_move_a_hold(self) -> None:
        organization = f.make_organization(funded=100)
        actor = p.make_actor(organization)
        acme = p.make_group(organization, "acme", actor, kind="entity")
        held = p.hold(p.work(organization, 10, actor=actor))
        groups.remove_member(group=acme, actor=actor)
        p.make_group(organization, "other", actor, kind="entity")

        p.settle(held, 6)

        assert p.counted(organization, "2026-05", group=acme) == (6, 0)
        assert Wallet.objects.get().balance == 94

    def test_of_the_request_comes_before_the_actors(self) -> None:
        organization = f.make_organization(funded=100)
        actor = p.make_actor(organization)
        p.make_group(organization, "acme", actor, kind="entity")
        named = p.make_group(organization, "named", kind="entity")

        p.hold(p.work(organization, 10, actor=actor, group=named))

        assert p.counted(organization, "2026-05", group=named) == (0, 10)
        assert Group.objects.filter(counters__reserved__gt=0).get() == named


class TestUnpricedFallback:
    def test_is_none_and_keeps_nobody_from_working(self) -> None:
        organization = f.make_organization(funded=1_000, when_empty="fallback")
        sonnet = p.make_model("sonnet", tier="advanced")
        p.make_model("haiku", credits_per_million=None, is_fallback=True)
        p.thresholds(organization, downgrade=0)

        held = p.hold(p.work(organization, millions=1, model=sonnet))

        assert held.effective_model == "sonnet"
        assert p.refusal(p.work(organization, millions=500, model=sonnet)) == "balance"
