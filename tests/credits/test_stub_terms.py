"""Terms that begin after their anchor: they bring the part of the allowance that their days are of a whole one."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from credits import services
from credits.services.renewals import preview_renewal
from organizations.models import Organization
from tests import factories as f
from tests.factories import at
from tests.usage.people import make_actor

pytestmark = pytest.mark.django_db(transaction=True)
JUNE = at("2026-06-01")


def make(*, now: datetime = f.NOW, **terms: Any) -> Organization:
    """Create an organization whose first term brings what its days are worth."""
    return f.make_organization(now=now, first_term_full=False, **terms)


def renewals_of(organization: Organization) -> list[Decimal]:
    return [entry.amount for entry in f.entries_of(organization) if entry.kind == "renew"]


def exact(*amounts: str) -> list[Decimal]:
    return [Decimal(amount) for amount in amounts]


class TestFirstTerm:
    @pytest.mark.parametrize(
        ("now", "terms", "brought"),
        [
            ("2026-05-01", {}, "100"),
            ("2026-05-10 12:00", {}, "70.967741"),  # 22 of 31 days
            ("2026-05-31 23:59:59.999999", {}, "3.225806"),  # its own day
            ("2026-05-10", {"anchored_on": date(2026, 5, 10)}, "100"),
            ("2026-05-10", {"anchored_on": date(2020, 1, 11)}, "3.333333"),  # 1 of 30
            ("2026-02-27", {"anchored_on": date(2026, 1, 31)}, "3.571428"),  # 1 of 28
        ],
    )
    def test_by_the_month_counts_from_the_day_of_its_beginning(
        self, now: str, terms: dict[str, date], brought: str
    ) -> None:
        organization = make(allowance=100, now=at(now), **terms)

        assert renewals_of(organization) == exact(brought)

    def test_by_the_year_brings_no_year_for_seventeen_days(self) -> None:
        organization = make(allowance=12_000, term="year", anchored_on=date(2026, 5, 27))

        f.renew(organization, now=at("2026-05-27"))

        assert renewals_of(organization) == exact("558.904109", "12000")  # 17 of 365 days

    def test_by_the_year_counts_to_its_anniversary_over_its_periods(self) -> None:
        organization = make(allowance=365, term="year", anchored_on=date(2025, 9, 10))

        f.renew(organization, now=at("2026-09-10"))

        assert renewals_of(organization) == exact("123", "365")
        assert {p.term_days for p in f.periods_of(organization)[:-1]} == {123}

    def test_is_whole_where_the_terms_say_so(self) -> None:
        by_month = f.make_organization(allowance=100, first_term_full=True)
        by_year = f.make_organization(
            allowance=12_000, term="year", anchored_on=date(2026, 5, 27), first_term_full=True
        )

        assert [renewals_of(by_month), renewals_of(by_year)] == [exact("100"), exact("12000")]

    def test_is_a_part_unless_the_terms_say_so(self) -> None:
        organization = services.create_organization(
            name="Acme", now=f.NOW, allowance=Decimal(31), allowance_per_user=Decimal(31)
        )
        make_actor(organization)

        assert renewals_of(organization) == exact("22", "22")

    def test_says_what_part_it_is(self) -> None:
        organization = make(allowance=100)

        (period,) = f.periods_of(organization)
        (entry,) = f.entries_of(organization)
        assert (period.term_days, period.whole_days) == (22, 31)
        assert entry.reason == period.stub == "stub, begins after its anchor: 22 of 31 days"

    def test_ends_and_rolls_over_like_another(self) -> None:
        organization = make(allowance=31, rollover_limit=5)

        f.renew(organization, now=JUNE)

        assert f.lines_of(organization) == [("renew", 22, 0), ("lapse", -17, 0), ("renew", 31, 1)]
        assert f.money_of(organization)[0] == 36
        assert f.entries_of(organization)[-1].reason == ""


class TestMovedAnchor:
    def test_brings_no_allowance_for_a_day(self) -> None:
        organization = f.make_organization(
            allowance=1_000,
            rollover_limit=1_000,
            anchored_on=date(2026, 1, 31),
            now=at("2026-05-01"),
        )
        f.set_terms(organization, anchored_on=date(2026, 1, 1), now=at("2026-05-02"))

        f.renew(organization, now=at("2026-06-02"))

        assert renewals_of(organization) == exact("1000", "32.258064", "1000")  # 1 of 31 days

    def test_of_a_whole_term_is_none(self) -> None:
        organization = f.make_organization(allowance=100)
        f.set_terms(organization, anchored_on=date(2020, 12, 1))

        f.renew(organization, now=at("2026-08-01"))

        assert renewals_of(organization) == exact("100", "100", "100", "100")

    def test_from_months_to_a_year_brings_a_part_of_the_year(self) -> None:
        organization = f.make_organization(allowance=100)
        f.set_terms(organization, term="year", allowance=3_650, anchored_on=date(2026, 1, 1))

        f.renew(organization, now=at("2027-01-01"))

        assert renewals_of(organization) == exact("100", "2140", "3650")  # 214 of 365 days

    def test_brings_a_part_of_each_share(self) -> None:
        organization = f.make_organization(allowance_per_user=31)
        for name in ("Ana", "Ben"):
            make_actor(organization, name)
        f.set_terms(organization, anchored_on=date(2026, 6, 20))

        make_actor(organization, "Cleo", now=at("2026-06-15"))

        # 19 of 31 days, and in mid-term no less
        assert renewals_of(organization) == exact("31", "31", "38", "19")
        assert f.periods_of(organization)[-1].share == 19

    def test_is_in_the_preview_with_its_reason(self) -> None:
        organization = f.make_organization(allowance=100)
        f.set_terms(organization, anchored_on=date(2026, 6, 20))

        stub, whole = preview_renewal(organization, now=at("2026-06-21"))

        assert stub.stub == "stub, begins after its anchor: 19 of 31 days"
        assert (stub.granted, whole.granted) == (Decimal("61.290322"), Decimal(100))
        assert whole.stub == ""

    def test_is_said_once_for_a_year_of_periods(self) -> None:
        organization = f.make_organization(allowance=100)
        f.set_terms(organization, term="year", anchored_on=date(2026, 9, 1))

        turns = preview_renewal(organization, now=at("2026-09-01"))

        assert [bool(turn.stub) for turn in turns] == [True, False, False, False]

    @pytest.mark.parametrize("seed", range(6))
    def test_again_and_again_never_brings_more_than_the_days_are_worth(self, seed: int) -> None:
        dice = Random(seed)
        organization = make(allowance=1_000, anchored_on=some_day(dice))
        now, every = f.NOW, [1, 5, 20, 31, 40, 100]
        for _ in range(25):
            now += timedelta(days=dice.choice(every))
            f.set_terms(
                organization,
                anchored_on=some_day(dice),
                term=dice.choice(["month", "month", "year"]),
                now=now,
            )

        terms = {p.term_starts_at: p for p in f.periods_of(organization)}
        grants = f.grants_of(organization)

        assert len(grants) == len(terms)
        for grant in grants:
            assert grant.term_starts_at is not None
            term = terms[grant.term_starts_at]
            days = (term.term_ends_at - max(term.term_starts_at, at("2026-05-10"))).days
            assert term.whole_days >= (365 if term.term_days > 31 else 28)
            assert grant.amount * term.whole_days <= 1_000 * days
            assert grant.amount * term.whole_days > 1_000 * days - term.whole_days


def some_day(dice: Random) -> date:
    return date(2026, 1, 1) + timedelta(days=dice.randrange(365))


class TestStatement:
    def test_says_of_how_many_days_its_term_is(self) -> None:
        organization = make(allowance=100)
        period = f.periods_of(organization)[0]

        rows = [row for row in services.statement_rows(period) if len(row) == 2]

        assert ["term_days", 22] in rows
        assert ["whole_days", 31] in rows


CREATED: list[Callable[[], Organization]] = [make, f.make_organization]


class TestBrought:
    @pytest.mark.parametrize("create", CREATED)
    def test_nothing_writes_no_entry(self, create: Callable[[], Organization]) -> None:
        assert f.entries_of(create()) == []
