"""The reference of a payment or an order: it means one entry, for ever, and moves nothing a second time."""

from collections.abc import Callable, Iterator

import pytest
import time_machine

from credits import services
from credits.models import LedgerEntry, Reference
from organizations.models import Organization
from tests import factories as f
from tests.callers import caller_of, error, ok
from tests.factories import NOW, STAFF, later

pytestmark = pytest.mark.django_db(transaction=True)
Kind = LedgerEntry.Kind
NEXT_YEAR = later(days=365)
FROM_OUTSIDE: dict[str, Callable[..., LedgerEntry]] = {
    "grant": f.grant,
    "recharge": f.recharge,
    "adjust": f.adjust,
}


def make_buyer() -> Organization:
    return f.make_organization(recharge_limit=1_000)


class TestMoneyFromOutside:
    @pytest.mark.parametrize("verb", FROM_OUTSIDE)
    def test_comes_in_once_for_its_reference(self, verb: str) -> None:
        one = make_buyer()
        first = FROM_OUTSIDE[verb](one, 40, reference="pay-1")

        again = FROM_OUTSIDE[verb](one, 40, reference="pay-1", now=NEXT_YEAR)

        assert (again.pk, again.posted_at, again.reference) == (first.pk, NOW, "pay-1")
        assert (first.replayed, again.replayed) == (False, True)
        assert f.money_of(one) == f.amounts(40, 0, 40)

    @pytest.mark.parametrize("verb", FROM_OUTSIDE)
    def test_names_what_the_reference_means_when_it_is_something_else(self, verb: str) -> None:
        one = make_buyer()
        first = FROM_OUTSIDE[verb](one, 40, reference="pay-1")

        with pytest.raises(services.ReferenceTaken, match=f"pay-1 is that of {first.public_id}"):
            FROM_OUTSIDE[verb](one, 41, reference="pay-1")

        assert f.money_of(one) == f.amounts(40, 0, 40)

    def test_has_one_namespace_whatever_brings_it(self) -> None:
        one = make_buyer()
        f.recharge(one, 40, reference="pay-1")

        for verb in (f.grant, f.adjust):
            with pytest.raises(services.ReferenceTaken, match="recharge of 40"):
                verb(one, 40, reference="pay-1")

    def test_on_other_terms_is_something_else(self) -> None:
        one = make_buyer()
        f.grant(one, 40, reference="pay-1", expires_at=later(days=9))

        for terms in ({}, {"expires_at": later(days=8)}, {"priority": 1}):
            with pytest.raises(services.ReferenceTaken):
                f.grant(one, 40, reference="pay-1", **terms)

    def test_is_found_after_it_has_expired(self) -> None:
        one = make_buyer()
        first = f.grant(one, 40, reference="pay-1", expires_at=later(days=9))

        again = f.grant(one, 40, reference="pay-1", expires_at=later(days=9), now=later(days=10))

        assert again.pk == first.pk

    def test_counts_once_below_the_recharge_limit(self) -> None:
        one = f.make_organization(recharge_limit=40)
        first = f.recharge(one, 40, reference="pay-1")

        assert f.recharge(one, 40, reference="pay-1").pk == first.pk

    def test_is_an_organizations_own(self) -> None:
        one, other = make_buyer(), make_buyer()
        f.recharge(one, 40, reference="pay-1")

        f.recharge(other, 50, reference="pay-1")

        assert f.money_of(other)[0] == 50

    @pytest.mark.parametrize("text", ["PAY-1", "pay-1 ", "pay\u20101", "é", "e\u0301", "x" * 255])
    def test_is_compared_to_the_letter(self, text: str) -> None:
        one = make_buyer()
        for reference in ("pay-1", "e" if text == "é" else "é" if text == "e\u0301" else "1"):
            f.recharge(one, 40, reference=reference)

        entry = f.recharge(one, 5, reference=text)

        assert (entry.reference, entry.replayed) == (text, False)
        assert f.money_of(one)[0] == 85

    def test_may_be_missing_as_often_as_one_likes(self) -> None:
        one = make_buyer()
        f.grant(one, 40)
        f.grant(one, 40)

        assert f.money_of(one)[0] == 80
        assert not Reference.objects.exists()

    def test_is_not_freed_by_a_reversal(self) -> None:
        one = make_buyer()
        first = f.recharge(one, 40, reference="pay-1")
        f.reverse(first)

        again = f.recharge(one, 40, reference="pay-1")

        assert again.pk == first.pk
        assert f.money_of(one)[0] == 0
        assert f.recharge(one, 40, reference="pay-2").amount == 40


class TestAllocations:
    def test_move_once_for_the_reference_of_the_parent(self) -> None:
        parent, child = f.make_family(funded=100)
        first = f.allocate(child, 30, reference="order-1")

        again = f.allocate(child, 30, reference="order-1", now=NEXT_YEAR)

        assert [side.pk for side in again] == [side.pk for side in first]
        assert [side.replayed for side in again] == [True, True]
        assert [side.reference for side in again] == ["order-1", "order-1"]
        assert [f.money_of(one)[0] for one in (parent, child)] == [70, 30]

    def test_to_another_child_are_something_else(self) -> None:
        parent, child = f.make_family(funded=100)
        sibling = f.make_organization(parent=parent)
        sent, _ = f.allocate(child, 30, reference="order-1")

        for target, amount in ((sibling, 30), (child, 31)):
            with pytest.raises(services.ReferenceTaken, match=sent.public_id):
                f.allocate(target, amount, reference="order-1")

    def test_are_found_when_the_parent_is_short_and_the_child_archived(self) -> None:
        parent, child = f.make_family(funded=30)
        sent, _ = f.allocate(child, 30, reference="order-1")
        f.archive(child)
        f.adjust(parent, -30)

        again, _ = f.allocate(child, 30, reference="order-1")

        assert again.pk == sent.pk

    def test_are_apart_from_money_from_outside(self) -> None:
        parent, child = f.make_family(funded=100)
        f.grant(parent, 30, reference="order-1")

        f.allocate(child, 30, reference="order-1")

        assert f.money_of(child)[0] == 30


class TestWhatIsTakenBack:
    def test_is_taken_once_for_its_reference(self) -> None:
        one = f.make_organization(funded=100)
        first = f.adjust(one, -30, reference="refund-1")

        again = f.adjust(one, -30, reference="refund-1", now=NEXT_YEAR)

        assert (again.pk, again.replayed) == (first.pk, True)
        assert f.money_of(one)[0] == 70

    def test_is_taken_once_from_a_grant_that_is_spent(self) -> None:
        one = make_buyer()
        spent, full = (f.recharge(one, 40).grants.get() for _ in range(2))
        f.spend(one, 40)
        first = f.adjust(one, -10, from_grant=spent, into_debt=True, reference="refund-1")
        later_one = f.recharge(one, 40).grants.get()

        again = f.adjust(one, -10, from_grant=spent, into_debt=True, reference="refund-1")

        assert (again.pk, again.replayed) == (first.pk, True)
        assert f.adjust(one, -10, from_grant=full, reference="refund-1").pk == first.pk
        with pytest.raises(services.ReferenceTaken):
            f.adjust(one, -10, from_grant=later_one, reference="refund-1")
        assert f.money_of(one)[0] == 70

    def test_has_one_namespace_apart_from_what_it_takes_back(self) -> None:
        one = make_buyer()
        bought = f.recharge(one, 40, reference="pay-1")
        other = f.recharge(one, 40, reference="pay-2")

        first = f.reverse(bought, reference="pay-1")

        assert f.reverse(bought, reference="pay-1").pk == first.pk
        with pytest.raises(services.ReferenceTaken, match=first.public_id):
            f.reverse(other, reference="pay-1")
        with pytest.raises(services.ReferenceTaken, match=first.public_id):
            f.adjust(one, -40, reference="pay-1")

    @pytest.mark.parametrize("side", [0, 1])
    def test_of_a_transfer_is_found_from_both_sides(self, side: int) -> None:
        _, child = f.make_family(funded=100)
        sides = f.allocate(child, 30)
        f.reverse(sides[0], reference="back-1")

        again = f.reverse(sides[side], reference="back-1")

        assert (again.wallet_id, again.replayed) == (sides[side].wallet_id, True)
        assert f.money_of(child)[0] == 0

    @pytest.mark.parametrize("taken_by", [0, 1])
    def test_of_a_transfer_must_be_free_on_both_sides(self, taken_by: int) -> None:
        family = f.make_family(funded=100)
        sides = f.allocate(family[1], 30)
        f.adjust(family[taken_by], -1, reference="back-1")

        with pytest.raises(services.ReferenceTaken):
            f.reverse(sides[0], reference="back-1")

        assert [f.money_of(one)[0] for one in family] == [70 - (not taken_by), 30 - taken_by]


class TestMoveReference:
    def test_frees_the_old_one_and_keeps_who_why_and_when(self) -> None:
        one = make_buyer()
        squatter = f.grant(one, 5, reference="pay-1")

        (move,) = f.move_reference(squatter, "pay-1-void", now=later(days=1))
        bought = f.recharge(one, 40, reference="pay-1")

        assert (move.before, move.after) == ("pay-1", "pay-1-void")
        assert (move.reason, move.performed_by) == ("squatted", STAFF)
        assert move.moved_at == later(days=1)
        assert f.money_of(one)[0] == 45
        squatter.refresh_from_db()
        assert (squatter.reference, squatter.current_reference.text) == ("pay-1", "pay-1-void")
        assert bought.current_reference.text == "pay-1"

    def test_makes_the_new_one_mean_the_entry(self) -> None:
        one = make_buyer()
        entry = f.recharge(one, 40, reference="pay-1")
        f.move_reference(entry, "pay-2")

        assert f.recharge(one, 40, reference="pay-2").pk == entry.pk
        with pytest.raises(services.ReferenceTaken):
            f.recharge(one, 41, reference="pay-2")

    def test_gives_one_to_what_had_none(self) -> None:
        one = make_buyer()
        entry = f.recharge(one, 40)

        f.move_reference(entry, "pay-1")

        assert f.recharge(one, 40, reference="pay-1").pk == entry.pk

    def test_happens_on_both_sides_of_a_transfer(self) -> None:
        parent, child = f.make_family(funded=100)
        _, received = f.allocate(child, 30, reference="order-1")

        moves = f.move_reference(received, "order-2")

        assert [move.entry.wallet_id for move in moves] == [parent.wallet.pk, child.wallet.pk]
        assert set(Reference.objects.values_list("text", flat=True)) == {"order-2"}
        f.allocate(child, 40, reference="order-1")
        assert f.money_of(child)[0] == 70

    def test_refuses_one_that_means_something(self) -> None:
        one = make_buyer()
        first = f.recharge(one, 40, reference="pay-1")
        second = f.recharge(one, 40, reference="pay-2")

        for entry in (first, second):
            with pytest.raises(services.ReferenceTaken, match=first.public_id):
                f.move_reference(entry, "pay-1")

    def test_refuses_what_nobody_moves_by_hand(self) -> None:
        one = f.make_organization(allowance=10)
        (renewal,) = f.entries_of(one)

        with pytest.raises(services.NotReferable, match="#1 is a renew"):
            f.move_reference(renewal, "pay-1")


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.mark.usefixtures("clock")
class TestApi:
    def test_recharges_once_also_when_told_again_after_a_day(
        self, clock: time_machine.Traveller
    ) -> None:
        backend = caller_of(make_buyer())
        body = {"credits": 40, "reference": "pay-1"}
        first = ok(backend.post("/credits/recharge", body, key="a"))
        clock.shift(86_401)

        again = ok(backend.post("/credits/recharge", body, key="a"))
        by_another_key = ok(backend.post("/credits/recharge", body, key="b"))

        assert (first["replayed"], first["reference"]) == (False, "pay-1")
        assert again == by_another_key == first | {"replayed": True}

    def test_allocates_once_also_when_told_again_after_a_day(
        self, clock: time_machine.Traveller
    ) -> None:
        parent, child = f.make_family(funded=100)
        boss = caller_of(parent)
        first = ok(boss.allocate(child, 30, key="a", reference="order-1"))
        clock.shift(86_401)

        again = ok(boss.allocate(child, 30, key="a", reference="order-1"))

        assert (first["replayed"], first["reference"]) == (False, "order-1")
        assert again == first | {"replayed": True}
        assert f.money_of(child)[0] == 30

    def test_names_the_entry_that_has_it(self) -> None:
        parent, child = f.make_family(funded=100)
        boss = caller_of(parent)
        first = ok(boss.allocate(child, 30, key="a", reference="order-1"))

        answer = boss.allocate(child, 31, key="b", reference="order-1")

        assert error(answer) == (409, "CONFLICT")
        assert first["id"] in answer.json()["error"]["message"]
        assert f.money_of(child)[0] == 30

    @pytest.mark.parametrize(
        "reference", ["", " ", "x" * 256, "a\nb", "a\x7fb", "a\u202eb", None, 7]
    )
    def test_refuses_what_is_no_visible_text(self, reference: object) -> None:
        backend = caller_of(make_buyer())

        answer = backend.post("/credits/recharge", {"credits": 40, "reference": reference}, key="a")

        assert error(answer) == (422, "VALIDATION")
        assert list(answer.json()["error"]["details"]["fields"]) == ["reference"]

    def test_lists_and_finds_it_on_both_ledgers(self) -> None:
        parent, child = f.make_family(funded=100)
        boss = caller_of(parent)
        f.allocate(child, 10)
        f.allocate(child, 30, reference="order-1")
        path = f"/organizations/{child.public_id}/credits/events"

        for answer in (
            boss.get("/credits/events", reference="order-1"),
            boss.get(path, reference="order-1"),
            caller_of(child).get("/credits/events", reference="order-1"),
        ):
            (row,) = ok(answer)["items"]
            assert (row["reference"], abs(row["credits"])) == ("order-1", 30)
        assert ok(boss.get(path, reference="Order-1"))["items"] == []
        assert "reference" not in ok(boss.get(path))["items"][-1]

    def test_shows_what_means_an_entry_now(self) -> None:
        one = make_buyer()
        f.move_reference(f.recharge(one, 40, reference="pay-1"), "pay-2")
        backend = caller_of(one)

        (row,) = ok(backend.get("/credits/events", reference="pay-2"))["items"]

        assert row["reference"] == "pay-2"
        assert ok(backend.get("/credits/events", reference="pay-1"))["items"] == []
