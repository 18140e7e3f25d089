"""Taking back what remains of a grant; and the one word for what became of it."""

from datetime import datetime
from decimal import Decimal

import pytest

from credits import services
from credits.models import Grant, LedgerEntry, Wallet
from credits.services.grants import STATES, is_in_state, state_of, with_states
from organizations.models import Organization
from tests import factories as f

pytestmark = pytest.mark.django_db(transaction=True)


def void(grant: Grant, *, now: datetime = f.NOW, reference: str = "") -> LedgerEntry:
    return services.void(
        grant=grant, reason="ended", performed_by=f.STAFF, now=now, reference=reference
    )


def grant_of(entry: LedgerEntry) -> Grant:
    return entry.grants.get()


@pytest.fixture
def organization() -> Organization:
    return f.make_organization()


class TestVoid:
    def test_takes_what_remains_and_no_more(self, organization: Organization) -> None:
        kept = f.grant(organization, 5)
        made = f.grant(organization, 10, priority=1)
        f.spend(organization, 4)

        entry = void(grant_of(made))

        assert (entry.kind, entry.amount, entry.reverses) == ("reversal", Decimal(-6), made)
        assert f.money_of(organization)[0] == 5
        assert (made.left, grant_of(kept).remaining) == (Decimal(4), Decimal(5))

    def test_leaves_less_than_is_held_but_no_debt(self, organization: Organization) -> None:
        made = f.grant(organization, 10)
        f.reserve(organization, 8)

        void(grant_of(made))

        wallet = f.wallet_of(organization)
        assert (wallet.balance, wallet.reserved, wallet.available, wallet.debt) == (
            Decimal(0),
            Decimal(8),
            Decimal(0),
            Decimal(0),
        )

    def test_of_an_allowance_it_is_an_adjustment(self) -> None:
        organization = f.make_organization(allowance=Decimal(10))
        (allowance,) = f.grants_of(organization)

        entry = void(allowance)

        assert (entry.kind, entry.amount, entry.draws.get().grant) == (
            "adjust",
            Decimal(-10),
            allowance,
        )
        assert f.wallet_of(organization).allowance_remaining == 0

    def test_of_what_a_parent_sent_it_returns_there(self) -> None:
        parent, child = f.make_family(funded=50)
        _, received = f.allocate(child, 20)
        f.spend(child, 5)

        entry = void(grant_of(received))

        assert (entry.kind, entry.amount, entry.wallet.organization) == (
            "reversal",
            Decimal(-15),
            child,
        )
        assert (f.money_of(parent)[0], f.money_of(child)[0]) == (Decimal(45), Decimal(0))

    def test_of_a_purchase_gives_room_in_the_recharge_limit(self) -> None:
        organization = f.make_organization(recharge_limit=Decimal(10))
        made = f.recharge(organization, 10)

        void(grant_of(made))

        assert f.recharge(organization, 10).amount == 10

    def test_nothing_is_left_of_an_empty_one(self, organization: Organization) -> None:
        made = f.grant(organization, 10)
        void(grant_of(made))

        with pytest.raises(services.NothingLeft):
            void(grant_of(made))

    def test_a_reference_means_one_void(self, organization: Organization) -> None:
        made, other = f.grant(organization, 10), f.grant(organization, 3)
        first = void(grant_of(made), reference="v")

        again = void(grant_of(made), reference="v")

        assert (again.pk, again.replayed) == (first.pk, True)
        with pytest.raises(services.ReferenceTaken):
            void(grant_of(other), reference="v")


class TestStates:
    def test_each_is_what_emptied_the_grant(self, organization: Organization) -> None:
        """In every state that a grant can be in, Python and the query say the same."""
        made = {
            "spent": grant_of(f.grant(organization, 1, priority=1)),
            "voided": grant_of(f.grant(organization, 2)),
            "lapsed": grant_of(f.grant(organization, 3, expires_at=f.later(days=1))),
            "live": grant_of(f.grant(organization, 4)),
        }
        f.spend(organization, 1)
        void(made["voided"])

        for now in (f.later(days=1), f.later(days=2)):
            rows = with_states(Grant.objects.all())
            for state in STATES:
                found = list(rows.filter(is_in_state(state, now=now)))
                assert found == [made[state]] if state in made else found == []
                assert all(state_of(row, now=now) == state for row in found)
            for state, grant in made.items():
                assert state_of(Grant.objects.get(pk=grant.pk), now=now) == state
            services.renew(organization=organization, now=now)

    def test_what_paid_debt_at_once_is_spent(self, organization: Organization) -> None:
        f.adjust(organization, -5, into_debt=True)

        grant = grant_of(f.grant(organization, 5))

        assert state_of(grant, now=f.NOW) == "spent"
        assert with_states(Grant.objects.all()).filter(is_in_state("spent", now=f.NOW)).exists()


class TestCategory:
    def test_is_what_its_source_usually_is(self) -> None:
        organization = f.make_organization(allowance=Decimal(10), recharge_limit=Decimal(10))
        f.recharge(organization, 1)
        f.grant(organization, 2)
        f.adjust(organization, 3)

        found = {grant.source: grant.category for grant in f.grants_of(organization)}

        assert found == {
            "allowance": "paid",
            "purchase": "paid",
            "grant": "promotional",
            "adjustment": "correction",
        }

    def test_goes_along_to_a_child(self) -> None:
        _, child = f.make_family(funded=0)
        assert child.parent
        f.grant(child.parent, 2, category="goodwill")
        f.grant(child.parent, 3, category="paid")

        f.allocate(child, 5)

        assert sorted((g.amount, g.category) for g in f.grants_of(child)) == [
            (Decimal(2), "goodwill"),
            (Decimal(3), "paid"),
        ]

    def test_does_not_decide_what_is_drawn_first(self, organization: Organization) -> None:
        first = grant_of(f.grant(organization, 1, category="paid"))
        f.grant(organization, 1, category="promotional")

        f.spend(organization, 1)

        first.refresh_from_db()
        assert first.remaining == 0

    def test_another_category_is_another_grant(self, organization: Organization) -> None:
        f.grant(organization, 1, reference="r", category="goodwill")

        with pytest.raises(services.ReferenceTaken):
            f.grant(organization, 1, reference="r", category="paid")
        assert Wallet.objects.get(organization=organization).balance == 1
