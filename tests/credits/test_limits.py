"""What stands in the way of a hold: pure numbers, in tables."""

from decimal import Decimal

from credits.limits import Limit, affordable, binding, explain
from tests.factories import NOW, Amount


def limit(cap: Amount | None, used: Amount = 0, reserved: Amount = 0) -> Limit:
    return Limit(
        scope="organization",
        id="org_1",
        cap=None if cap is None else Decimal(cap),
        used=Decimal(used),
        reserved=Decimal(reserved),
        resets_at=NOW,
    )


class TestRoom:
    def test_is_what_is_neither_used_nor_reserved(self) -> None:
        assert limit(10, 4, 3).room == 3

    def test_is_negative_where_the_cap_was_lowered(self) -> None:
        assert limit(5, 4, 3).room == -2

    def test_is_unlimited_without_a_cap(self) -> None:
        assert limit(None, 4, 3).room is None


class TestAffordable:
    def test_is_the_least_room(self) -> None:
        assert affordable([limit(10, 4), limit(5), limit(None)]) == 5

    def test_is_never_negative(self) -> None:
        assert affordable([limit(10, 11), limit(5)]) == 0

    def test_is_unlimited_if_nothing_limits(self) -> None:
        assert affordable([limit(None), limit(None)]) is None


class TestBinding:
    def test_is_the_limit_with_the_least_room(self) -> None:
        roomy, tight, unlimited = limit(10), limit(10, 9), limit(None)

        assert binding([roomy, tight, unlimited]) is tight

    def test_counts_an_exhausted_limit_as_the_least(self) -> None:
        exhausted, tight = limit(10, 10), limit(1)

        assert binding([tight, exhausted]) is exhausted

    def test_is_none_where_nothing_limits(self) -> None:
        assert binding([limit(None)]) is None


class TestBindingOfADenial:
    def test_is_the_limit_that_refused_whatever_has_less_room(self) -> None:
        cap = Limit("organization", "org", Decimal(5), Decimal(0), Decimal(0), None)
        pool = Limit("pool", "org", Decimal(1), Decimal(0), Decimal(0), None)

        denied = explain([cap, pool], "cap")
        admitted = explain([cap, pool])

        assert [limit["binding"] for limit in denied] == [True, False]
        assert [limit["binding"] for limit in admitted] == [False, True]
