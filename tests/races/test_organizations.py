"""Organizations that change while others spend, change their terms, mint keys or make children."""

from decimal import Decimal
from threading import Event

import pytest
from django.db import transaction

from credits import services
from credits.models import CreditConfig, Reservation
from credits.services import Archival, HasActiveChildren, RefillRequiresThresholdAndAmount
from organizations.models import ApiKey, Organization
from organizations.services import OrganizationArchived, OrganizationSuspended
from tests.factories import (
    NOW,
    allocate,
    archive,
    make_family,
    make_key,
    make_organization,
    set_terms,
    suspend,
    try_to_reserve,
    wallet_of,
)
from tests.races.threads import in_rounds, of, together
from tests.races.wsgi import Answer, Client

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

Status = Organization.Status
ROUNDS = 25
CALLERS = 4


def holds_of(organization: Organization) -> int:
    return Reservation.objects.filter(wallet__organization=organization).count()


class TestSuspend:
    def test_admits_nothing_once_it_has_committed(self) -> None:
        organizations = [make_organization(funded=100) for _ in range(ROUNDS)]

        def suspend_and_count(n: int) -> int:
            suspend(organizations[n])
            return holds_of(organizations[n])

        rounds = in_rounds(
            ROUNDS,
            *[lambda n: try_to_reserve(organizations[n], 1)] * CALLERS,
            suspend_and_count,
        )

        for outcomes in rounds:
            held = len(of(Reservation, outcomes))
            assert of(int, outcomes) == [held]
            assert len(of(OrganizationSuspended, outcomes)) == CALLERS - held
        assert 0 < Reservation.objects.count() < ROUNDS * CALLERS, "no race took place"


class TestSuspendOfAParent:
    def test_admits_nothing_for_a_child_once_it_has_committed(self) -> None:
        families = [make_family() for _ in range(ROUNDS)]
        for _, child in families:
            allocate(child, 100)

        def suspend_and_count(n: int) -> int:
            parent, child = families[n]
            suspend(parent)
            return holds_of(child)

        rounds = in_rounds(
            ROUNDS,
            *[lambda n: try_to_reserve(families[n][1], 1)] * CALLERS,
            suspend_and_count,
        )

        for outcomes in rounds:
            held = len(of(Reservation, outcomes))
            assert of(int, outcomes) == [held]
            assert len(of(OrganizationSuspended, outcomes)) == CALLERS - held
        assert 0 < Reservation.objects.count() < ROUNDS * CALLERS, "no race took place"

    def test_waits_for_what_a_child_has_begun(self) -> None:
        parent, child = make_family()
        allocate(child, 100)
        begun, ended = Event(), Event()

        def reserve_slowly() -> int:
            with transaction.atomic():
                try_to_reserve(child, 1)
                begun.set()
                ended.wait(0.5)
            return holds_of(child)

        def suspend_meanwhile() -> int:
            begun.wait(60)
            suspend(parent)
            ended.set()
            return holds_of(child)

        assert together(reserve_slowly, suspend_meanwhile) == [1, 1]


class TestArchive:
    def test_admits_nothing_once_it_has_committed_and_leaves_only_what_holds_need(self) -> None:
        parent = make_organization(funded=100 * ROUNDS)
        children = [make_organization(parent=parent) for _ in range(ROUNDS)]
        for child in children:
            allocate(child, 100)

        def archive_and_count(n: int) -> int:
            archive(children[n])
            return holds_of(children[n])

        rounds = in_rounds(
            ROUNDS,
            *[lambda n: try_to_reserve(children[n], 1)] * CALLERS,
            archive_and_count,
        )

        for child, outcomes in zip(children, rounds, strict=True):
            held = len(of(Reservation, outcomes))
            assert of(int, outcomes) == [held]
            assert len(of(OrganizationArchived, outcomes)) == CALLERS - held
            assert wallet_of(child).balance == wallet_of(child).reserved == held
        assert wallet_of(parent).balance == 100 * ROUNDS - Reservation.objects.count()
        assert 0 < Reservation.objects.count() < ROUNDS * CALLERS, "no race took place"

    def test_sweeps_once_however_many_archive(self) -> None:
        parent, child = make_family(funded=1_000)
        allocate(child, 300)

        (outcomes,) = in_rounds(1, *[lambda _: archive(child)] * 16)

        reclaimed = sorted(one.reclaimed_credits for one in of(Archival, outcomes))
        assert reclaimed == [0] * 15 + [300]
        assert wallet_of(parent).balance == 1_000

    def test_takes_what_is_being_allocated_back_or_refuses_it(self) -> None:
        parent = make_organization(funded=10 * ROUNDS)
        children = [make_organization(parent=parent) for _ in range(ROUNDS)]

        rounds = in_rounds(
            ROUNDS, lambda n: allocate(children[n], 10), lambda n: archive(children[n])
        )

        for outcomes in rounds:
            (archival,) = of(Archival, outcomes)
            refused = len(of(OrganizationArchived, outcomes))
            assert archival.reclaimed_credits == (0 if refused else 10)
        assert wallet_of(parent).balance == 10 * ROUNDS

    def test_leaves_no_key_that_opens_anything(self) -> None:
        organizations = [make_organization() for _ in range(ROUNDS)]

        in_rounds(
            ROUNDS,
            lambda n: make_key(organizations[n]),
            lambda n: archive(organizations[n]),
            lambda n: make_key(organizations[n]),
        )

        assert not ApiKey.objects.filter(revoked_at__isnull=True).exists()

    def test_never_leaves_a_child_without_its_parent(self) -> None:
        parents = [make_organization() for _ in range(ROUNDS)]

        rounds = in_rounds(
            ROUNDS,
            lambda n: make_organization("Customer", parent=parents[n]),
            lambda n: archive(parents[n]),
        )

        orphans = Organization.objects.filter(parent__status=Status.ARCHIVED)
        assert not orphans.exclude(status=Status.ARCHIVED).exists()
        for outcomes in rounds:
            assert len(of(HasActiveChildren, outcomes)) == len(of(Organization, outcomes))
            assert len(of(OrganizationArchived, outcomes)) == len(of(Archival, outcomes))


class TestUpdateTerms:
    def test_never_leaves_half_a_refill_rule(self) -> None:
        children = [make_organization(refill_threshold=10, refill_amount=20) for _ in range(ROUNDS)]

        rounds = in_rounds(
            ROUNDS,
            lambda n: set_terms(children[n], refill_threshold=None, refill_amount=None),
            lambda n: set_terms(children[n], refill_threshold=30),
            lambda n: set_terms(children[n], refill_amount=40),
        )

        half = CreditConfig.objects.filter(refill_threshold__isnull=True)
        assert not half.filter(refill_amount__isnull=False).exists()
        refused = [one for row in rounds for one in of(Exception, row)]
        assert {type(error) for error in refused} <= {RefillRequiresThresholdAndAmount}

    def test_refuses_both_halves_set_by_two_at_once(self) -> None:
        children = [make_organization() for _ in range(ROUNDS)]

        rounds = in_rounds(
            ROUNDS,
            lambda n: set_terms(children[n], refill_threshold=30),
            lambda n: set_terms(children[n], refill_amount=40),
        )

        refused = [len(of(RefillRequiresThresholdAndAmount, outcomes)) for outcomes in rounds]
        assert refused == [2] * ROUNDS

    def test_tells_a_caller_of_the_api_that_the_other_half_has_gone(self) -> None:
        parent = make_organization()
        client = Client.of(parent)
        children = [
            make_organization(parent=parent, refill_threshold=10, refill_amount=20)
            for _ in range(ROUNDS)
        ]

        def patch(n: int, body: dict[str, int | None]) -> Answer:
            return client.patch(f"/organizations/{children[n].public_id}/credit-config", body)

        rounds = in_rounds(
            ROUNDS,
            lambda n: patch(n, {"refillThreshold": None, "refillAmount": None}),
            lambda n: patch(n, {"refillThreshold": 30}),
        )

        for cleared, raised in (of(Answer, outcomes) for outcomes in rounds):
            assert cleared.status == 200
            assert raised.status in (200, 422)
            if raised.status == 422:
                code = raised.json["error"]["details"]["code"]
                assert code == "REFILL_REQUIRES_THRESHOLD_AND_AMOUNT"
        assert not CreditConfig.objects.filter(refill_threshold__isnull=False).exists()

    def test_loses_no_field_that_another_changes(self) -> None:
        child = make_organization(refill_threshold=0, refill_amount=1)

        def change(field: str) -> object:
            return services.update_terms(
                organization=child, changes={field: Decimal(7)}, performed_by="staff:ana", now=NOW
            )

        fields = ["monthly_cap", "refill_threshold", "refill_amount", "allowance"] * 4
        in_rounds(1, *[lambda _, field=field: change(field) for field in fields])

        config = wallet_of(child).config
        assert {getattr(config, field) for field in fields} == {7}
