"""Settling: what the work really cost is charged, once, whatever happened to the hold meanwhile."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from credits import services
from credits.models import GrantDraw, LedgerEntry, Reservation
from tests.factories import (
    KEY,
    NOW,
    Amount,
    amounts,
    archive,
    at,
    entries_of,
    expire,
    grant,
    grants_of,
    later,
    make_organization,
    money_of,
    periods_of,
    release,
    renew,
    reserve,
    set_terms,
    settle,
    suspend,
    wallet_of,
)
from usage import services as usage

pytestmark = pytest.mark.django_db(transaction=True)
LONG = timedelta(days=1)


class TestSettle:
    @pytest.mark.parametrize(
        ("charged", "balance"),
        [(5, 5), ("7.999999", "2.000001"), (8, 2), (9, 1), (10, 0), ("12.5", "-2.5")],
    )
    def test_charges_less_as_much_or_more_than_was_held(
        self, charged: Amount, balance: Amount
    ) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)

        settled = settle(reservation, charged)

        assert wallet_of(organization).balance == Decimal(balance)
        assert wallet_of(organization).reserved == 0
        assert (settled.status, settled.settled_credits) == ("settled", Decimal(charged))
        assert (settled.late, settled.closed_at) == (False, NOW)
        assert settled.credits == 8

    def test_writes_one_entry_that_names_the_work(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8, metadata={"job": "render"})

        settle(reservation, 5, now=later(minutes=1))

        entry = LedgerEntry.objects.get(kind=LedgerEntry.Kind.SETTLE)
        assert (entry.amount, entry.balance_after, entry.usage_after) == amounts(-5, 5, 5)
        assert (entry.reservation, entry.metadata) == (reservation, {"job": "render"})
        assert (entry.performed_by, entry.posted_at) == (KEY, later(minutes=1))

    def test_of_nothing_writes_no_entry(self) -> None:
        organization = make_organization(funded=10)
        before = entries_of(organization)

        settled = settle(reserve(organization, 8), 0)

        assert (settled.status, settled.settled_credits) == ("settled", Decimal(0))
        assert entries_of(organization) == before
        assert money_of(organization) == amounts(10, 0, 10)

    def test_moves_the_hold_from_reserved_to_used_in_its_period(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 1)

        settle(reserve(organization, 8), 5)

        (period,) = periods_of(organization)
        assert (period.used, period.reserved) == amounts(5, 1)

    def test_leaves_other_holds_alone(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 2)

        settle(reserve(organization, 8), 8)

        assert money_of(organization) == amounts(2, 2, 0)

    def test_is_possible_while_suspended(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        suspend(organization)

        settle(reservation, 8)

        assert money_of(organization) == amounts(2, 0, 2)

    def test_is_possible_once_archived(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        archive(organization)

        settle(reservation, 8)

        assert money_of(organization) == amounts(2, 0, 2)

    def test_does_not_find_the_hold_of_another_organization(self) -> None:
        stranger = make_organization(funded=10)
        reservation = reserve(make_organization(funded=10), 3)

        with pytest.raises(Reservation.DoesNotExist):
            usage.settle(
                organization=stranger,
                reservation_id=reservation.id,
                credits=Decimal(1),
                performed_by=KEY,
                now=NOW,
            )


class TestOnce:
    @pytest.mark.parametrize("again", ["5", "5.0", "5.000000"])
    def test_a_repeat_returns_the_first_result(self, again: str) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        first = settle(reservation, 5)

        repeated = settle(reservation, again, now=later(days=40))

        assert repeated.settled_credits == 5
        assert (repeated.closed_at, repeated.late) == (first.closed_at, False)
        assert wallet_of(organization).balance == 5

    @pytest.mark.parametrize("other", ["5.000001", 0, 8])
    def test_a_repeat_with_another_amount_is_refused(self, other: Amount) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        settle(reservation, 5)

        with pytest.raises(services.AlreadySettled, match=r"settled for 5\.000000"):
            settle(reservation, other)

        assert money_of(organization) == amounts(5, 0, 5)

    def test_a_repeat_of_nothing_is_nothing(self) -> None:
        reservation = reserve(make_organization(funded=10), 8)
        settle(reservation, 0)

        assert settle(reservation, 0).settled_credits == 0
        with pytest.raises(services.AlreadySettled):
            settle(reservation, 1)

    def test_a_repeat_spends_no_other_credits_when_the_last_are_gone(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 10)
        settle(reservation, 10)

        settle(reservation, 10)

        assert money_of(organization) == amounts(0, 0, 0)

    def test_a_released_hold_is_refused(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        release(reservation)

        with pytest.raises(services.ReservationClosed, match="released"):
            settle(reservation, 5)

        assert money_of(organization) == amounts(10, 0, 10)


class TestLate:
    @pytest.mark.parametrize(
        ("moment", "late"),
        [
            (later(minutes=15, microseconds=-1), False),
            (later(minutes=15), True),
            (later(minutes=15, microseconds=1), True),
        ],
    )
    def test_is_from_the_moment_of_expiry(self, moment: datetime, late: bool) -> None:
        organization = make_organization(funded=10)

        settled = settle(reserve(organization, 8), 8, now=moment)

        assert settled.late is late
        assert money_of(organization) == amounts(2, 0, 2)

    def test_is_booked_after_the_sweep(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        expire(organization, now=later(hours=1))
        reserve(organization, 10, now=later(hours=1))

        settled = settle(reservation, 8, now=later(hours=2))

        assert settled.late
        assert wallet_of(organization).balance == 2
        # The other hold is still whole: what the late work took shows as a shortfall, not as theirs.
        assert wallet_of(organization).reserved == 10

    def test_is_booked_at_any_age(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)

        settled = settle(reservation, 8, now=at("2028-05-10"))

        assert settled.late
        assert periods_of(organization)[0].used == 8
        assert entries_of(organization)[-1].period == wallet_of(organization).period

    def test_happens_once_too(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        settle(reservation, 8, now=later(hours=1))

        assert settle(reservation, 8, now=later(hours=2)).late
        with pytest.raises(services.AlreadySettled):
            settle(reservation, 7, now=later(hours=2))

        assert money_of(organization) == amounts(2, 0, 2)


class TestAcrossABoundary:
    def test_counts_in_the_period_that_opened_the_hold(self) -> None:
        organization = make_organization(funded=100)
        reservation = reserve(organization, 8, now=at("2026-05-31 23:55"))

        settle(reservation, 5, now=at("2026-06-01 00:05"))

        may, june = periods_of(organization)
        assert (may.used, may.reserved) == amounts(5, 0)
        assert (june.used, june.reserved) == amounts(0, 0)

    def test_is_an_entry_on_the_statement_of_the_day_it_settles(self) -> None:
        organization = make_organization(funded=100)
        reservation = reserve(organization, 8, now=at("2026-05-31 23:55"))

        settle(reservation, 5, now=at("2026-06-01 00:05"))

        may, june = periods_of(organization)
        entry = entries_of(organization)[-1]
        assert (entry.period, entry.usage_after) == (june, Decimal(5))
        assert (may.closing_balance, june.opening_balance) == amounts(100, 100)

    def test_never_changes_a_closed_statement(self) -> None:
        organization = make_organization(funded=100)
        reservation = reserve(organization, 8, now=at("2026-05-31 23:55"), ttl=LONG)
        renew(organization, now=at("2026-06-01"))
        may = periods_of(organization)[0]
        lines = list(may.entries.values())

        settle(reservation, 5, now=at("2026-06-01 00:05"))

        closed = periods_of(organization)[0]
        assert list(closed.entries.values()) == lines
        assert closed.opening_balance == may.opening_balance
        assert closed.closing_balance == may.closing_balance == 100
        assert closed.closed_at == may.closed_at


ORDERS: dict[str, tuple[list[tuple[str, int, int | None]], str]] = {
    # Each grant: name, priority, days until it expires. They are made in this order, 10 credits each.
    "the oldest": ([("first", 50, None), ("second", 50, None)], "first"),
    "the soonest to expire": ([("never", 50, None), ("late", 50, 30), ("soon", 50, 20)], "soon"),
    "one that expires before one that does not": ([("never", 50, None), ("ends", 50, 900)], "ends"),
    "the lowest priority number": ([("a", 50, 1), ("b", 10, None), ("c", 90, 1)], "b"),
    "priority 0 before priority 1": ([("one", 1, 1), ("zero", 0, 300)], "zero"),
    "the older of two that expire together": ([("old", 50, 30), ("new", 50, 30)], "old"),
}


class TestDrawing:
    @pytest.mark.parametrize("order", ORDERS)
    def test_begins_with(self, order: str) -> None:
        lots, expected = ORDERS[order]
        organization = make_organization()
        names = {}
        for minute, (name, priority, days) in enumerate(lots):
            expires_at = None if days is None else later(days=days)
            made_at = later(minutes=minute)
            entry = grant(organization, 10, priority=priority, expires_at=expires_at, now=made_at)
            names[entry.id] = name

        settle(reserve(organization, 4, now=later(hours=1)), 4, now=later(hours=1))

        drawn = [names[lot.entry_id] for lot in grants_of(organization) if lot.remaining == 6]
        assert drawn == [expected]

    def test_takes_included_credits_before_prepaid_ones(self) -> None:
        organization = make_organization(funded=100, allowance=10)

        settle(reserve(organization, 14), 14)

        wallet = wallet_of(organization)
        assert (wallet.allowance_remaining, wallet.prepaid) == amounts(0, 96)

    def test_goes_on_with_the_next_grant(self) -> None:
        organization = make_organization()
        for days in (3, 2, 1):
            grant(organization, 10, expires_at=later(days=days))

        settle(reserve(organization, 25), 25)

        assert [lot.remaining for lot in grants_of(organization)] == [5, 0, 0]

    def test_says_with_its_draws_what_it_took(self) -> None:
        organization = make_organization()
        grant(organization, 10, expires_at=later(days=2))
        grant(organization, 10, expires_at=later(days=1))

        settle(reserve(organization, 12), 12)

        draws = GrantDraw.objects.filter(entry__kind=LedgerEntry.Kind.SETTLE)
        late, soon = grants_of(organization)
        assert {d.grant_id: d.amount for d in draws} == {soon.id: -10, late.id: -2}

    def test_is_from_what_is_live_when_the_work_is_settled(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 5)
        grant(organization, 10, expires_at=later(days=1), now=later(minutes=1))

        settle(reservation, 5, now=later(minutes=2))

        assert [lot.remaining for lot in grants_of(organization)] == [10, 5]


class TestDebt:
    def test_begins_only_when_no_grant_has_anything_left(self) -> None:
        organization = make_organization(funded=10, allowance=5)

        settle(reserve(organization, 15), 16)

        assert [lot.remaining for lot in grants_of(organization)] == [0, 0]
        assert money_of(organization) == amounts(-1, 0, 0)

    def test_is_what_work_costs_after_its_credits_lapsed(self) -> None:
        organization = make_organization()
        grant(organization, 10, expires_at=later(minutes=5))
        reservation = reserve(organization, 8)

        settle(reservation, 8, now=later(minutes=5))

        assert money_of(organization) == amounts(-8, 0, 0)
        kinds = [entry.kind for entry in entries_of(organization)]
        assert kinds == ["grant", "lapse", "settle"]

    def test_grows_with_more_work(self) -> None:
        organization = make_organization(overdraft_limit=None)
        settle(reserve(organization, 5), 5)

        settle(reserve(organization, 3), 3)

        assert money_of(organization) == amounts(-8, 0, 0)

    def test_may_go_beyond_the_overdraft_because_the_work_is_done(self) -> None:
        organization = make_organization(funded=1, overdraft_limit=2)

        settle(reserve(organization, 3), 30)

        assert money_of(organization) == amounts(-29, 0, 0)

    def test_eats_what_other_holds_counted_on(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 5)

        settle(reserve(organization, 5), 9)

        wallet = wallet_of(organization)
        assert (wallet.balance, wallet.reserved) == amounts(1, 5)
        assert (wallet.unreserved, wallet.available) == amounts(-4, 0)


class TestChargeLimit:
    def test_refuses_more_than_one_piece_of_work_may_cost(self) -> None:
        organization = make_organization(funded=1_000)
        reservation = reserve(organization, 1)

        with pytest.raises(services.ChargeTooLarge):
            settle(reservation, 10**13)

        assert money_of(organization) == amounts(1_000, 1, 999)
        assert settle(reservation, 100_000).settled_credits == 100_000

    def test_always_lets_what_was_held_be_charged(self) -> None:
        organization = make_organization(funded=1_000)
        reservation = reserve(organization, 500)
        set_terms(organization, charge_limit=10)

        with pytest.raises(services.ChargeTooLarge):
            settle(reservation, "500.000001", now=later(hours=1))

        assert settle(reservation, 500, now=later(hours=1)).settled_credits == 500

    def test_answers_a_repeat_whatever_the_limit_is_by_now(self) -> None:
        organization = make_organization(funded=1_000)
        reservation = reserve(organization, 1)
        settle(reservation, 500)
        set_terms(organization, charge_limit=10)

        assert settle(reservation, 500).settled_credits == 500
