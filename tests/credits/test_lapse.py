"""Lapsing: what remains of a grant at its expiry is gone, holds or no holds."""

from datetime import datetime, timedelta

import pytest

from credits.models import LedgerEntry
from credits.tasks import LAPSE
from tests.factories import (
    Amount,
    amounts,
    at,
    entries_of,
    grant,
    grants_of,
    later,
    lines_of,
    make_organization,
    money_of,
    renew,
    reserve,
    set_terms,
    settle,
    spend,
    wallet_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
MICROSECOND = timedelta(microseconds=1)


class TestLapse:
    ENDS = later(days=3)

    @pytest.mark.parametrize(
        ("moment", "balance"),
        [(ENDS - MICROSECOND, 30), (ENDS, 20), (ENDS + MICROSECOND, 20)],
    )
    def test_happens_at_the_expiry(self, moment: datetime, balance: int) -> None:
        organization = make_organization(funded=20)
        grant(organization, 10, expires_at=self.ENDS)

        renew(organization, now=moment)

        assert wallet_of(organization).balance == balance

    def test_takes_what_remains(self) -> None:
        organization = make_organization(funded=20)
        grant(organization, 10, expires_at=self.ENDS)
        spend(organization, 4)

        renew(organization, now=self.ENDS)

        assert lines_of(organization)[-1] == ("lapse", -6, 0)
        assert [lot.remaining for lot in grants_of(organization)] == [20, 0]

    def test_writes_nothing_for_a_grant_that_was_used_up(self) -> None:
        organization = make_organization()
        grant(organization, 10, expires_at=self.ENDS)
        spend(organization, 10)

        renew(organization, now=self.ENDS)

        assert [kind for kind, *_ in lines_of(organization)] == ["grant", "settle"]

    def test_of_several_grants_is_one_entry(self) -> None:
        organization = make_organization()
        grant(organization, 10, expires_at=self.ENDS)
        grant(organization, 5, expires_at=self.ENDS - timedelta(hours=1))

        renew(organization, now=self.ENDS)

        lapse = entries_of(organization)[-1]
        assert (lapse.kind, lapse.amount) == (LedgerEntry.Kind.LAPSE, lapse.balance_after - 15)
        assert lapse.draws.count() == 2
        assert lapse.performed_by == "calendar"

    def test_ignores_holds(self) -> None:
        organization = make_organization()
        grant(organization, 10, expires_at=self.ENDS)
        reserve(organization, 10, now=self.ENDS - MICROSECOND)

        renew(organization, now=self.ENDS)

        wallet = wallet_of(organization)
        assert (wallet.balance, wallet.reserved, wallet.available) == amounts(0, 10, 0)

    def test_remembers_the_next_one(self) -> None:
        organization = make_organization()
        grant(organization, 10, expires_at=self.ENDS)
        grant(organization, 10, expires_at=later(days=9))

        renew(organization, now=self.ENDS)
        assert wallet_of(organization).lapse_at == later(days=9)

        renew(organization, now=later(days=9))
        assert wallet_of(organization).lapse_at is None

    def test_forgets_a_grant_that_was_used_up_before_its_end(self) -> None:
        organization = make_organization()
        grant(organization, 10, expires_at=self.ENDS)
        spend(organization, 10)

        renew(organization, now=self.ENDS)

        assert wallet_of(organization).lapse_at is None
        assert LAPSE.due is not None
        assert not LAPSE.due(later(days=4)).exists()

    def test_forgets_an_allowance_that_was_used_up_and_has_no_successor(self) -> None:
        organization = make_organization(allowance=10)
        spend(organization, 10)
        set_terms(organization, allowance=0)

        renew(organization, now=at("2026-06-01"))

        assert wallet_of(organization).lapse_at is None

    def test_does_not_wait_for_a_grant_that_only_paid_debt(self) -> None:
        organization = make_organization(allowance=10)
        settle(reserve(organization, 10), 40)

        renew(organization, now=at("2026-06-01"))

        wallet = wallet_of(organization)
        assert wallet.balance == -20
        assert wallet.lapse_at is None

    def test_happens_once(self) -> None:
        organization = make_organization(funded=1)
        grant(organization, 10, expires_at=self.ENDS)

        renew(organization, now=self.ENDS)
        renew(organization, now=later(days=4))

        assert [kind for kind, *_ in lines_of(organization)] == ["grant", "grant", "lapse"]

    @pytest.mark.parametrize("amount", ["0.000001", 10**13])
    def test_takes_the_smallest_and_the_largest_amount(self, amount: Amount) -> None:
        organization = make_organization()
        grant(organization, amount, expires_at=self.ENDS)

        renew(organization, now=self.ENDS)

        assert money_of(organization) == amounts(0, 0, 0)
