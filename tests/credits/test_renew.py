"""Renewing: periods that follow one another, and allowances that end and begin with their terms."""

from datetime import date, datetime, timedelta

import pytest

from credits import services
from credits.models import BillingPeriod, Grant
from tests.factories import (
    NOW,
    allocate,
    amounts,
    at,
    entries_of,
    grant,
    grants_of,
    lines_of,
    make_family,
    make_organization,
    money_of,
    periods_of,
    renew,
    reserve,
    set_terms,
    settle,
    spend,
    wallet_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
JUNE = at("2026-06-01")
MICROSECOND = timedelta(microseconds=1)
Line = tuple[str, int, int]
"""An entry: its kind, its amount, and the index of the period whose statement it is on."""


class TestBoundary:
    @pytest.mark.parametrize(
        ("moment", "begun"),
        [(JUNE - MICROSECOND, 1), (JUNE, 2), (JUNE + MICROSECOND, 2)],
    )
    def test_belongs_to_the_period_that_begins(self, moment: datetime, begun: int) -> None:
        organization = make_organization()

        renew(organization, now=moment)

        assert len(periods_of(organization)) == begun

    def test_closes_one_period_and_opens_the_next(self) -> None:
        organization = make_organization(funded=10)

        wallet = renew(organization, now=at("2026-06-03"))

        may, june = periods_of(organization)
        assert (may.closed_at, may.closing_balance) == (at("2026-06-03"), june.opening_balance)
        assert (june.index, june.closed_at, june.closing_balance) == (1, None, None)
        assert (june.starts_at, june.ends_at) == (JUNE, at("2026-07-01"))
        assert wallet.period == june

    def test_is_crossed_once(self) -> None:
        organization = make_organization(allowance=10)

        for _ in range(3):
            renew(organization, now=JUNE)

        assert lines_of(organization) == [("renew", 10, 0), ("lapse", -10, 0), ("renew", 10, 1)]

    def test_starts_the_counters_again(self) -> None:
        organization = make_organization(funded=100)
        spend(organization, 5)
        reserve(organization, 3, now=JUNE - MICROSECOND)

        renew(organization, now=JUNE)

        assert [(p.used, p.reserved) for p in periods_of(organization)] == [
            amounts(5, 3),
            amounts(0, 0),
        ]

    def test_of_others_is_their_own_business(self) -> None:
        organization, other = make_organization(), make_organization()

        renew(organization, now=JUNE)

        assert len(periods_of(other)) == 1


class TestAllowance:
    def test_lapses_on_the_old_statement_and_begins_on_the_new(self) -> None:
        organization = make_organization(allowance=100)
        spend(organization, 30)

        renew(organization, now=JUNE)

        assert lines_of(organization) == [
            ("renew", 100, 0),
            ("settle", -30, 0),
            ("lapse", -70, 0),
            ("renew", 100, 1),
        ]
        may, june = periods_of(organization)
        assert (may.closing_balance, june.opening_balance) == amounts(0, 0)

    def test_is_a_grant_of_its_term_and_ends_with_it(self) -> None:
        organization = make_organization(allowance=100)

        renew(organization, now=JUNE)

        lot = grants_of(organization)[-1]
        assert (lot.source, lot.amount) == (Grant.Source.ALLOWANCE, lot.remaining)
        assert (lot.term_starts_at, lot.expires_at) == (JUNE, at("2026-07-01"))
        assert wallet_of(organization).allowance_remaining == 100

    def test_leaves_prepaid_credits_alone(self) -> None:
        organization = make_organization(funded=50, allowance=100)

        renew(organization, now=JUNE)

        wallet = wallet_of(organization)
        assert (wallet.balance, wallet.allowance_remaining, wallet.prepaid) == amounts(150, 100, 50)

    def test_pays_debt_first(self) -> None:
        organization = make_organization(allowance=100)
        settle(reserve(organization, 100), 130)

        renew(organization, now=JUNE)

        wallet = wallet_of(organization)
        assert (wallet.balance, wallet.allowance_remaining) == amounts(70, 70)
        assert grants_of(organization)[-1].amount == 100

    def test_may_vanish_in_debt(self) -> None:
        organization = make_organization(allowance=100)
        settle(reserve(organization, 100), 250)

        renew(organization, now=JUNE)

        assert money_of(organization) == amounts(-50, 0, 0)

    def test_lapses_holds_or_no_holds(self) -> None:
        organization = make_organization(allowance=100)
        reserve(organization, 80, now=JUNE - MICROSECOND)
        set_terms(organization, allowance=0)

        renew(organization, now=JUNE)

        wallet = wallet_of(organization)
        assert (wallet.balance, wallet.reserved, wallet.unreserved) == amounts(0, 80, -80)
        assert wallet.available == 0

    def test_changes_from_the_next_boundary(self) -> None:
        organization = make_organization(allowance=100)

        set_terms(organization, allowance=200)
        assert money_of(organization) == amounts(100, 0, 100)
        renew(organization, now=JUNE)

        assert money_of(organization) == amounts(200, 0, 200)

    def test_does_not_change_for_a_boundary_that_has_passed(self) -> None:
        organization = make_organization(allowance=100)

        set_terms(organization, allowance=200, now=at("2026-06-05"))

        assert money_of(organization) == amounts(100, 0, 100)
        renew(organization, now=at("2026-07-01"))
        assert money_of(organization) == amounts(200, 0, 200)

    def test_of_nothing_writes_no_entry(self) -> None:
        organization = make_organization()

        renew(organization, now=JUNE)

        assert lines_of(organization) == []
        assert len(periods_of(organization)) == 2

    def test_can_end(self) -> None:
        organization = make_organization(allowance=100)
        set_terms(organization, allowance=0)

        renew(organization, now=JUNE)

        assert lines_of(organization) == [("renew", 100, 0), ("lapse", -100, 0)]

    def test_never_moves_to_a_child(self) -> None:
        parent, child = make_family(funded=10)
        set_terms(parent, allowance=100)
        renew(parent, now=JUNE)

        allocate(child, 10, now=JUNE)

        assert wallet_of(parent).allowance_remaining == 100


class TestRollover:
    @pytest.mark.parametrize(
        ("limit", "spent", "lapsed", "begins_with"),
        [
            (0, 40, 60, 100),
            (25, 40, 35, 125),
            (60, 40, 0, 160),
            (1_000, 40, 0, 160),
            (25, 100, 0, 100),
            (25, 90, 0, 110),
        ],
    )
    def test_carries_what_is_left_up_to_its_limit(
        self, limit: int, spent: int, lapsed: int, begins_with: int
    ) -> None:
        organization = make_organization(allowance=100, rollover_limit=limit)
        spend(organization, spent)

        renew(organization, now=JUNE)

        expected: list[Line] = [("renew", 100, 0), ("settle", -spent, 0)]
        expected += [("lapse", -lapsed, 0)] if lapsed else []
        assert lines_of(organization) == [*expected, ("renew", 100, 1)]
        lot = grants_of(organization)[-1]
        assert (lot.amount, lot.remaining) == amounts(begins_with, begins_with)
        assert wallet_of(organization).allowance_remaining == begins_with

    def test_moves_the_credits_out_of_the_old_grant_by_a_draw(self) -> None:
        organization = make_organization(allowance=100, rollover_limit=25)

        renew(organization, now=JUNE)

        old, new = grants_of(organization)
        renewal = entries_of(organization)[-1]
        assert {d.grant_id: d.amount for d in renewal.draws.all()} == {old.id: -25, new.id: 125}
        assert old.remaining == 0

    def test_is_measured_anew_at_every_boundary(self) -> None:
        organization = make_organization(allowance=100, rollover_limit=25)

        renew(organization, now=at("2026-08-01"))

        assert lines_of(organization) == [
            ("renew", 100, 0),
            ("lapse", -75, 0),
            ("renew", 100, 1),
            ("lapse", -100, 1),
            ("renew", 100, 2),
            ("lapse", -100, 2),
            ("renew", 100, 3),
        ]
        assert money_of(organization) == amounts(125, 0, 125)

    def test_outlives_the_end_of_the_allowance(self) -> None:
        organization = make_organization(allowance=100, rollover_limit=25)
        set_terms(organization, allowance=0)

        renew(organization, now=at("2026-07-15"))

        assert lines_of(organization) == [
            ("renew", 100, 0),
            ("lapse", -75, 0),
            ("renew", 0, 1),
            ("renew", 0, 2),
        ]
        lot = grants_of(organization)[-1]
        assert (lot.amount, lot.remaining) == amounts(25, 25)
        assert lot.expires_at == at("2026-08-01")

    def test_ends_when_its_limit_is_taken_away(self) -> None:
        organization = make_organization(allowance=100, rollover_limit=25)
        renew(organization, now=JUNE)
        set_terms(organization, rollover_limit=0, now=JUNE)

        renew(organization, now=at("2026-07-01"))

        assert lines_of(organization)[-2:] == [("lapse", -125, 1), ("renew", 100, 2)]

    def test_carries_no_prepaid_credits(self) -> None:
        organization = make_organization(allowance=100, rollover_limit=1_000)
        grant(organization, 50, expires_at=JUNE)

        renew(organization, now=JUNE)

        assert lines_of(organization)[-2:] == [("lapse", -50, 0), ("renew", 100, 1)]
        assert wallet_of(organization).allowance_remaining == 200

    def test_may_be_carried_from_one_year_into_the_next(self) -> None:
        organization = make_organization(
            allowance=1_200, term="year", anchored_on=date(2026, 5, 10), rollover_limit=200
        )
        spend(organization, 700)

        renew(organization, now=at("2027-05-10"))

        assert lines_of(organization)[-2:] == [("lapse", -300, 11), ("renew", 1_200, 12)]
        assert money_of(organization) == amounts(1_400, 0, 1_400)

    def test_rolls_over_from_a_share_when_the_rest_of_the_allowance_lapses_whole(self) -> None:
        organization = make_organization(allowance=20, allowance_per_user=10, rollover_limit=5)
        services.create_actor(organization=organization, name="Ada", now=NOW)

        renew(organization, now=JUNE)

        lapse, renewal = entries_of(organization)[-2:]
        assert (lapse.amount, renewal.amount) == amounts(-25, 30)
        assert wallet_of(organization).balance == 35


class TestCancellation:
    def test_keeps_the_allowance_until_the_term_ends_and_brings_no_other(self) -> None:
        organization = make_organization(funded=50, allowance=100, rollover_limit=25)
        set_terms(organization, cancel_at_period_end=True)
        assert money_of(organization) == amounts(150, 0, 150)

        renew(organization, now=at("2026-08-01"))

        assert lines_of(organization) == [("renew", 100, 0), ("grant", 50, 0), ("lapse", -100, 0)]
        assert len(periods_of(organization)) == 4

    def test_of_a_year_waits_for_the_end_of_the_year(self) -> None:
        organization = make_organization(
            allowance=1_200, term="year", anchored_on=date(2026, 5, 10)
        )
        set_terms(organization, cancel_at_period_end=True)

        renew(organization, now=at("2027-05-10") - MICROSECOND)
        assert money_of(organization) == amounts(1_200, 0, 1_200)

        renew(organization, now=at("2027-05-10"))
        assert money_of(organization) == amounts(0, 0, 0)

    def test_may_be_taken_back(self) -> None:
        organization = make_organization(allowance=100)
        set_terms(organization, cancel_at_period_end=True)
        renew(organization, now=JUNE)

        set_terms(organization, cancel_at_period_end=False, now=JUNE)
        renew(organization, now=at("2026-07-01"))

        assert lines_of(organization)[1:] == [("lapse", -100, 0), ("renew", 100, 2)]


class TestOneRow:
    def test_per_wallet_and_index_is_open(self) -> None:
        organization = make_organization()

        renew(organization, now=at("2026-12-24"))

        (current,) = BillingPeriod.objects.filter(closed_at__isnull=True)
        assert wallet_of(organization).period == current
        assert [p.index for p in periods_of(organization)] == list(range(8))
