"""One hold and everybody who wants to end it: one of them does, the others are told."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest

from credits.models import LedgerEntry, Reservation
from credits.services import AlreadySettled, Archival, ReservationClosed
from tests.factories import (
    allocate,
    archive,
    entries_of,
    expire,
    make_organization,
    release,
    reserve,
    settle,
    wallet_of,
)
from tests.races.threads import in_rounds, of, together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

Status = Reservation.Status
ROUNDS = 100
CHILDREN = 50
FUNDED, HELD, COST = 20, 8, 5

Ending = tuple[str, bool]
"""The status in which a hold ended, and whether its work came late."""


class TestSettle:
    def test_charges_once_however_many_settle(self) -> None:
        organization = make_organization(funded=100)
        hold = reserve(organization, 8)

        outcomes = together(*[lambda: settle(hold, 5)] * 32)

        assert [one.settled_credits for one in of(Reservation, outcomes)] == [5] * 32
        assert [entry.amount for entry in entries_of(organization)] == [100, -5]
        assert wallet_of(organization).reserved == 0

    def test_charges_one_amount_when_each_names_another(self) -> None:
        organization = make_organization(funded=100)
        hold = reserve(organization, 8)

        outcomes = together(*[lambda n=n: settle(hold, n) for n in range(1, 17)])

        (winner,) = of(Reservation, outcomes)
        assert len(of(AlreadySettled, outcomes)) == 15
        assert entries_of(organization)[-1].amount == -(winner.settled_credits or 0)
        assert len(entries_of(organization)) == 2

    def test_charges_all_of_many_holds_settled_at_once_into_debt(self) -> None:
        organization = make_organization(funded=32)
        holds = [reserve(organization, 1) for _ in range(32)]

        outcomes = together(*[lambda hold=hold: settle(hold, 2) for hold in holds])

        assert len(of(Reservation, outcomes)) == 32
        wallet = wallet_of(organization)
        assert wallet.debt == 32
        assert wallet.reserved == 0


class TestEndings:
    """settle ∥ release ∥ expire ∥ archive: the hold leaves `open` once, and nothing stays behind."""

    def test_leave_one_outcome(self) -> None:
        organization = make_organization(funded=FUNDED * ROUNDS)
        holds = [reserve(organization, HELD, ttl=timedelta(minutes=n + 1)) for n in range(ROUNDS)]

        rounds = in_rounds(
            ROUNDS,
            lambda n: settle(holds[n], COST),
            lambda n: release(holds[n]),
            lambda n: expire(organization, now=holds[n].expires_at),
            lambda n: settle(holds[n], COST),
            lambda n: release(holds[n]),
        )

        endings = Counter(map(ending, holds, rounds))
        assert len(endings) > 1, f"no race took place: {endings}"
        wallet = wallet_of(organization)
        assert wallet.balance == FUNDED * ROUNDS - charged(endings)
        assert wallet.reserved == 0

    def test_leave_one_outcome_and_no_credits_behind_when_the_child_is_archived(self) -> None:
        parent = make_organization("Harbour Reseller", funded=FUNDED * CHILDREN)
        children = [make_organization(f"Customer {n}", parent=parent) for n in range(CHILDREN)]
        for child in children:
            allocate(child, FUNDED)
        holds = [reserve(child, HELD) for child in children]

        rounds = in_rounds(
            CHILDREN,
            lambda n: settle(holds[n], COST),
            lambda n: release(holds[n]),
            lambda n: expire(children[n], now=holds[n].expires_at),
            lambda n: archive(children[n]),
        )

        endings = Counter(
            ending(hold, outcomes[:3]) for hold, outcomes in zip(holds, rounds, strict=True)
        )
        assert len(endings) > 1, f"no race took place: {endings}"
        assert all(len(of(Archival, outcomes)) == 1 for outcomes in rounds)
        wallets = [wallet_of(child) for child in children]
        assert {wallet.reserved for wallet in wallets} == {0}
        # Only work that came in after its hold had expired, and its credits had gone, leaves a debt.
        assert {wallet.balance for wallet in wallets} <= {0, -COST}
        debts = -sum(wallet.balance for wallet in wallets)
        assert debts <= COST * endings[Status.SETTLED, True]
        assert wallet_of(parent).balance == FUNDED * CHILDREN - charged(endings) + debts


def charged(endings: Counter[Ending]) -> int:
    return COST * sum(n for (status, _), n in endings.items() if status == Status.SETTLED)


def ending(hold: Reservation, outcomes: Sequence[object]) -> Ending:
    """Return how a hold ended, having checked that everybody was told the same story."""
    hold.refresh_from_db()
    winners = {outcome.status for outcome in of(Reservation, outcomes)}
    losers = [one for one in outcomes if isinstance(one, Exception)]
    charges = LedgerEntry.objects.filter(reservation=hold).values_list("amount", flat=True)
    assert winners <= {hold.status}
    assert all(type(loser) is ReservationClosed for loser in losers), losers
    assert list(charges) == ([-COST] if hold.status == Status.SETTLED else [])
    assert sum(of(int, outcomes)) == (1 if hold.late or hold.status == Status.EXPIRED else 0)
    return hold.status, hold.late
