"""One payment and everybody who tells of it: it comes in once, and everybody is told of the one entry."""

from collections.abc import Callable

import pytest

from credits.models import LedgerEntry
from credits.services import ReferenceTaken
from tests.factories import (
    adjust,
    allocate,
    grant,
    make_family,
    make_organization,
    money_of,
    move_reference,
    recharge,
    reverse,
)
from tests.races.threads import of, together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]
CALLERS = 32
VERBS: list[Callable[..., LedgerEntry]] = [grant, recharge, adjust]


def ids(outcomes: list[object]) -> set[object]:
    return {entry.pk for entry in of(LedgerEntry, outcomes)}


class TestReferences:
    def test_of_a_payment_that_is_told_by_everybody_fund_once(self) -> None:
        organization = make_organization(recharge_limit=40)

        outcomes = together(*[lambda: recharge(organization, 40, reference="pay-1")] * CALLERS)

        entries = of(LedgerEntry, outcomes)
        assert (len(entries), len(ids(outcomes))) == (CALLERS, 1)
        assert sorted(entry.replayed for entry in entries) == [False] + [True] * (CALLERS - 1)
        assert money_of(organization)[0] == 40

    def test_of_an_order_that_is_told_by_everybody_move_once(self) -> None:
        parent, child = make_family(funded=100)

        outcomes = together(*[lambda: allocate(child, 30, reference="order-1")] * CALLERS)

        assert {sent.pk for sent, _ in of(tuple, outcomes)} == {
            parent.wallet.entries.get(kind="allocate").pk
        }
        assert [int(money_of(one)[0]) for one in (parent, child)] == [70, 30]

    def test_of_a_refund_that_is_told_by_everybody_take_back_once(self) -> None:
        organization = make_organization()
        gift = grant(organization, 30)

        outcomes = together(*[lambda: reverse(gift, reference="back-1")] * CALLERS)

        assert (len(of(LedgerEntry, outcomes)), len(ids(outcomes))) == (CALLERS, 1)
        assert money_of(organization)[0] == 0

    def test_for_different_things_at_once_mean_the_one_that_came_first(self) -> None:
        organization = make_organization(recharge_limit=1_000)

        outcomes = together(
            *[lambda verb=verb: verb(organization, 7, reference="pay-1") for verb in VERBS * 4]
        )

        first = organization.wallet.entries.get()
        assert ids(outcomes) == {first.pk}
        assert len(of(ReferenceTaken, outcomes)) == 8
        assert money_of(organization)[0] == 7

    def test_that_are_moved_while_they_are_used_mean_one_entry_each(self) -> None:
        organization = make_organization(recharge_limit=1_000)
        squatter = grant(organization, 5, reference="pay-1")

        outcomes = together(
            lambda: move_reference(squatter, "pay-1-void"),
            *[lambda: recharge(organization, 40, reference="pay-1")] * 8,
        )

        assert len(of(LedgerEntry, outcomes)) + len(of(ReferenceTaken, outcomes)) == 8
        assert money_of(organization)[0] in (5, 45)
