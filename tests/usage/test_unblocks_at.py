"""When a refusal ends by itself: `unblocksAt` is the first moment at which the same request passes, and null where time alone brings none."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from credits.models import Reservation
from credits.services import BillingExhausted
from organizations.models import Organization
from tests import factories as f
from tests.callers import caller_of, details
from tests.callers import clock as clock
from tests.usage import people as p
from usage import services
from usage.services import Decision

pytestmark = pytest.mark.django_db(transaction=True)

MILLISECOND = timedelta(milliseconds=1)
JUNE = f.at("2026-06-01")


def refused_until(work: services.Work, *, now: datetime = f.NOW) -> datetime | None:
    """Ask for work, which is refused, and return until when."""
    denied = p.ask(work, now=now)
    assert isinstance(denied, BillingExhausted), denied
    return denied.unblocks_at


def passes(work: services.Work, *, at: datetime) -> bool:
    return isinstance(services.check(work, now=at), Decision)


def hold(organization: Organization, credits: f.Amount, seconds: int, **who: Any) -> Reservation:
    found = services.reserve(
        p.work(organization, credits, **who),
        now=f.NOW,
        performed_by=f.KEY,
        time_to_live=timedelta(seconds=seconds),
    )
    assert isinstance(found, Reservation), found
    return found


class TestByHolds:
    def test_is_when_enough_of_them_have_ended_and_not_the_end_of_the_term(self) -> None:
        organization = f.make_organization(allowance=100)
        for seconds in (90, 30, 60):
            hold(organization, 30, seconds)

        assert refused_until(p.work(organization, "10.5")) == f.later(seconds=30)
        assert refused_until(p.work(organization, 41)) == f.later(seconds=60)
        assert refused_until(p.work(organization, 100)) == f.later(seconds=90)

    def test_looks_at_those_that_the_limit_counts(self) -> None:
        organization = f.make_organization(funded=1_000)
        ada, bob = p.make_actor(organization, "Ada"), p.make_actor(organization, "Bob")
        p.limit(organization, 10, "actor", actor=ada)
        hold(organization, 8, 30, actor=bob)
        hold(organization, 8, 60, actor=ada)

        assert refused_until(p.work(organization, 5, actor=ada)) == f.later(seconds=60)

    def test_is_not_cut_short_to_the_millisecond(self) -> None:
        organization = f.make_organization(funded=10)
        f.reserve(organization, 10, ttl=timedelta(seconds=30, microseconds=1))

        assert refused_until(p.work(organization, 1)) == f.later(seconds=30, milliseconds=1)

    def test_takes_the_end_of_the_last_where_there_are_very_many(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("credits.services.relief.ENDINGS", 2)
        organization = f.make_organization(funded=40)
        for seconds in (30, 60, 90, 120):
            hold(organization, 10, seconds)

        assert refused_until(p.work(organization, 20)) == f.later(seconds=60)
        assert refused_until(p.work(organization, 30)) == f.later(seconds=120)

    def test_of_growth_is_before_the_hold_itself_ends(self) -> None:
        organization = f.make_organization(funded=30)
        growing = hold(organization, 10, 60)
        hold(organization, 20, 30)
        denied = f.try_to_grow(growing, 20)
        too_much = f.try_to_grow(growing, 31)

        assert isinstance(denied, BillingExhausted)
        assert denied.unblocks_at == f.later(seconds=30)
        assert isinstance(too_much, BillingExhausted)
        assert too_much.unblocks_at is None
        assert f.grow(growing, 20, now=f.later(seconds=30)).credits == 20

    def test_of_open_holds_waits_for_credits_too(self) -> None:
        organization = f.make_organization(funded=10, open_holds_limit=2)
        hold(organization, 0, 30)
        hold(organization, 10, 60)

        assert refused_until(p.work(organization, 0)) == f.later(seconds=30)
        assert refused_until(p.work(organization, 5)) == f.later(seconds=60)


class TestByTheCalendar:
    def test_is_null_for_more_than_the_cap_itself(self) -> None:
        organization = f.make_organization(funded=1_000, monthly_cap=100)
        f.spend(organization, 60)

        assert refused_until(p.work(organization, 41)) == JUNE
        assert refused_until(p.work(organization, 101)) is None

    def test_is_the_latest_of_the_limits_that_block(self) -> None:
        organization = f.make_organization(funded=100, monthly_cap=50)
        f.spend(organization, 50)
        actor = p.make_actor(organization, "Ada")
        p.limit(organization, 40, "actor", actor=actor)
        hold_ends = f.later(seconds=30)
        f.set_terms(organization, monthly_cap=100)
        hold(organization, 40, 30, actor=actor)
        f.set_terms(organization, monthly_cap=50)

        assert hold_ends < JUNE
        assert refused_until(p.work(organization, 5, actor=actor)) == JUNE

    def test_counts_what_the_renewal_brings(self) -> None:
        organization = f.make_organization(allowance=100, rollover_limit=30)

        assert refused_until(p.work(organization, 130)) == JUNE
        assert refused_until(p.work(organization, 131)) is None

    def test_counts_the_seats_and_what_debt_takes_first(self) -> None:
        organization = f.make_organization(allowance=10, allowance_per_user=5)
        p.make_actor(organization, "Ada")
        held = f.reserve(organization, 15)
        f.settle(held, 22)  # a debt of 7

        assert refused_until(p.work(organization, 8)) == JUNE
        assert refused_until(p.work(organization, 9)) == f.at("2026-07-01")
        assert refused_until(p.work(organization, 16)) is None

    def test_is_null_where_no_allowance_comes_any_more(self) -> None:
        organization = f.make_organization(allowance=10)
        f.spend(organization, 10)
        f.set_terms(organization, cancel_at_period_end=True)

        assert refused_until(p.work(organization, 1)) is None

    def test_knows_that_credits_end_before_holds_do(self) -> None:
        organization = f.make_organization(funded=10)
        f.grant(organization, 10, expires_at=f.later(seconds=30))
        hold(organization, 10, 60)

        assert refused_until(p.work(organization, 11)) is None
        hold(organization, 10, 20)
        assert refused_until(p.work(organization, 10)) == f.later(seconds=20)

    def test_of_a_shutoff_is_the_month(self) -> None:
        organization = f.make_organization(funded=100)
        p.thresholds(organization, shutoff=10)
        f.spend(organization, 10)

        assert refused_until(p.work(organization, 1)) == JUNE
        assert refused_until(p.work(organization, 101)) is None

    def test_is_null_once_the_entitlement_ends_first(self) -> None:
        organization = f.make_organization(allowance=10)
        Organization.objects.filter(pk=organization.pk).update(entitled_until=JUNE - MILLISECOND)
        f.spend(organization, 10)

        assert refused_until(p.work(organization, 1)) is None

    def test_follows_a_price_that_changes_by_itself(self) -> None:
        sonnet, _ = p.make_models()
        cheaper_at = f.at("2026-05-20")
        p.set_rate(sonnet, 4, since=cheaper_at)
        organization = f.make_organization(funded=5)

        work = p.work(organization, millions=1, model=sonnet)

        assert refused_until(work) == cheaper_at


class TestByRefill:
    def test_is_the_end_of_the_cooldown_if_the_parent_has_it(self) -> None:
        parent, child = f.make_refilled_family(parent_has=50, child_has=0)
        f.spend(child, 20)

        assert refused_until(p.work(child, 21)) is None
        assert refused_until(p.work(child, 20)) == f.later(seconds=300)

        f.adjust(parent, -20)

        assert refused_until(p.work(child, 20)) is None


class TestApi:
    pytestmark = pytest.mark.usefixtures("clock")

    def test_tells_it_with_a_refusal_a_check_and_a_crowd(self) -> None:
        organization = f.make_organization(funded=10, open_holds_limit=3)
        backend = caller_of(organization)
        hold(organization, 10, 30)
        told = "2026-05-10T12:00:30.000Z"

        assert details(backend.reserve(5))["unblocksAt"] == told
        assert backend.post("/usage/check", {"estimatedCredits": 5}).json()["unblocksAt"] == told
        hold(organization, 0, 60)
        hold(organization, 0, 90)
        crowded = backend.reserve(5)
        assert (crowded.status_code, crowded["Retry-After"]) == (429, "30")
        assert details(crowded)["unblocksAt"] == told


def at_random(dice: random.Random) -> services.Work:
    """Make an organization in some state, and return work for it that may be refused."""
    terms: dict[str, Any] = {
        "monthly_cap": dice.choice([None, None, 30, 80]),
        "allowance": dice.choice([0, 20, 60]),
        "rollover_limit": dice.choice([0, 10]),
        "overdraft_limit": dice.choice([0, 0, 15]),
        "open_holds_limit": dice.choice([3, 100]),
        "term": dice.choice(["month", "month", "year"]),
        "anchored_on": f.NOW.replace(day=dice.choice([1, 7, 31 - 3])).date() - timedelta(days=31),
    }
    if dice.random() < 0.3:
        _, organization = f.make_refilled_family(
            parent_has=dice.choice([10, 100]), child_has=10, **terms
        )
    else:
        organization = f.make_organization(funded=dice.choice([0, 40]), **terms)
    for days in range(dice.randrange(3)):
        f.grant(organization, 10, expires_at=f.later(days=10 * days, seconds=dice.randrange(1, 90)))
    actors = [p.make_actor(organization, name) for name in ("Ada", "Bob")]
    p.limit(organization, dice.choice([None, 25]), "actor", actor=actors[0])
    if dice.random() < 0.3:
        p.thresholds(organization, shutoff=20)
    for _ in range(dice.randrange(7)):
        credits, who = dice.randrange(15), dice.choice([*actors, None])
        found = services.reserve(
            p.work(organization, credits, actor=who),
            now=f.NOW,
            performed_by=f.KEY,
            time_to_live=timedelta(seconds=dice.randrange(1, 120)),
        )
        if isinstance(found, Reservation) and dice.random() < 0.3:
            p.settle(found, credits + dice.choice([0, 0, 9]))
    return p.work(organization, dice.randrange(1, 90), actor=dice.choice([*actors, None]))


FEW, MANY = range(12), range(12, 60)


@pytest.mark.parametrize(
    "seed", [*FEW, *(pytest.param(seed, marks=pytest.mark.slow) for seed in MANY)]
)
class TestAtRandom:
    def test_passes_then_and_not_before(self, seed: int) -> None:
        work = at_random(random.Random(seed))
        denied = services.check(work, now=f.NOW)
        if isinstance(denied, Decision):
            return
        then = denied.unblocks_at
        if then is not None:
            assert not passes(work, at=then - MILLISECOND)
            assert passes(work, at=then)
            return
        of_holds = Reservation.objects.filter(wallet__organization=work.organization)
        soon = sorted(set(of_holds.values_list("expires_at", flat=True)))
        days = [f.NOW + timedelta(seconds=301), *(f.later(days=day) for day in range(1, 366, 15))]
        turns = [f.at(f"2026-{month:02}-{day:02}") for month in range(6, 9) for day in (1, 7, 28)]
        for moment in sorted({*soon, *days, *turns}):
            assert not passes(work, at=moment), moment
