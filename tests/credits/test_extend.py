"""Extending a hold: the heartbeat of long work."""

from datetime import timedelta

import pytest

from credits import services
from credits.models import Reservation
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests.factories import (
    NOW,
    amounts,
    archive,
    expire,
    extend,
    later,
    make_organization,
    money_of,
    release,
    reserve,
    settle,
    suspend,
)

pytestmark = pytest.mark.django_db(transaction=True)


class TestExtend:
    def test_counts_from_now(self) -> None:
        reservation = reserve(make_organization(funded=10), 3)

        extended = extend(reservation, minutes=15, now=later(minutes=10))

        assert extended.expires_at == later(minutes=25)

    def test_never_shortens(self) -> None:
        reservation = reserve(make_organization(funded=10), 3)

        extended = extend(reservation, seconds=1, now=later(minutes=1))

        assert extended.expires_at == later(minutes=15)

    def test_keeps_the_hold_from_expiring(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)
        extend(reservation, minutes=15, now=later(minutes=10))

        assert expire(organization, now=later(minutes=25, microseconds=-1)) == 0
        assert money_of(organization) == amounts(10, 3, 7)
        assert expire(organization, now=later(minutes=25)) == 1

    def test_leaves_the_amount_alone(self) -> None:
        organization = make_organization(funded=10)

        extend(reserve(organization, 3), hours=1)

        assert money_of(organization) == amounts(10, 3, 7)

    def test_is_possible_until_the_last_microsecond(self) -> None:
        reservation = reserve(make_organization(funded=10), 3)

        extended = extend(reservation, minutes=1, now=later(minutes=15, microseconds=-1))

        assert extended.expires_at == later(minutes=16, microseconds=-1)

    def test_is_refused_from_the_moment_of_expiry(self) -> None:
        reservation = reserve(make_organization(funded=10), 3)

        with pytest.raises(services.ReservationClosed, match="expired"):
            extend(reservation, minutes=1, now=later(minutes=15))

    def test_is_refused_after_the_sweep(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)
        expire(organization, now=later(minutes=15))

        with pytest.raises(services.ReservationClosed, match="expired"):
            extend(reservation, minutes=1, now=later(minutes=15))

    def test_is_refused_after_settle(self) -> None:
        reservation = reserve(make_organization(funded=10), 3)
        settle(reservation, 3)

        with pytest.raises(services.ReservationClosed, match="settled"):
            extend(reservation, minutes=1)

    def test_is_refused_after_release(self) -> None:
        reservation = reserve(make_organization(funded=10), 3)
        release(reservation)

        with pytest.raises(services.ReservationClosed, match="released"):
            extend(reservation, minutes=1)

    def test_is_refused_while_suspended(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)
        suspend(organization)

        with pytest.raises(OrganizationSuspended):
            extend(reservation, minutes=30)

    def test_is_refused_once_archived(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 3)
        archive(organization)

        with pytest.raises(OrganizationArchived):
            extend(reservation, minutes=30)

    def test_does_not_find_the_hold_of_another_organization(self) -> None:
        stranger = make_organization(funded=10)
        reservation = reserve(make_organization(funded=10), 3)

        with pytest.raises(Reservation.DoesNotExist):
            services.extend(
                organization=stranger,
                reservation_id=reservation.id,
                time_to_live=timedelta(hours=1),
                now=NOW,
            )
