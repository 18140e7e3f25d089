"""One entry and everybody who wants it taken back: one of them does, the others are told."""

import pytest

from credits.ledger import InsufficientCredits
from credits.models import LedgerEntry, Reservation
from credits.services import AlreadyReversed
from tests.credits.tampering import charge_of
from tests.factories import (
    allocate,
    grant,
    make_family,
    make_organization,
    money_of,
    reverse,
    spend,
)
from tests.races.threads import of, together

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
