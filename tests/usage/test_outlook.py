"""What is foreseen of an organization, from its real books."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.ledger import open_period
from credits.models import Reservation
from organizations.models import Organization
from tests import factories as f
from tests.usage import people as p
from tests.usage.worlds import KINDS, series
from usage import services
from usage.services.forecasts import Outlook, outlook_of

pytestmark = pytest.mark.django_db(transaction=True)

KNOWN = 21
DAY = timedelta(days=1)
START = f.NOW - KNOWN * DAY


def grown(funded: int = 10_000, **terms: Any) -> Organization:
    """Return an organization that used 10 a day for three weeks."""
    organization = f.make_organization(funded=funded, now=START, **terms)
    use_daily(organization)
    return organization


def use_daily(organization: Organization, amount: int = 10) -> None:
    for back in range(KNOWN - 1, 0, -1):
        p.use(p.work(organization, amount), amount, now=f.NOW - back * DAY)


def foreseen(organization: Organization, **options: Any) -> Outlook:
    return outlook_of(p.fresh(organization), now=f.NOW, **options)


def days_of(moment: datetime | None) -> float:
    assert moment is not None
    return (moment - f.NOW) / DAY


class TestOutlookOf:
    def test_knows_how_long_the_credits_last(self) -> None:
        found = foreseen(grown(500))

        assert found.whole_days == 20
        assert found.a_day == 10
        assert found.pool.state == "foreseen"
        assert 15 < days_of(found.pool.earliest) < 30 < days_of(found.pool.latest) < 60
        assert 25 < days_of(found.pool.likely) < 35
        assert found.cap is None

    def test_looks_as_far_as_is_asked(self) -> None:
        assert foreseen(grown(500), days=7).pool.state == "not_within"

    def test_knows_what_lapses(self) -> None:
        organization = grown(300)
        f.grant(organization, 1_000, expires_at=f.later(days=3))

        assert days_of(foreseen(organization).pool.latest) < 30

    def test_knows_what_is_to_come(self) -> None:
        organization = grown(300)
        f.schedule(organization, 100_000, effective_at=f.later(days=1))

        assert foreseen(organization).pool.state == "not_within"

    def test_knows_what_the_next_terms_bring(self) -> None:
        organization = grown(0, allowance=5_000)
        funded = foreseen(organization)
        f.set_terms(organization, cancel_at_period_end=True)

        assert funded.pool.state == "not_within"
        ended = foreseen(organization).pool
        assert ended.earliest == ended.latest == open_period(f.wallet_of(organization)).ends_at

    def test_knows_the_cap_and_its_reset(self) -> None:
        organization = grown(100_000)
        used = open_period(f.wallet_of(organization)).used
        f.set_terms(organization, monthly_cap=used + 50)
        found = foreseen(organization)

        assert found.cap is not None
        assert days_of(found.cap.earliest) < 5 < days_of(found.cap.latest)
        assert found.resets_at == open_period(f.wallet_of(organization)).ends_at
        assert found.cap.words.endswith("It resets on 1 June 2026.")

    def test_knows_holds(self) -> None:
        organization = grown(210)
        f.reserve(organization, 10, ttl=timedelta(hours=1))

        found = foreseen(organization).pool
        assert found.state == "reached", "all that is left is held"

    def test_leaves_out_holds_whose_time_has_passed(self) -> None:
        organization = grown(210)
        f.reserve(organization, 10, now=f.NOW - timedelta(hours=2), ttl=timedelta(hours=1))

        assert foreseen(organization).pool.state == "foreseen"

    def test_knows_refills_and_how_long_the_parent_can(self) -> None:
        parent = f.make_organization(funded=250, now=START)
        rule: dict[str, Any] = {"refill_threshold": 5, "refill_amount": 20}
        child = f.make_organization(parent=parent, funded=250, now=START, **rule)
        use_daily(child)
        found = foreseen(child).pool

        assert 20 < days_of(found.likely) < 40, "30 of its own, 250 of the parent"
        f.grant(parent, 100_000)
        assert foreseen(child).pool.state == "not_within"

    def test_knows_what_a_parent_sends_to_its_children(self) -> None:
        parent = f.make_organization(funded=1_000, now=START)
        rule: dict[str, Any] = {"refill_threshold": 5, "refill_amount": 20}
        child = f.make_organization(parent=parent, now=START, **rule)
        use_daily(parent)
        alone = foreseen(parent).pool
        use_daily(child)
        together = foreseen(parent).pool

        assert days_of(together.latest) < days_of(alone.earliest)

    def test_supposes_that_what_is_due_is_posted(self) -> None:
        organization = grown(0, allowance=5_000)
        f.set_terms(organization, cancel_at_period_end=True)
        later = open_period(f.wallet_of(organization)).ends_at + timedelta(hours=1)

        found = outlook_of(p.fresh(organization), now=later)

        assert found.pool.state == "reached", "the allowance ended an hour ago"

    def test_says_nothing_of_a_past_that_is_too_short(self) -> None:
        young = f.make_organization(funded=10, now=f.NOW - 3 * DAY)
        p.use(p.work(young, 1), 1, now=f.NOW - DAY)

        found = foreseen(young)

        assert found.pool.state == "too_early"
        assert "1 whole day of use behind" in found.pool.words

    def test_says_even_then_that_nothing_is_left(self) -> None:
        assert foreseen(f.make_organization()).pool.state == "reached"

    def test_begins_with_the_first_use(self) -> None:
        late = f.make_organization(funded=10_000, now=f.NOW - 50 * DAY)
        use_daily(late)

        assert foreseen(late).whole_days == 20

    def test_says_that_who_is_suspended_spends_nothing(self) -> None:
        organization = grown()
        f.suspend(organization)

        assert foreseen(organization).pool.words == "Nothing is spent while it is suspended."

    def test_reads_no_more_of_much(self) -> None:
        parent = f.make_organization(funded=100_000, now=START)
        rule: dict[str, Any] = {"refill_threshold": 5, "refill_amount": 20}
        child = f.make_organization(
            parent=parent, funded=1_000, now=START, monthly_cap=9_000, **rule
        )
        use_daily(child)
        f.reserve(child, 1)
        few = count(child)
        for number in range(3):
            f.grant(child, 10, expires_at=f.later(days=number + 1))
            f.schedule(child, 10, effective_at=f.later(days=number + 1))
            f.reserve(child, 1)
            p.use(p.work(child, 1), 1)

        assert count(child) == few <= 22


def count(organization: Organization) -> int:
    fresh = Organization.objects.select_related("parent").get(pk=organization.pk)
    with CaptureQueriesContext(connection) as captured:
        outlook_of(fresh, now=f.NOW)
    return len(captured)


class TestAgainstRealFlows:
    """Time goes on, by the product's own services, until work is refused."""

    @pytest.mark.parametrize("many", [4, pytest.param(12, marks=pytest.mark.slow)])
    def test_the_range_holds_what_becomes_of_them(self, many: int) -> None:
        random = Random(5)
        found = [outcome(KINDS[number % 4], random) for number in range(many)]

        assert sum(found) >= many * 5 // 6


def outcome(kind: str, random: Random) -> bool:
    """Whether the ranges hold what really becomes of an organization of a kind."""
    used = [round(amount) for amount in series(kind, random, days=KNOWN + 45)]
    usual = sum(used[:KNOWN]) // KNOWN
    organization = _organization(usual, random)
    for day, amount in enumerate(used[:KNOWN]):
        if day:
            p.use(p.work(organization, amount), amount, now=START + day * DAY)
    found, days, refused = foreseen(organization, days=40), 40, None
    for day, amount in enumerate(used[KNOWN + 1 :][: days - 1], start=1):
        now = f.NOW + day * DAY
        asked = p.ask(p.work(organization, amount), now=now)
        if isinstance(asked, Reservation):
            p.settle(asked, amount, now=now)
        elif isinstance(asked, services.Denied) and asked.reason == "balance":
            refused = now
            break
    pool = found.pool
    if refused is None:
        return pool.latest is None
    # Work is refused whole: a day's work comes up to a day before its last credit would be used.
    first = pool.earliest is not None and pool.earliest - DAY <= refused
    return first and (pool.latest is None or refused <= pool.latest + DAY)


def _organization(usual: int, random: Random) -> Organization:
    """Return an organization with a term, a refilling parent, a cap, or credits that lapse, as the dice say."""
    terms: dict[str, Any] = random.choice(
        [{}, {"allowance": usual * 12, "rollover_limit": usual * 2}, {"monthly_cap": usual * 25}]
    )
    parent = None
    if random.random() < 0.3:
        parent = f.make_organization(funded=usual * 10, now=START)
        terms |= {"refill_threshold": usual, "refill_amount": usual * 2}
    funded = usual * random.randrange(30, 45)
    organization = f.make_organization(parent=parent, funded=funded, now=START, **terms)
    ends = f.later(days=random.randrange(2, 20))
    f.grant(organization, usual * random.randrange(3, 30), now=START, expires_at=ends)
    return organization
