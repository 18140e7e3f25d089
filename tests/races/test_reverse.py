"""One entry and everybody who wants it taken back: one of them does, the others are told."""

from decimal import Decimal
from typing import Any

import pytest

from credits.ledger import InsufficientCredits
from credits.models import LedgerEntry, Reservation
from credits.services import AlreadyReversed
from tests.credits.tampering import charge_of
from tests.factories import (
    NOW,
    STAFF,
    allocate,
    grant,
    make_family,
    make_organization,
    money_of,
    reverse,
    spend,
)
from tests.races.threads import of, together
from usage import services as usage
from usage.models import UsageEvent
from usage.services.events import Told, record

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


class TestReverse:
    def test_gives_back_once_however_many_ask(self) -> None:
        organization = make_organization(funded=100)
        charge = charge_of(spend(organization, 30))

        outcomes = together(*[lambda: reverse(charge)] * 16)

        assert len(of(LedgerEntry, outcomes)) == 1
        assert len(of(AlreadyReversed, outcomes)) == 15
        assert money_of(organization)[0] == 100

    def test_of_both_sides_of_a_transfer_at_once_is_one(self) -> None:
        parent, child = make_family(funded=100)
        sides = allocate(child, 30)

        outcomes = together(*[lambda side=side: reverse(side) for side in sides * 6])

        assert len(of(LedgerEntry, outcomes)) == 1
        assert len(of(AlreadyReversed, outcomes)) == 11
        assert [int(money_of(one)[0]) for one in (parent, child)] == [100, 0]

    def test_in_parts_never_takes_more_than_there_was(self) -> None:
        organization = make_organization(allowance=50)
        gift = grant(organization, 100)

        outcomes = together(*[lambda: reverse(gift, amount=Decimal(30))] * 8)

        assert len(of(LedgerEntry, outcomes)) == 3
        assert len(of(AlreadyReversed, outcomes)) == 5
        assert gift.left == 10
        assert money_of(organization)[0] == 60

    def test_in_parts_of_both_sides_of_a_transfer_never_takes_more_than_there_was(self) -> None:
        parent, child = make_family(funded=100)
        sides = allocate(child, 30)

        outcomes = together(
            *[lambda side=side: reverse(side, amount=Decimal(20)) for side in sides * 4]
        )

        assert len(of(LedgerEntry, outcomes)) == 1
        assert [int(money_of(one)[0]) for one in (parent, child)] == [90, 10]

    def test_of_events_beside_their_whole_charge_returns_each_once(self) -> None:
        organization = make_organization(funded=100)
        told = [Told("job", str(n), NOW, credits=Decimal(10)) for n in range(4)]
        record(organization=organization, told=told, performed_by=STAFF, now=NOW)
        charge = organization.wallet.entries.get(kind="settle")
        who: dict[str, Any] = {"reason": "failed", "performed_by": STAFF, "now": NOW}

        together(
            lambda: usage.reverse(entry=charge, **who),
            *[
                lambda event=event: usage.reverse_event(event=event, **who)
                for event in list(UsageEvent.objects.all()) * 3
            ],
        )

        assert money_of(organization)[0] == 100
        assert UsageEvent.objects.filter(source="correction").count() == 4

    def test_takes_back_a_gift_whole_or_not_at_all_while_it_is_spent(self) -> None:
        organization = make_organization()
        gift = grant(organization, 30)

        outcomes = together(
            lambda: reverse(gift), *[lambda: spend(organization, 5) for _ in range(6)]
        )

        taken, spent = len(of(LedgerEntry, outcomes)), len(of(Reservation, outcomes))
        assert taken + len(of(InsufficientCredits, outcomes)) == 1
        assert (taken, spent) == (1, 0) or taken == 0
        assert money_of(organization)[0] == 30 - 30 * taken - 5 * spent
