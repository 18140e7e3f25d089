"""Archiving: the end of an organization, and where its credits go."""

from datetime import timedelta

import pytest

from credits import services
from credits.models import Grant, LedgerEntry
from organizations.models import ApiKey, Organization
from organizations.services import OrganizationArchived
from tests.factories import (
    NOW,
    adjust,
    allocate,
    amounts,
    archive,
    at,
    entries_of,
    expire,
    grant,
    grants_of,
    later,
    make_family,
    make_key,
    make_organization,
    money_of,
    periods_of,
    release,
    renew,
    reserve,
    resume,
    settle,
    suspend,
    wallet_of,
)

pytestmark = pytest.mark.django_db(transaction=True)


def kinds_of(organization: Organization) -> list[str]:
    return [entry.kind for entry in entries_of(organization)]


class TestArchive:
    def test_is_a_state_with_its_moment(self) -> None:
        organization = make_organization()

        archival = archive(organization, now=later(hours=1))

        organization.refresh_from_db()
        assert organization.status == Organization.Status.ARCHIVED
        assert organization.archived_at == organization.updated_at == later(hours=1)
        assert archival.organization == organization

    def test_revokes_every_open_key(self) -> None:
        organization = make_organization()
        make_key(organization)
        make_key(organization)

        archival = archive(organization)

        assert archival.revoked_api_keys == 2
        assert not ApiKey.objects.filter(revoked_at__isnull=True).exists()

    def test_sweeps_prepaid_credits_to_the_parent(self) -> None:
        parent, child = make_family(funded=1_000)
        allocate(child, 300)

        archival = archive(child)

        assert archival.reclaimed_credits == 300
        assert money_of(child) == amounts(0, 0, 0)
        assert money_of(parent) == amounts(1_000, 0, 1_000)

    def test_writes_the_sweep_on_both_ledgers(self) -> None:
        parent, child = make_family(funded=1_000)
        allocate(child, 300)

        archive(child)

        sent, received = entries_of(child)[-1], entries_of(parent)[-1]
        assert sent.kind == received.kind == LedgerEntry.Kind.SWEEP
        assert (sent.amount, received.amount) == amounts(-300, 300)
        assert sent.transfer_id == received.transfer_id is not None

    def test_keeps_the_expiry_and_priority_of_what_it_sweeps(self) -> None:
        parent, child = make_family(funded=0)
        grant(child, 50, expires_at=later(days=30))
        grant(child, 20, priority=7)

        archive(child)

        returned = [(int(lot.amount), lot.expires_at, lot.priority) for lot in grants_of(parent)]
        assert returned == [(20, None, 7), (50, later(days=30), 50)]

    def test_lets_the_allowance_lapse(self) -> None:
        parent, child = make_family(funded=1_000, allowance=100)
        allocate(child, 300)

        archival = archive(child)

        assert archival.reclaimed_credits == 300
        assert kinds_of(child) == ["renew", "allocate", "lapse", "sweep"]
        assert money_of(parent) == amounts(1_000, 0, 1_000)

    def test_returns_nothing_that_expired_before(self) -> None:
        parent, child = make_family(funded=0)
        grant(child, 50, expires_at=later(days=1))

        archival = archive(child, now=later(days=1))

        assert archival.reclaimed_credits == 0
        assert money_of(parent) == amounts(0, 0, 0)

    def test_keeps_debt_visible(self) -> None:
        parent, child = make_family(funded=1_000)
        allocate(child, 10)
        settle(reserve(child, 10), 14)

        archival = archive(child)

        assert archival.reclaimed_credits == 0
        assert wallet_of(child).balance == -4
        assert money_of(parent) == amounts(990, 0, 990)

    def test_pays_the_debt_of_the_parent_first(self) -> None:
        parent, child = make_family(funded=1)
        grant(child, 10)
        settle(reserve(parent, 1), 5)

        archive(child)

        assert money_of(parent) == amounts(6, 0, 6)

    def test_of_a_root_keeps_what_is_prepaid(self) -> None:
        root = make_organization(funded=100, allowance=10)

        archival = archive(root)

        assert archival.reclaimed_credits == 0
        assert money_of(root) == amounts(100, 0, 100)
        assert wallet_of(root).allowance_remaining == 0

    def test_is_refused_to_a_parent_whose_children_live(self) -> None:
        parent, child = make_family()
        suspend(child)

        with pytest.raises(services.HasActiveChildren):
            archive(parent)

        archive(child)
        archive(parent)

    def test_ends_a_suspended_organization(self) -> None:
        parent, child = make_family(funded=100)
        allocate(child, 100)
        suspend(child)
        suspend(parent)

        assert archive(child).reclaimed_credits == 100

    def test_is_for_ever(self) -> None:
        organization = make_organization()
        archive(organization)

        with pytest.raises(OrganizationArchived):
            resume(organization)
        with pytest.raises(OrganizationArchived):
            suspend(organization)

    def test_a_repeat_changes_nothing(self) -> None:
        parent, child = make_family(funded=100)
        make_key(child)
        allocate(child, 100)
        reserve(child, 30)
        archive(child)
        before = [*entries_of(parent), *entries_of(child)]

        repeated = archive(child, now=later(hours=5))

        assert (repeated.reclaimed_credits == 0, repeated.revoked_api_keys) == (True, 0)
        assert repeated.organization.archived_at == NOW
        assert [*entries_of(parent), *entries_of(child)] == before


class TestHolds:
    def test_keep_what_they_need(self) -> None:
        parent, child = make_family(funded=1_000)
        allocate(child, 100)
        reserve(child, 30)

        archival = archive(child)

        assert archival.reclaimed_credits == 70
        assert money_of(child) == amounts(30, 30, 0)
        assert money_of(parent) == amounts(970, 0, 970)

    def test_keep_allowance_before_prepaid_credits(self) -> None:
        parent, child = make_family(funded=1_000, allowance=20)
        allocate(child, 100)
        reserve(child, 30)

        archival = archive(child)

        assert archival.reclaimed_credits == 90
        assert (wallet_of(child).allowance_remaining, wallet_of(child).balance) == amounts(20, 30)
        assert money_of(parent) == amounts(990, 0, 990)

    def test_give_what_release_frees_to_the_parent(self) -> None:
        parent, child = make_family(funded=1_000)
        allocate(child, 100)
        reservation = reserve(child, 30)
        archive(child)

        release(reservation)

        assert money_of(child) == amounts(0, 0, 0)
        assert money_of(parent) == amounts(1_000, 0, 1_000)

    def test_give_what_expiry_frees_to_the_parent(self) -> None:
        parent, child = make_family(funded=1_000)
        allocate(child, 100)
        reserve(child, 30)
        archive(child)

        expire(child, now=later(minutes=15))

        assert money_of(child) == amounts(0, 0, 0)
        assert money_of(parent) == amounts(1_000, 0, 1_000)

    def test_give_what_settle_leaves_to_the_parent(self) -> None:
        parent, child = make_family(funded=1_000)
        allocate(child, 100)
        reservation = reserve(child, 30)
        archive(child)

        settle(reservation, 12)

        assert money_of(child) == amounts(0, 0, 0)
        assert money_of(parent) == amounts(988, 0, 988)

    def test_let_the_allowance_they_kept_lapse(self) -> None:
        parent, child = make_family(funded=0, allowance=50)
        reservation = reserve(child, 30)
        archive(child)
        assert wallet_of(child).allowance_remaining == 30

        settle(reservation, 12)

        assert kinds_of(child) == ["renew", "lapse", "settle", "lapse"]
        assert money_of(child) == amounts(0, 0, 0)
        assert money_of(parent) == amounts(0, 0, 0)

    def test_free_only_what_no_other_hold_needs(self) -> None:
        parent, child = make_family(funded=1_000)
        allocate(child, 100)
        reserve(child, 30)
        reservation = reserve(child, 20)
        archive(child)

        release(reservation)

        assert money_of(child) == amounts(30, 30, 0)
        assert money_of(parent) == amounts(970, 0, 970)

    def test_may_end_in_debt_that_stays(self) -> None:
        parent, child = make_family(funded=1_000)
        allocate(child, 100)
        reservation = reserve(child, 30)
        archive(child)

        settle(reservation, 45)

        assert money_of(child) == amounts(-15, 0, 0)
        assert money_of(parent) == amounts(970, 0, 970)

    def test_settle_late_into_debt_because_their_credits_went_home(self) -> None:
        _, child = make_family(funded=1_000)
        allocate(child, 100)
        reservation = reserve(child, 30)
        archive(child)
        expire(child, now=later(minutes=15))

        settled = settle(reservation, 30, now=later(hours=1))

        assert settled.late
        assert money_of(child) == amounts(-30, 0, 0)

    def test_sweep_keeps_the_expiry(self) -> None:
        parent, child = make_family(funded=0)
        grant(child, 30, expires_at=later(days=2))
        reservation = reserve(child, 30)
        archive(child)

        release(reservation)

        assert [lot.expires_at for lot in grants_of(parent)] == [later(days=2)]

    def test_find_their_parent_archived_too(self) -> None:
        parent, child = make_family(funded=100)
        allocate(child, 100)
        reservation = reserve(child, 30)
        archive(child)
        archive(parent)

        release(reservation)

        assert money_of(child) == amounts(0, 0, 0)
        assert money_of(parent) == amounts(100, 0, 100)


class TestAfterwards:
    def test_no_period_begins_and_no_allowance_comes(self) -> None:
        organization = make_organization(allowance=10)
        archive(organization)

        renew(organization, now=at("2027-01-01"))

        assert len(periods_of(organization)) == 1
        assert Grant.objects.count() == 1
        assert money_of(organization) == amounts(0, 0, 0)

    def test_what_expires_still_lapses(self) -> None:
        root = make_organization()
        grant(root, 10, expires_at=later(days=100))
        archive(root)

        renew(root, now=later(days=100))

        assert money_of(root) == amounts(0, 0, 0)

    def test_what_an_adjustment_brings_beyond_the_debt_goes_to_the_parent(self) -> None:
        parent, child = make_family(funded=100)
        allocate(child, 10)
        settle(reserve(child, 10), 14)
        archive(child)

        adjust(child, 6)

        assert money_of(child) == amounts(0, 0, 0)
        assert money_of(parent) == amounts(92, 0, 92)

    def test_what_an_adjustment_frees_on_its_way_goes_to_the_parent(self) -> None:
        parent, child = make_family(funded=100)
        allocate(child, 10)
        reserve(child, 10, ttl=timedelta(minutes=5))
        archive(child)

        adjust(child, -4, now=later(minutes=5))

        assert money_of(child) == amounts(0, 0, 0)
        assert money_of(parent) == amounts(96, 0, 96)
