"""Grants that begin later: no part of a balance until then, live by the calendar, cancelled while they are pending."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from credits import services
from credits.models import LedgerEntry, PendingGrant
from credits.services import relief
from credits.services.calendar import CALENDAR
from credits.services.grants import state_of
from organizations.models import Organization
from organizations.services import OrganizationArchived
from tests import factories as f

pytestmark = pytest.mark.django_db(transaction=True)
INSTANT = timedelta(microseconds=1)
TOMORROW = f.later(days=1)


def renew(organization: Organization, now: datetime) -> None:
    services.renew(organization=organization, now=now)


def balance(organization: Organization, now: datetime) -> Decimal:
    return services.wallet_as_of(organization, now=now).wallet.balance


@pytest.fixture
def organization() -> Organization:
    return f.make_organization()


class TestSchedule:
    def test_is_no_part_of_the_balance_until_its_moment(self, organization: Organization) -> None:
        f.schedule(organization, 10, effective_at=TOMORROW)

        assert balance(organization, TOMORROW - INSTANT) == 0
        assert balance(organization, TOMORROW) == 10
        assert f.entries_of(organization) == []

    def test_the_first_command_after_it_finds_the_credits(self, organization: Organization) -> None:
        pending = f.schedule(organization, 10, effective_at=TOMORROW)

        hold = f.reserve(organization, 10, now=TOMORROW)

        (entry,) = f.entries_of(organization)
        (grant,) = f.grants_of(organization)
        assert (entry.kind, entry.amount, entry.performed_by) == ("grant", Decimal(10), CALENDAR)
        assert (entry.posted_at, entry.reason) == (TOMORROW, "a start later")
        assert (grant.id, hold.credits) == (pending.id, Decimal(10))

    def test_keeps_what_was_said_of_it(self, organization: Organization) -> None:
        ends_at = f.later(days=9)
        f.schedule(
            organization,
            10,
            effective_at=TOMORROW,
            expires_at=ends_at,
            priority=7,
            name="Spring",
            category="goodwill",
            reference="order-1",
        )

        renew(organization, TOMORROW)

        (grant,) = f.grants_of(organization)
        assert (grant.name, grant.category, grant.priority) == ("Spring", "goodwill", 7)
        assert (grant.expires_at, grant.entry.reference) == (ends_at, "order-1")

    def test_begins_once(self, organization: Organization) -> None:
        f.schedule(organization, 10, effective_at=TOMORROW)

        renew(organization, TOMORROW)
        renew(organization, f.later(days=2))

        assert balance(organization, f.later(days=2)) == 10

    def test_that_ended_meanwhile_comes_and_lapses(self, organization: Organization) -> None:
        f.schedule(organization, 10, effective_at=TOMORROW, expires_at=f.later(days=2))

        renew(organization, f.later(days=3))

        kinds = [(entry.kind, entry.amount) for entry in f.entries_of(organization)]
        assert kinds == [("grant", Decimal(10)), ("lapse", Decimal(-10))]

    def test_pays_debt_first(self, organization: Organization) -> None:
        f.adjust(organization, -4, into_debt=True)
        f.schedule(organization, 10, effective_at=TOMORROW)

        renew(organization, TOMORROW)

        (grant,) = f.grants_of(organization)
        assert (balance(organization, TOMORROW), grant.remaining) == (Decimal(6), Decimal(6))

    @pytest.mark.parametrize(
        ("effective_at", "in_may"),
        [
            (datetime(2026, 6, 1, tzinfo=UTC) - INSTANT, True),
            (datetime(2026, 6, 1, tzinfo=UTC), False),
        ],
    )
    def test_at_a_boundary_it_belongs_to_the_period_that_begins(
        self, organization: Organization, effective_at: datetime, in_may: bool
    ) -> None:
        f.schedule(organization, 10, effective_at=effective_at)

        renew(organization, datetime(2026, 6, 2, tzinfo=UTC))

        (entry,) = f.entries_of(organization)
        assert (entry.period.index == 0) == in_may

    def test_several_begin_in_their_order_and_the_next_is_remembered(
        self, organization: Organization
    ) -> None:
        for days in (3, 1, 2):
            f.schedule(organization, days, effective_at=f.later(days=days))

        renew(organization, f.later(days=2))

        assert [entry.amount for entry in f.entries_of(organization)] == [1, 2]
        assert f.wallet_of(organization).lapse_at == f.later(days=3)

    def test_many_wallets_at_once(self) -> None:
        both = [f.make_organization(), f.make_organization()]
        for organization in both:
            f.schedule(organization, 5, effective_at=TOMORROW)

        services.renew_together(organizations=both, now=TOMORROW)

        assert [f.money_of(each)[0] for each in both] == [5, 5]

    def test_what_it_was_at_a_moment_between_is_told_later(
        self, organization: Organization
    ) -> None:
        f.schedule(organization, 10, effective_at=TOMORROW)
        renew(organization, f.later(days=3))

        def then(moment: datetime) -> Decimal:
            reading = services.wallet_then(organization, then=moment, now=f.later(days=4))
            return reading.wallet.balance

        assert (then(TOMORROW - INSTANT), then(TOMORROW), then(f.later(days=2))) == (
            Decimal(0),
            Decimal(10),
            Decimal(10),
        )


class TestRefusals:
    @pytest.mark.parametrize(
        ("error", "options"),
        [
            (services.InvalidStart, {"effective_at": f.NOW}),
            (services.InvalidExpiry, {"expires_at": TOMORROW}),
            (services.InvalidAmount, {"amount": 0}),
            (services.InvalidAmount, {"amount": -1}),
        ],
    )
    def test_names_what_cannot_be(
        self, organization: Organization, error: type[Exception], options: dict[str, Any]
    ) -> None:
        with pytest.raises(error):
            f.schedule(organization, **{"amount": 1, "effective_at": TOMORROW, **options})

    def test_nothing_is_to_come_to_an_archived_organization(
        self, organization: Organization
    ) -> None:
        pending = f.schedule(organization, 10, effective_at=TOMORROW)
        f.archive(organization)

        with pytest.raises(OrganizationArchived):
            f.schedule(organization, 10, effective_at=TOMORROW)
        renew(organization, TOMORROW)

        pending.refresh_from_db()
        assert (pending.cancelled_because, f.entries_of(organization)) == ("archived", [])


class TestReferences:
    """A payment's id means one grant, pending or not."""

    def test_used_again_for_the_same_it_is_the_first(self, organization: Organization) -> None:
        first = f.schedule(organization, 10, effective_at=TOMORROW, reference="a")
        renew(organization, TOMORROW)

        again = f.schedule(
            organization, 10, effective_at=TOMORROW, reference="a", now=f.later(days=2)
        )

        assert again.pk == first.pk

    @pytest.mark.parametrize(
        "other",
        [
            lambda o: f.grant(o, 10, reference="a"),
            lambda o: f.adjust(o, 10, reference="a"),
            lambda o: f.schedule(o, 11, effective_at=TOMORROW, reference="a"),
            lambda o: services.move_reference(
                entry=f.grant(o, 1), text="a", reason="r", performed_by=f.STAFF, now=f.NOW
            ),
        ],
    )
    def test_for_anything_else_it_is_taken_also_when_cancelled(
        self, organization: Organization, other: Callable[[Organization], object]
    ) -> None:
        pending = f.schedule(organization, 10, effective_at=TOMORROW, reference="a")
        services.cancel_grant(pending=pending, reason="r", performed_by=f.STAFF, now=f.NOW)

        with pytest.raises(services.ReferenceTaken):
            other(organization)

    def test_one_of_an_entry_is_taken_for_what_is_to_come(self, organization: Organization) -> None:
        f.grant(organization, 10, reference="a")

        with pytest.raises(services.ReferenceTaken):
            f.schedule(organization, 10, effective_at=TOMORROW, reference="a")


class TestCancel:
    def test_brings_nothing(self, organization: Organization) -> None:
        pending = f.schedule(organization, 10, effective_at=TOMORROW)

        done = services.cancel_grant(
            pending=pending, reason="a mistake", performed_by=f.STAFF, now=f.NOW
        )
        renew(organization, TOMORROW)

        assert (done.cancelled_by, done.cancelled_because) == (f.STAFF, "a mistake")
        assert state_of(done, now=TOMORROW) == "voided"
        assert (balance(organization, TOMORROW), f.wallet_of(organization).lapse_at) == (
            Decimal(0),
            None,
        )

    def test_once_and_not_what_has_begun(self, organization: Organization) -> None:
        pending = f.schedule(organization, 10, effective_at=TOMORROW)
        late = {"pending": pending, "reason": "r", "performed_by": f.STAFF}

        with pytest.raises(services.NotPending, match="it began"):
            services.cancel_grant(**late, now=TOMORROW)  # type: ignore[arg-type]
        services.cancel_grant(**late, now=f.NOW)  # type: ignore[arg-type]
        with pytest.raises(services.NotPending, match="was cancelled"):
            services.cancel_grant(**late, now=f.NOW)  # type: ignore[arg-type]


def test_a_refusal_says_that_pending_credits_end_it(organization: Organization) -> None:
    f.schedule(organization, 10, effective_at=TOMORROW, expires_at=f.later(days=2))

    events = relief._beginnings(f.wallet_of(organization))

    assert [event.at for event in events] == [TOMORROW, f.later(days=2)]
    assert PendingGrant.objects.count() == 1
    assert LedgerEntry.objects.count() == 0
