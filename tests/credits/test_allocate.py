"""Allocating: prepaid credits that no open hold needs, from a parent to its child."""

from decimal import Decimal

import pytest

from credits import services
from credits.ledger import InsufficientCredits
from credits.models import Grant, LedgerEntry, Wallet
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests.factories import (
    KEY,
    NOW,
    Amount,
    allocate,
    amounts,
    archive,
    at,
    entries_of,
    grant,
    grants_of,
    later,
    make_family,
    make_organization,
    money_of,
    reserve,
    settle,
    suspend,
    wallet_of,
)

pytestmark = pytest.mark.django_db(transaction=True)


class TestAllocate:
    def test_moves_credits_to_the_child(self) -> None:
        parent, child = make_family(funded=1_000)

        allocate(child, 300)

        assert money_of(parent) == amounts(700, 0, 700)
        assert money_of(child) == amounts(300, 0, 300)

    def test_writes_two_entries_that_share_an_id_and_sum_to_zero(self) -> None:
        parent, child = make_family(funded=1_000)

        sent, received = allocate(child, 300)

        assert entries_of(parent)[-1] == sent
        assert entries_of(child) == [received]
        assert (sent.amount, received.amount) == amounts(-300, 300)
        assert sent.transfer_id == received.transfer_id is not None
        assert sent.kind == received.kind == LedgerEntry.Kind.ALLOCATE

    def test_says_on_both_sides_who_and_why(self) -> None:
        _, child = make_family(funded=1_000)

        both = services.allocate(
            child=child,
            amount=Decimal(300),
            performed_by=KEY,
            now=NOW,
            description="launch week",
            metadata={"order": "A-17"},
        )

        for entry in both:
            stored = LedgerEntry.objects.get(id=entry.id)
            assert (stored.reason, stored.metadata) == ("launch week", {"order": "A-17"})
            assert (stored.performed_by, stored.posted_at) == (KEY, NOW)

    def test_makes_an_allocation_grant_for_the_child(self) -> None:
        _, child = make_family(funded=1_000)

        allocate(child, 300)

        (lot,) = grants_of(child)
        assert (lot.source, lot.priority) == (Grant.Source.ALLOCATION, 50)
        assert (lot.amount, lot.remaining) == amounts(300, 300)

    def test_keeps_expiry_and_priority_and_takes_soonest_first(self) -> None:
        parent, child = make_family(funded=100)
        grant(parent, 50, expires_at=later(days=60))
        grant(parent, 30, expires_at=later(days=30))
        grant(parent, 20, priority=10)

        allocate(child, 120)

        moved = [(lot.priority, lot.expires_at, lot.amount) for lot in grants_of(child)]
        assert moved == [
            (10, None, Decimal(20)),
            (50, later(days=30), Decimal(30)),
            (50, later(days=60), Decimal(50)),
            (50, None, Decimal(20)),
        ]
        assert wallet_of(child).lapse_at == later(days=30)

    def test_puts_credits_of_the_same_terms_into_one_grant(self) -> None:
        parent, child = make_family(funded=100)
        grant(parent, 50)

        allocate(child, 120)

        (lot,) = grants_of(child)
        assert lot.amount == 120

    def test_lets_what_moved_expire_at_the_child(self) -> None:
        parent, child = make_family(funded=0)
        grant(parent, 50, expires_at=later(days=5))
        allocate(child, 50)

        services.renew(organization=child, now=later(days=5))

        assert money_of(child) == amounts(0, 0, 0)

    def test_moves_all_that_is_prepaid(self) -> None:
        parent, child = make_family(funded=100)

        allocate(child, 100)

        assert money_of(parent) == amounts(0, 0, 0)

    def test_refuses_more_than_the_parent_has(self) -> None:
        parent, child = make_family(funded=100)

        with pytest.raises(InsufficientCredits, match=r"100\.000000 transferable, 100\.000001"):
            allocate(child, "100.000001")

        assert money_of(parent) == amounts(100, 0, 100)
        assert entries_of(child) == []

    @pytest.mark.parametrize("amount", [0, -5, "-0.000001", 10**13 + 1])
    def test_refuses_an_amount_that_is_not_positive_or_too_large(self, amount: Amount) -> None:
        _, child = make_family(funded=100)

        with pytest.raises(services.InvalidAmount):
            allocate(child, amount)

    @pytest.mark.parametrize(
        ("prepaid", "allowance", "reserved", "transferable"),
        [
            (50, 100, 0, 50),
            (50, 100, 100, 50),
            (50, 100, 120, 30),
            (50, 100, 150, 0),
            (50, 0, 20, 30),
            (0, 100, 0, 0),
        ],
    )
    def test_moves_neither_allowance_nor_what_open_holds_need(
        self, prepaid: int, allowance: int, reserved: int, transferable: int
    ) -> None:
        parent = make_organization(funded=prepaid, allowance=allowance)
        child = make_organization(parent=parent)
        reserve(parent, reserved)

        with pytest.raises(InsufficientCredits):
            allocate(child, transferable + Decimal("0.000001"))
        if transferable:
            allocate(child, transferable)

        assert money_of(child) == amounts(transferable, 0, transferable)
        assert wallet_of(parent).allowance_remaining == allowance

    def test_never_uses_the_overdraft(self) -> None:
        parent = make_organization(funded=10, overdraft_limit=None)
        child = make_organization(parent=parent)

        with pytest.raises(InsufficientCredits):
            allocate(child, 11)

    def test_moves_nothing_out_of_debt(self) -> None:
        parent = make_organization(funded=10)
        child = make_organization(parent=parent)
        settle(reserve(parent, 10), 15)

        with pytest.raises(InsufficientCredits, match=r"^0 transferable"):
            allocate(child, 1)

    def test_pays_the_debt_of_the_child_first(self) -> None:
        _, child = make_family(funded=100)
        allocate(child, 10)
        settle(reserve(child, 10), 14)

        allocate(child, 10)

        assert money_of(child) == amounts(6, 0, 6)

    def test_pays_it_once_with_what_comes_in_several_lots(self) -> None:
        parent, child = make_family(funded=0, overdraft_limit=None)
        for days in (10, 20, 30):
            grant(parent, 20, expires_at=later(days=days))
        settle(reserve(child, 30), 30)

        allocate(child, 60)

        assert money_of(child) == amounts(30, 0, 30)
        assert [lot.remaining for lot in grants_of(child)] == [0, 10, 20]

    def test_moves_what_an_expired_hold_no_longer_needs(self) -> None:
        parent, child = make_family(funded=100)
        reserve(parent, 80)

        with pytest.raises(InsufficientCredits):
            allocate(child, 100, now=later(minutes=15, microseconds=-1))
        allocate(child, 100, now=later(minutes=15))

        assert money_of(parent) == amounts(0, 0, 0)

    def test_moves_nothing_that_expires_at_this_moment(self) -> None:
        parent, child = make_family(funded=0)
        grant(parent, 100, expires_at=later(days=1))

        with pytest.raises(InsufficientCredits):
            allocate(child, 1, now=later(days=1))
        allocate(child, 1, now=later(days=1, microseconds=-1))

        assert money_of(child) == amounts(1, 0, 1)

    def test_finds_both_wallets_in_their_present_period(self) -> None:
        _, child = make_family(funded=100)

        sent, received = allocate(child, 10, now=at("2026-07-04"))

        assert sent.period.starts_at == received.period.starts_at == at("2026-07-01")
        assert sent.period.index == received.period.index == 2

    def test_needs_a_parent(self) -> None:
        orphan = make_organization(funded=100)

        with pytest.raises(Wallet.DoesNotExist):
            allocate(orphan, 1)

    def test_is_refused_to_an_archived_child(self) -> None:
        _, child = make_family(funded=100)
        archive(child)

        with pytest.raises(OrganizationArchived):
            allocate(child, 1)

    def test_is_refused_from_a_suspended_parent(self) -> None:
        parent, child = make_family(funded=100)
        suspend(parent)

        with pytest.raises(OrganizationSuspended):
            allocate(child, 1)

    def test_reaches_a_suspended_child(self) -> None:
        _, child = make_family(funded=100)
        suspend(child)

        allocate(child, 10)

        assert money_of(child) == amounts(10, 0, 10)
