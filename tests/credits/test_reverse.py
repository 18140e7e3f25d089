"""Taking an entry back: what returns, whereto, and what is refused."""

from datetime import timedelta
from decimal import Decimal

import pytest

from credits import services
from credits.ledger import InsufficientCredits
from credits.models import LedgerEntry
from organizations.models import Organization
from tests import factories as f
from tests.credits.tampering import charge_of
from tests.factories import NOW, STAFF, at, later

pytestmark = pytest.mark.django_db(transaction=True)
Kind = LedgerEntry.Kind
TOMORROW = later(days=1)


def remaining_of(organization: Organization) -> list[tuple[str, int]]:
    """Return each grant's source and what remains of it, oldest first."""
    return [(grant.source, int(grant.remaining)) for grant in f.grants_of(organization)]


class TestReverseOfWork:
    def test_returns_the_credits_to_the_grants_they_came_from(self) -> None:
        one = f.make_organization(allowance=5, funded=10)
        work = f.spend(one, 8)

        f.reverse(charge_of(work))

        assert remaining_of(one) == [("allowance", 5), ("grant", 10)]
        assert f.money_of(one) == f.amounts(15, 0, 15)

    def test_posts_a_reversal_that_points_at_the_charge_and_says_who_and_why(self) -> None:
        one = f.make_organization(funded=10)
        charge = charge_of(f.spend(one, 8))

        reversal = f.reverse(charge, now=TOMORROW, reason="failed twice")

        assert (reversal.kind, int(reversal.amount)) == (Kind.REVERSAL, 8)
        assert (reversal.reverses, reversal.reservation) == (charge, charge.reservation)
        assert (reversal.reason, reversal.performed_by) == ("failed twice", STAFF)
        assert reversal.posted_at == TOMORROW

    def test_keeps_the_metadata_of_the_charge(self) -> None:
        one = f.make_organization(funded=10)
        work = f.settle(f.reserve(one, 8, metadata={"projectId": "p-1"}), 8)

        reversal = f.reverse(charge_of(work))

        assert reversal.metadata == {"projectId": "p-1"}

    def test_frees_the_room_in_the_period_that_counted_it(self) -> None:
        one = f.make_organization(funded=100, monthly_cap=10)
        work = f.spend(one, 10)

        reversal = f.reverse(charge_of(work), now=at("2026-06-02"))

        may, june = f.periods_of(one)
        assert (may.used, june.used) == f.amounts(0, 0)
        assert reversal.counted_in == may
        assert reversal.usage_after == 0
        assert reversal.period == june

    def test_leaves_the_closed_statement_as_it_was(self) -> None:
        one = f.make_organization(funded=100)
        work = f.spend(one, 10)
        f.renew(one, now=at("2026-06-01"))

        f.reverse(charge_of(work), now=at("2026-06-02"))

        may, june = f.periods_of(one)
        assert (may.opening_balance, may.closing_balance) == f.amounts(0, 90)
        assert june.opening_balance == 90

    def test_lets_lapse_what_returns_to_a_grant_that_has_ended(self) -> None:
        one = f.make_organization(funded=10)
        f.grant(one, 5, expires_at=TOMORROW)
        work = f.spend(one, 8)

        f.reverse(charge_of(work), now=later(days=2))

        *_, reversal, lapse = f.entries_of(one)
        assert (reversal.kind, int(reversal.amount)) == (Kind.REVERSAL, 8)
        assert (lapse.kind, int(lapse.amount), lapse.performed_by) == (Kind.LAPSE, -5, STAFF)
        assert remaining_of(one) == [("grant", 10), ("grant", 0)]

    def test_pays_the_debt_that_the_work_left(self) -> None:
        one = f.make_organization(funded=6)
        work = f.settle(f.reserve(one, 6), 10)

        f.reverse(charge_of(work))

        assert remaining_of(one) == [("grant", 6)]
        assert f.money_of(one) == f.amounts(6, 0, 6)

    def test_returns_debt_that_other_credits_paid_as_an_adjustment_without_an_end(self) -> None:
        one = f.make_organization(funded=6)
        work = f.settle(f.reserve(one, 6), 10)
        f.grant(one, 20, expires_at=TOMORROW)

        reversal = f.reverse(charge_of(work))

        assert remaining_of(one) == [("grant", 6), ("grant", 16), ("adjustment", 4)]
        (made,) = reversal.grants.all()
        assert made.expires_at is None

    def test_pays_debt_of_other_work_before_it_fills_grants(self) -> None:
        one = f.make_organization(funded=10)
        work = f.spend(one, 8)
        f.settle(f.reserve(one, 2), 5)

        f.reverse(charge_of(work))

        assert remaining_of(one) == [("grant", 5)]
        assert f.money_of(one) == f.amounts(5, 0, 5)

    def test_remembers_when_what_it_returned_will_lapse(self) -> None:
        one = f.make_organization(funded=10)
        f.grant(one, 5, expires_at=TOMORROW)
        work = f.spend(one, 5)
        f.grant(one, 1, expires_at=later(hours=1))
        f.renew(one, now=later(hours=2))

        f.reverse(charge_of(work), now=later(hours=3))

        assert f.wallet_of(one).lapse_at == TOMORROW

    def test_sends_what_returns_to_an_archived_child_on_to_its_parent(self) -> None:
        parent, child = f.make_family(funded=100)
        f.allocate(child, 10)
        work = f.spend(child, 10)
        f.archive(child)

        f.reverse(charge_of(work))

        assert f.money_of(child) == f.amounts(0, 0, 0)
        assert f.money_of(parent) == f.amounts(100, 0, 100)

    def test_refuses_a_second_time_and_names_the_first(self) -> None:
        one = f.make_organization(funded=10)
        charge = charge_of(f.spend(one, 8))
        f.reverse(charge)

        with pytest.raises(services.AlreadyReversed, match="#2 was reversed by #3"):
            f.reverse(charge)

        assert f.money_of(one) == f.amounts(10, 0, 10)


class TestReverseOfFunding:
    @pytest.mark.parametrize("kind", ["grant", "recharge", "adjust"])
    def test_takes_the_credits_out_of_the_grant_that_it_made(self, kind: str) -> None:
        one = f.make_organization(funded=10, recharge_limit=100)
        entry = getattr(f, kind)(one, 7)

        reversal = f.reverse(entry)

        assert reversal.amount == -7
        assert reversal.reverses == entry
        assert [remaining for _, remaining in remaining_of(one)] == [10, 0]

    def test_refuses_with_numbers_when_some_of_it_is_spent(self) -> None:
        one = f.make_organization()
        entry = f.grant(one, 10)
        f.spend(one, 1)
        f.grant(one, 100)

        with pytest.raises(InsufficientCredits, match=r"9\.000000 remain of the 10 credits"):
            f.reverse(entry)

    def test_refuses_when_open_holds_need_it(self) -> None:
        one = f.make_organization()
        entry = f.grant(one, 10)
        f.reserve(one, 4)

        with pytest.raises(InsufficientCredits, match=r"6\.000000 available, 10 needed"):
            f.reverse(entry)

    def test_takes_no_notice_of_holds_whose_time_has_passed(self) -> None:
        one = f.make_organization()
        entry = f.grant(one, 10)
        f.reserve(one, 4, ttl=timedelta(minutes=1))

        f.reverse(entry, now=later(minutes=2))

        assert f.money_of(one) == f.amounts(0, 0, 0)

    def test_gives_a_negative_adjustment_back(self) -> None:
        one = f.make_organization(funded=10)
        entry = f.adjust(one, -7)

        f.reverse(entry)

        assert remaining_of(one) == [("grant", 10)]

    def test_makes_room_below_the_recharge_limit(self) -> None:
        one = f.make_organization(recharge_limit=10)
        f.reverse(f.recharge(one, 10))

        f.recharge(one, 10)

        assert f.money_of(one) == f.amounts(10, 0, 10)


class TestReverseOfATransfer:
    @pytest.mark.parametrize("side", [0, 1])
    def test_moves_the_credits_back_whichever_side_is_named(self, side: int) -> None:
        parent, child = f.make_family(funded=100)
        sides = f.allocate(child, 30)

        reversal = f.reverse(sides[side])

        assert reversal.wallet_id == sides[side].wallet_id
        assert remaining_of(parent) == [("grant", 100)]
        assert f.money_of(child) == f.amounts(0, 0, 0)

    def test_posts_two_entries_that_share_an_id_and_point_at_their_own(self) -> None:
        parent, child = f.make_family(funded=100)
        sent, received = f.allocate(child, 30)

        f.reverse(received)

        given, taken = f.entries_of(parent)[-1], f.entries_of(child)[-1]
        assert given.transfer_id == taken.transfer_id is not None
        assert (given.reverses, taken.reverses) == (sent, received)
        assert (given.amount, taken.amount) == f.amounts(30, -30)

    def test_refuses_when_the_receiver_has_not_that_much_left(self) -> None:
        parent, child = f.make_family(funded=100)
        sent, _ = f.allocate(child, 30)
        f.spend(child, 1)

        with pytest.raises(InsufficientCredits, match=r"29\.000000 available, 30\.000000 needed"):
            f.reverse(sent)

        assert f.money_of(parent) == f.amounts(70, 0, 70)

    def test_takes_a_refill_back(self) -> None:
        parent, child = f.make_refilled_family(parent_has=100, child_has=1)
        f.reserve(child, 10)
        (refill,) = f.refills_of(child)
        f.expire(child, now=later(hours=1))

        f.reverse(refill, now=later(hours=1))

        assert f.money_of(parent) == f.amounts(100, 0, 100)
        assert f.money_of(child) == f.amounts(1, 0, 1)

    def test_of_a_sweep_pays_the_debt_of_an_archived_child_and_sweeps_the_rest_again(self) -> None:
        parent, child = f.make_family(funded=100)
        f.allocate(child, 30)
        hold = f.reserve(child, 10)
        f.archive(child)
        f.settle(hold, 25)
        swept = next(e for e in f.entries_of(child) if e.kind == Kind.SWEEP)

        f.reverse(swept)

        assert f.money_of(child) == f.amounts(0, 0, 0)
        assert f.money_of(parent) == f.amounts(75, 0, 75)


def make_buyer() -> tuple[Organization, LedgerEntry]:
    """Return an organization with this month's allowance of 300, and what brought a purchase of 500."""
    one = f.make_organization(allowance=300, recharge_limit=1_000)
    return one, f.recharge(one, 500)


class TestReverseInPart:
    def test_refunds_a_purchase_out_of_what_it_brought(self) -> None:
        one, bought = make_buyer()

        reversal = f.reverse(bought, amount=Decimal(200))

        assert remaining_of(one) == [("allowance", 300), ("purchase", 300)]
        assert reversal.amount == -200
        assert reversal.reverses == bought
        assert f.money_of(one) == f.amounts(600, 0, 600)
        assert bought.left == 300

    def test_goes_on_until_all_of_it_is_taken_back(self) -> None:
        one, bought = make_buyer()

        parts = [f.reverse(bought, amount=Decimal(part)) for part in (200, "0.000001")]
        rest = f.reverse(bought)

        assert [part.amount for part in (*parts, rest)] == list(
            f.amounts(-200, "-0.000001", "-299.999999")
        )
        assert remaining_of(one) == [("allowance", 300), ("purchase", 0)]
        with pytest.raises(services.AlreadyReversed, match="#2 was reversed by #3, #4, #5"):
            f.reverse(bought)

    def test_takes_no_more_than_is_left_and_says_how_much_that_is(self) -> None:
        one, bought = make_buyer()
        f.reverse(bought, amount=Decimal(200))

        with pytest.raises(
            services.AlreadyReversed,
            match=r"#2 was reversed by #3 in part: 300\.000000 are left, 301 asked for",
        ):
            f.reverse(bought, amount=Decimal(301))

        assert f.money_of(one)[0] == 600

    @pytest.mark.parametrize("part", ["0", "-1", "500.000001"])
    def test_refuses_what_is_no_part(self, part: str) -> None:
        one, bought = make_buyer()

        with pytest.raises(services.InvalidAmount, match="at most 500"):
            f.reverse(bought, amount=Decimal(part))

        assert f.money_of(one)[0] == 800

    def test_takes_what_remains_where_the_whole_is_spent_in_part(self) -> None:
        one = f.make_organization(recharge_limit=1_000)
        bought = f.recharge(one, 500)
        f.spend(one, 400)

        with pytest.raises(InsufficientCredits, match=r"100\.000000 available, 101 needed"):
            f.reverse(bought, amount=Decimal(101))
        f.reverse(bought, amount=Decimal(100))

        assert f.money_of(one)[0] == 0

    def test_makes_as_much_room_below_the_recharge_limit(self) -> None:
        one = f.make_organization(recharge_limit=500)
        f.reverse(f.recharge(one, 500), amount=Decimal(200))

        with pytest.raises(services.RechargeLimitReached, match=r"300\.000000 of 500"):
            f.recharge(one, 201)
        f.recharge(one, 200)

        assert f.money_of(one)[0] == 500

    def test_moves_a_part_of_a_transfer_back_on_both_sides(self) -> None:
        parent, child = f.make_family(funded=100)
        sent, received = f.allocate(child, 30)

        given = f.reverse(sent, amount=Decimal(10))
        taken = f.reverse(received, amount=Decimal(5))
        f.reverse(received)

        assert (given.amount, taken.amount) == f.amounts(10, -5)
        assert [(kind, amount) for kind, amount, _ in f.lines_of(child)] == [
            ("allocate", 30),
            ("reversal", -10),
            ("reversal", -5),
            ("reversal", -15),
        ]
        assert remaining_of(parent) == [("grant", 100)]
        with pytest.raises(services.AlreadyReversed):
            f.reverse(sent)

    def test_gives_an_adjustment_back_to_what_it_took_last_first(self) -> None:
        one = f.make_organization(allowance=30, funded=50)
        taken = f.adjust(one, -40)

        f.reverse(taken, amount=Decimal(4))
        f.reverse(taken, amount=Decimal(16))

        assert remaining_of(one) == [("allowance", 10), ("grant", 50)]
        f.reverse(taken)
        assert remaining_of(one) == [("allowance", 30), ("grant", 50)]

    def test_takes_no_part_of_work_by_its_entry(self) -> None:
        one = f.make_organization(funded=10)
        charge = charge_of(f.spend(one, 8))

        with pytest.raises(
            services.NotReversible, match="#2 is work: take back those of its events"
        ):
            f.reverse(charge, amount=Decimal(4))

    def test_is_on_the_statement_and_told_of_its_moment(self) -> None:
        one, bought = make_buyer()
        f.reverse(bought, amount=Decimal(200), now=TOMORROW)

        (may,) = f.periods_of(one)

        assert services.statement_of(may)[:-1] == f.amounts(0, 800, 0, 0, -200, 0, 0, 0, 600)
        then = services.wallet_then(one, then=later(hours=23), now=later(days=2))
        assert (then.wallet.balance, then.wallet.prepaid) == f.amounts(800, 500)

    def test_with_a_reference_is_taken_once(self) -> None:
        one, bought = make_buyer()
        first = f.reverse(bought, amount=Decimal(200), reference="re-1")

        again = f.reverse(bought, amount=Decimal(200), reference="re-1")

        assert (again.pk, again.replayed) == (first.pk, True)
        for other in (Decimal(100), None):
            with pytest.raises(services.ReferenceTaken, match=first.public_id):
                f.reverse(bought, amount=other, reference="re-1")
        whole = f.reverse(bought, reference="re-2")
        assert f.reverse(bought, reference="re-2").pk == whole.pk
        assert f.money_of(one)[0] == 300


class TestReverseIntoDebt:
    """A chargeback: the money is gone, whatever became of the credits."""

    def test_takes_its_own_then_the_other_prepaid_then_the_allowance_then_debt(self) -> None:
        one, bought = make_buyer()
        f.grant(one, 50)
        f.spend(one, 500)

        assert remaining_of(one) == [("allowance", 0), ("purchase", 300), ("grant", 50)]
        f.renew(one, now=at("2026-06-01"))
        f.reverse(bought, amount=Decimal(320), into_debt=True, now=at("2026-06-02"))
        assert [left for _, left in remaining_of(one)] == [0, 0, 30, 300]
        f.reverse(bought, amount=Decimal(130), into_debt=True, now=at("2026-06-02"))
        assert [left for _, left in remaining_of(one)] == [0, 0, 0, 200]
        f.spend(one, 190, now=at("2026-06-02"))

        last = f.reverse(bought, into_debt=True, now=at("2026-06-02"))

        assert last.amount == -50
        assert f.money_of(one) == f.amounts(-40, 0, 0)
        assert [left for _, left in remaining_of(one)] == [0, 0, 0, 0]

    def test_never_without_being_told_to(self) -> None:
        one, bought = make_buyer()
        f.spend(one, 400)

        with pytest.raises(InsufficientCredits, match=r"400\.000000 available, 500\.000000 needed"):
            f.reverse(LedgerEntry.objects.get(pk=bought.pk))

        f.grant(one, 100)
        with pytest.raises(
            InsufficientCredits,
            match=r"400\.000000 remain of the 500 credits that came with it, 401",
        ):
            f.reverse(bought, amount=Decimal(401))
        assert f.money_of(one)[0] == 500

    def test_is_paid_by_what_comes_next(self) -> None:
        one, bought = make_buyer()
        f.spend(one, 800)
        f.reverse(bought, into_debt=True)

        f.recharge(one, 500)

        assert f.money_of(one) == f.amounts(0, 0, 0)

    def test_leaves_open_holds_what_they_hold(self) -> None:
        one = f.make_organization(recharge_limit=1_000)
        bought = f.recharge(one, 500)
        hold = f.reserve(one, 400)

        f.reverse(bought, into_debt=True)

        assert f.money_of(one) == f.amounts(0, 400, 0)
        f.refused(one, 1)
        f.settle(hold, 400)
        assert f.money_of(one) == f.amounts(-400, 0, 0)

    def test_takes_an_allocation_back_from_a_child_that_spent_it(self) -> None:
        parent, child = f.make_family(funded=100, allowance=5)
        sent, _ = f.allocate(child, 30)
        f.spend(child, 15)

        f.reverse(sent, into_debt=True)

        assert f.money_of(parent)[0] == 100
        assert f.money_of(child)[0] == -10

    def test_takes_what_paid_debt_when_it_came(self) -> None:
        one = f.make_organization(recharge_limit=1_000, overdraft_limit=None)
        f.spend(one, 100)
        bought = f.recharge(one, 500)

        with pytest.raises(InsufficientCredits):
            f.reverse(bought)
        f.reverse(bought, into_debt=True)

        assert f.money_of(one)[0] == -100


class TestReverse:
    def test_refuses_a_renewal_and_says_what_to_do_instead(self) -> None:
        one = f.make_organization(allowance=10)

        with pytest.raises(services.NotReversible, match="adjust the balance instead"):
            f.reverse(f.entries_of(one)[0])

    def test_refuses_a_lapse(self) -> None:
        one = f.make_organization()
        f.grant(one, 10, expires_at=TOMORROW)
        f.renew(one, now=TOMORROW)

        with pytest.raises(services.NotReversible, match="grant new ones or adjust"):
            f.reverse(f.entries_of(one)[-1], now=TOMORROW)

    def test_refuses_a_reversal(self) -> None:
        one = f.make_organization()
        reversal = f.reverse(f.grant(one, 10))

        with pytest.raises(services.NotReversible, match="a reversal stays"):
            f.reverse(reversal)

    def test_posts_first_what_is_due(self) -> None:
        one = f.make_organization(allowance=10, anchored_on=NOW.date())
        entry = f.grant(one, 5)

        f.reverse(entry, now=at("2026-06-10"))

        assert [kind for kind, *_ in f.lines_of(one)] == [
            "renew",
            "grant",
            "lapse",
            "renew",
            "reversal",
        ]

    def test_counts_what_was_used_since_the_entry_was_read(self) -> None:
        one = f.make_organization(funded=100)
        charge = charge_of(f.spend(one, 10))
        assert charge.counted_in is not None
        f.spend(one, 5)
        f.renew(one, now=at("2026-06-01"))

        f.reverse(charge, now=at("2026-06-01"))

        assert f.periods_of(one)[0].used == 5


class TestChargeAgain:
    def test_draws_first_what_the_reversal_returned_even_to_a_grant_that_has_ended(self) -> None:
        one = f.make_organization()
        f.grant(one, 10, expires_at=TOMORROW)
        charge = charge_of(f.spend(one, 10))
        f.grant(one, 50, priority=1)

        f.charge_again(charge, 8, now=later(days=2))

        assert f.lines_of(one)[-3:] == [("reversal", 10, 0), ("settle", -8, 0), ("lapse", -2, 0)]
        assert remaining_of(one) == [("grant", 0), ("grant", 50)]

    def test_counts_where_the_work_counted(self) -> None:
        one = f.make_organization(funded=100)
        charge = charge_of(f.spend(one, 10))

        again = f.charge_again(charge, 12, now=at("2026-06-05"))

        may, june = f.periods_of(one)
        assert (may.used, june.used) == f.amounts(12, 0)
        assert again.counted_in == may
        assert again.usage_after == 12
        assert again.reservation == charge.reservation

    def test_can_be_taken_back_itself(self) -> None:
        one = f.make_organization(funded=100)
        again = f.charge_again(charge_of(f.spend(one, 10)), 12, now=NOW)

        f.reverse(again)

        assert f.money_of(one) == f.amounts(100, 0, 100)
        assert f.periods_of(one)[0].used == 0
