"""Suspending and resuming: a switch that stops spending and touches no credits."""

import pytest

from organizations.models import Organization
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests.factories import (
    NOW,
    allocate,
    amounts,
    archive,
    at,
    extend,
    grow,
    later,
    make_family,
    make_organization,
    money_of,
    periods_of,
    release,
    renew,
    reserve,
    resume,
    settle,
    suspend,
)

pytestmark = pytest.mark.django_db(transaction=True)


class TestSuspend:
    def test_is_a_state_with_its_moment(self) -> None:
        organization = make_organization()

        suspended = suspend(organization, now=later(hours=1))

        organization.refresh_from_db()
        assert organization.status == suspended.status == Organization.Status.SUSPENDED
        assert organization.updated_at == later(hours=1)

    def test_twice_is_once(self) -> None:
        organization = make_organization()
        suspend(organization, now=NOW)

        again = suspend(organization, now=later(hours=1))

        assert again.status == Organization.Status.SUSPENDED
        assert again.updated_at == NOW

    def test_moves_no_credits_and_ends_no_hold(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 4)

        suspend(organization)

        assert money_of(organization) == amounts(10, 4, 6)

    def test_of_a_parent_leaves_its_children_active(self) -> None:
        parent, child = make_family()

        suspend(parent)

        child.refresh_from_db()
        assert child.status == Organization.Status.ACTIVE

    def test_of_a_parent_stops_its_children_but_not_the_end_of_their_work(self) -> None:
        parent, child = make_family()
        allocate(child, 20)
        first, second = reserve(child, 4), reserve(child, 5)

        suspend(parent)

        with pytest.raises(OrganizationSuspended):
            reserve(child, 1)
        with pytest.raises(OrganizationSuspended):
            grow(first, 6)
        with pytest.raises(OrganizationSuspended):
            extend(first, hours=1)
        assert settle(first, 3).settled_credits == 3
        assert release(second).status == "released"
        assert money_of(child) == amounts(17, 0, 17)

    def test_of_a_parent_ends_with_its_resumption_and_leaves_a_childs_own(self) -> None:
        parent, child = make_family()
        allocate(child, 20)
        suspend(parent)
        resume(parent)
        assert reserve(child, 1).credits == 1

        suspend(child)
        suspend(parent)
        resume(parent)

        with pytest.raises(OrganizationSuspended):
            reserve(child, 1)

    def test_does_not_stop_the_calendar(self) -> None:
        organization = make_organization(allowance=10)
        suspend(organization)

        renew(organization, now=at("2026-06-01"))

        assert len(periods_of(organization)) == 2
        assert money_of(organization) == amounts(10, 0, 10)

    def test_is_refused_once_archived(self) -> None:
        organization = make_organization()
        archive(organization)

        with pytest.raises(OrganizationArchived):
            suspend(organization)


class TestResume:
    def test_lets_it_spend_again(self) -> None:
        organization = make_organization(funded=10)
        suspend(organization)
        with pytest.raises(OrganizationSuspended):
            reserve(organization, 1)

        resumed = resume(organization, now=later(hours=1))

        assert (resumed.status, resumed.updated_at) == ("active", later(hours=1))
        assert reserve(organization, 1).credits == 1

    def test_twice_is_once(self) -> None:
        organization = make_organization()
        suspend(organization, now=later(hours=1))
        resume(organization, now=later(hours=2))

        again = resume(organization, now=later(hours=3))

        assert again.updated_at == later(hours=2)

    def test_of_an_active_one_changes_nothing(self) -> None:
        organization = make_organization(now=NOW)

        assert resume(organization, now=later(hours=1)).updated_at == NOW

    def test_is_refused_once_archived(self) -> None:
        organization = make_organization()
        archive(organization)

        with pytest.raises(OrganizationArchived):
            resume(organization)
