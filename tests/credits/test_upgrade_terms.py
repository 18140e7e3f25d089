"""Upgrading terms at once: the difference for the days that are left, and nothing twice."""

from datetime import date
from decimal import Decimal

import pytest

from credits import services
from credits.models import CreditConfig, LedgerEntry
from organizations.models import Organization
from organizations.services import OrganizationArchived
from tests import factories as f
from tests.factories import at, upgrade
from tests.parallel import at_once
from tests.usage.people import make_actor, set_active

pytestmark = pytest.mark.django_db(transaction=True)
JUNE = at("2026-06-01")


def renewals_of(organization: Organization) -> list[Decimal]:
    return [entry.amount for entry in f.entries_of(organization) if entry.kind == "renew"]


def list_of(*amounts: int) -> list[Decimal]:
    return [Decimal(amount) for amount in amounts]


def terms_of(organization: Organization) -> tuple[Decimal, Decimal]:
    config = CreditConfig.objects.get(wallet__organization=organization)
    return config.allowance, config.allowance_per_user


class TestUpgrade:
    @pytest.mark.parametrize(
        ("now", "funded"),
        [
            ("2026-05-10 12:00", 22),
            ("2026-05-31 23:59:59.999999", 1),
            ("2026-06-01", 30),
        ],
    )
    def test_funds_the_difference_by_the_days_that_are_left(self, now: str, funded: int) -> None:
        days = 30 if now == "2026-06-01" else 31
        organization = f.make_organization(allowance=100)

        entry = upgrade(organization, allowance=100 + days, now=at(now))

        assert entry is not None
        assert (entry.kind, entry.performed_by) == ("renew", f.STAFF)
        assert entry.amount == funded
        assert entry.reason == f"bigger plan ({funded} of {days} days)"
        assert terms_of(organization) == f.amounts(100 + days, 0)

    def test_is_a_grant_of_the_running_term_and_ends_with_it(self) -> None:
        organization = f.make_organization(allowance=100)

        upgrade(organization, allowance=131)
        upgrade(organization, allowance=162)

        *_, first, second = f.grants_of(organization)
        assert [(g.source, g.upgrade, g.seat) for g in (first, second)] == [
            ("allowance", 1, 0),
            ("allowance", 2, 0),
        ]
        assert {g.expires_at for g in (first, second)} == {JUNE}
        assert services.wallet_as_of(organization, now=f.NOW).included == 144
        f.renew(organization, now=JUNE)
        assert f.lines_of(organization)[-2:] == [("lapse", -144, 0), ("renew", 162, 1)]

    def test_rounds_down(self) -> None:
        organization = f.make_organization()

        entry = upgrade(organization, allowance=100)

        assert entry is not None
        assert entry.amount == Decimal("70.967741")

    def test_brings_nothing_when_it_is_repeated(self) -> None:
        organization = f.make_organization(allowance=100)
        upgrade(organization, allowance=131)

        again = upgrade(organization, allowance=131, now=f.later(days=3))

        assert again is None
        assert renewals_of(organization) == list_of(100, 22)

    def test_brings_only_what_is_more_than_is_in_force(self) -> None:
        organization = f.make_organization(allowance=100)

        for allowance in (131, 100, 131, 0, 131, 162, 100, 162):
            upgrade(organization, allowance=allowance)

        assert renewals_of(organization) == list_of(100, 22, 22)

    def test_after_an_edit_of_the_terms_brings_the_difference_of_that(self) -> None:
        organization = f.make_organization(allowance=100)
        f.set_terms(organization, allowance=131)
        before = renewals_of(organization)

        upgrade(organization, allowance=131)

        assert before == list_of(100)
        assert renewals_of(organization) == list_of(100, 22)

    def test_downwards_acts_at_the_next_boundary(self) -> None:
        organization = f.make_organization(allowance=100)

        entry = upgrade(organization, allowance=40)
        f.renew(organization, now=JUNE)

        assert entry is None
        assert renewals_of(organization) == list_of(100, 40)

    def test_of_a_year_counts_the_days_of_the_year(self) -> None:
        organization = f.make_organization(
            term="year", allowance=365, anchored_on=date(2026, 5, 10)
        )

        upgrade(organization, allowance=730, now=at("2026-08-18"))
        f.renew(organization, now=at("2027-05-09"))

        assert renewals_of(organization) == list_of(365, 265)
        assert [p.allowance for p in f.periods_of(organization)] == list_of(*[365] * 3, *[730] * 9)

    def test_of_a_stub_counts_the_days_of_the_whole_term(self) -> None:
        organization = f.make_organization(allowance=31, first_term_full=False)

        upgrade(organization, allowance=62, now=at("2026-05-22"))

        assert renewals_of(organization) == list_of(22, 10)

    def test_counts_by_the_anchor_with_which_the_term_began(self) -> None:
        organization = f.make_organization(allowance=31)
        f.set_terms(organization, anchored_on=date(2026, 2, 28), term="year")

        upgrade(organization, allowance=62, now=at("2026-05-22"))

        assert renewals_of(organization) == list_of(31, 10)

    def test_pays_debt_first(self) -> None:
        organization = f.make_organization(allowance=100)
        f.settle(f.reserve(organization, 100), 110)

        upgrade(organization, allowance=131)

        assert f.money_of(organization) == f.amounts(12, 0, 12)

    def test_happens_once_when_many_ask_for_it(self) -> None:
        organization = f.make_organization(allowance=100)

        outcomes = at_once(6, lambda _: upgrade(organization, allowance=131))

        assert sum(isinstance(one, LedgerEntry) for one in outcomes) == 1
        assert renewals_of(organization) == list_of(100, 22)

    def test_refuses_an_archived_organization(self) -> None:
        organization = f.make_organization(allowance=100)
        f.archive(organization)

        with pytest.raises(OrganizationArchived):
            upgrade(organization, allowance=131)

    @pytest.mark.parametrize(("allowance", "per_user"), [(-1, 0), (0, -1), (10**13 + 1, 0)])
    def test_refuses_what_is_no_allowance(self, allowance: int, per_user: int) -> None:
        organization = f.make_organization(allowance=100)

        with pytest.raises(services.InvalidAmount):
            upgrade(organization, allowance=allowance, allowance_per_user=per_user)

        assert terms_of(organization) == f.amounts(100, 0)


class TestUpgradePerUser:
    def test_funds_the_difference_for_each_seat(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        ana, *_ = (make_actor(organization, name) for name in ("Ana", "Ben", "Cleo"))
        set_active(ana, False)

        upgrade(organization, allowance_per_user=81)

        assert renewals_of(organization) == list_of(50, 50, 50, 66)
        (period,) = f.periods_of(organization)
        assert (period.seats, period.share) == (3, Decimal(72))

    def test_gives_a_new_seat_what_the_others_have(self) -> None:
        organization = f.make_organization(allowance_per_user=50)
        make_actor(organization, "Ana")
        upgrade(organization, allowance_per_user=81)

        make_actor(organization, "Ben")

        assert renewals_of(organization) == list_of(50, 22, 72)

    def test_counts_the_seats_of_who_is_there_where_none_brought_a_share(self) -> None:
        organization = f.make_organization(allowance=31, seat_limit=2)
        for name in ("Ana", "Ben", "Cleo"):
            make_actor(organization, name)

        upgrade(organization, allowance=62, allowance_per_user=31)

        assert renewals_of(organization) == list_of(31, 66)
        assert f.periods_of(organization)[0].seats == 2

    def test_of_one_is_not_paid_by_less_of_the_other(self) -> None:
        organization = f.make_organization(allowance=100, allowance_per_user=50)
        make_actor(organization, "Ana")

        upgrade(organization, allowance=0, allowance_per_user=81)
        upgrade(organization, allowance=131, allowance_per_user=0)

        assert renewals_of(organization) == list_of(100, 50, 22, 22)


class TestCancelled:
    def test_last_term_can_still_be_upgraded(self) -> None:
        organization = f.make_organization(allowance=100)
        f.set_terms(organization, cancel_at_period_end=True)

        upgrade(organization, allowance=131)
        f.renew(organization, now=JUNE)

        assert renewals_of(organization) == list_of(100, 22)

    def test_term_after_it_brings_nothing_until_that_is_taken_back(self) -> None:
        organization = f.make_organization(allowance=100)
        f.set_terms(organization, cancel_at_period_end=True)
        f.renew(organization, now=JUNE)

        refused = upgrade(organization, allowance=300, now=at("2026-06-11"))
        f.set_terms(organization, cancel_at_period_end=False, now=at("2026-06-11"))
        funded = upgrade(organization, allowance=300, now=at("2026-06-11"))

        assert refused is None
        assert funded is not None
        assert funded.amount == 200  # 20 of 30 days
