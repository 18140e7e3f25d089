"""The rows of the order of checks that compare numbers, as `credits_decide_1` answers them: figures in tables."""

from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from django.db import connection

from tests.factories import Amount

pytestmark = pytest.mark.django_db

SONNET, HAIKU = 4, 2


class Answer(NamedTuple):
    outcome: str
    model: int
    held: Decimal | int
    held_free: Decimal | int
    is_charged: bool
    denied_by: int | None


def decided(**figures: Any) -> Answer:
    """Ask with plenty of everything, but for these figures."""
    said: dict[str, Any] = {
        "needs": [SONNET, HAIKU],
        "leasts": [None, None],
        "free": [False, False],
        "up_to": False,
        "must_hold": False,
        "settled": 10,
        "downgrade": None,
        "shutoff": None,
        "charge_limit": None,
        "caps": [None],
        "taken": [0],
        "unreserved": 10**9,
        "overdraft": 0,
        "refill_threshold": None,
        "falls_back": False,
        "free_limit": None,
        "free_taken": 0,
    }
    said |= figures
    types = {"needs": "numeric[]", "leasts": "numeric[]", "free": "boolean[]", "caps": "numeric[]"}
    types |= {"taken": "numeric[]", "up_to": "boolean", "must_hold": "boolean"}
    types |= {"falls_back": "boolean"}
    named = ", ".join(f"p_{name} => %({name})s::{types.get(name, 'numeric')}" for name in said)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM credits_decide_1({named})", said)
        return Answer(*cursor.fetchone())


class TestCap:
    @pytest.mark.parametrize(
        ("cap", "taken", "need", "admitted"),
        [
            (10, 0, "9.999999", True),
            (10, 0, 10, True),
            (10, 0, "10.000001", False),
            (10, 7, 3, True),
            (10, 7, "3.000001", False),
            (10, 10, 0, True),
            (10, 11, 0, False),
            (0, 0, 0, False),
            (0, 0, "0.000001", False),
            (None, 2 * 10**12, 10**12, True),
        ],
    )
    def test_counts_what_is_taken_and_lands_on_the_cap(
        self, cap: Amount | None, taken: Amount, need: Amount, admitted: bool
    ) -> None:
        answer = decided(needs=[Decimal(need)], caps=[cap], taken=[taken], unreserved=10**13)

        assert answer.outcome == ("held" if admitted else "denied")

    def test_that_refuses_first_is_named(self) -> None:
        assert decided(caps=[5, 1, 1], taken=[0, 0, 0]).denied_by == 2


class TestShutoff:
    def test_refuses_at_the_number_itself(self) -> None:
        terms = {"downgrade": 800, "shutoff": 1200}

        below = decided(**terms, settled=Decimal("1199.999999"))
        at_it = decided(**terms, settled=1200)

        assert (below.outcome, below.model) == ("held", 2)
        assert (at_it.outcome, at_it.denied_by) == ("denied", 0)

    def test_of_none_refuses_nothing(self) -> None:
        assert decided(settled=10**9).outcome == "held"

    def test_of_zero_refuses_everything(self) -> None:
        assert decided(shutoff=0, settled=0).denied_by == 0


class TestDowngrade:
    @pytest.mark.parametrize(("settled", "model"), [("799.999999", 1), ("800", 2), ("801", 2)])
    def test_begins_at_its_threshold(self, settled: str, model: int) -> None:
        answer = decided(downgrade=800, settled=Decimal(settled))

        assert (answer.model, answer.held) == (model, [SONNET, HAIKU][model - 1])

    @pytest.mark.parametrize("price", [4, 5])
    def test_is_none_where_the_fallback_costs_as_much(self, price: int) -> None:
        assert decided(downgrade=800, settled=900, needs=[SONNET, price]).model == 1

    def test_is_none_without_a_fallback(self) -> None:
        assert decided(downgrade=800, settled=900, needs=[SONNET]).model == 1


class TestPool:
    @pytest.mark.parametrize(
        ("unreserved", "overdraft", "outcome"),
        [(4, 0, "held"), ("3.999999", 0, "denied"), (-6, 10, "held"), (-7, 10, "denied")],
    )
    def test_goes_as_far_as_the_overdraft(
        self, unreserved: Amount, overdraft: int, outcome: str
    ) -> None:
        answer = decided(unreserved=Decimal(unreserved), overdraft=overdraft)

        assert answer.outcome == outcome

    def test_without_an_end_never_refuses(self) -> None:
        assert decided(unreserved=-(10**9), overdraft=None).outcome == "held"

    def test_is_never_too_empty_for_what_is_free(self) -> None:
        assert decided(unreserved=-5, needs=[0], free=[True]).outcome == "held"
        assert decided(unreserved=-5, needs=[0], free=[False]).outcome == "denied"


class TestUpTo:
    def test_holds_what_all_of_them_admit(self) -> None:
        answer = decided(up_to=True, needs=[10], caps=[7, 9], taken=[0, 3], unreserved=5)

        assert (answer.outcome, answer.held) == ("held", 5)

    def test_is_refused_by_the_first_that_leaves_less_than_is_of_use(self) -> None:
        answer = decided(up_to=True, needs=[10], leasts=[6], caps=[7, 5], taken=[0, 0])

        assert (answer.outcome, answer.denied_by) == ("denied", 2)

    def test_holds_at_most_what_one_piece_of_work_may_cost(self) -> None:
        assert decided(up_to=True, needs=[10], charge_limit=3).held == 3
        assert decided(up_to=True, needs=[10], leasts=[4], charge_limit=3).outcome == "too_large"
        assert decided(needs=[10], charge_limit=3).outcome == "too_large"


class TestRefill:
    def test_comes_before_the_pool_and_after_the_caps(self) -> None:
        assert decided(unreserved=3, refill_threshold=5).outcome == "refill"
        assert decided(unreserved=9, refill_threshold=5).outcome == "held"
        assert decided(unreserved=3, refill_threshold=5, caps=[1]).outcome == "denied"


class TestFallback:
    def test_is_charged_where_its_price_fits(self) -> None:
        answer = decided(unreserved=3, falls_back=True)

        assert answer == ("held", 2, HAIKU, 0, True, None)

    def test_holds_what_is_unreserved_and_leaves_the_rest_unpaid(self) -> None:
        answer = decided(unreserved=Decimal("0.5"), falls_back=True)

        assert answer == ("held", 2, Decimal("0.5"), Decimal("1.5"), False, None)

    def test_is_refused_beyond_its_limit(self) -> None:
        answer = decided(unreserved=0, falls_back=True, free_limit=10, free_taken=9)

        assert (answer.outcome, answer.denied_by) == ("denied", 3)

    def test_is_spared_no_cap(self) -> None:
        answer = decided(unreserved=0, falls_back=True, caps=[5, 1], taken=[0, 0])

        assert (answer.outcome, answer.denied_by) == ("denied", 2)


def test_a_personal_key_holds_something_unless_that_is_the_price() -> None:
    assert decided(needs=[0], must_hold=True).outcome == "nothing"
    assert decided(needs=[0], must_hold=True, free=[True]).outcome == "held"
