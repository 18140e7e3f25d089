"""A forecast is a range that holds the truth, and is narrow enough to be of use."""

from random import Random
from statistics import median

import pytest

from tests.usage.worlds import KINDS, live, series, world
from usage.flows import Cap, Coming, Flows, Held, Lot, Refill, Term
from usage.forecast import AHEAD, LEAST, MOST, NEVER, Span, foresee, is_enough

STEADY = [10.0] * MOST
FOREVER = AHEAD + 1.0


def foretold(seed: int, *, known: int) -> list[tuple[int, Span]]:
    """Return for a hundred organizations on which day it was over, and what was foretold of it after so many days."""
    random = Random(seed)
    found = []
    for number in range(100):
        used = series(KINDS[number % 4], random)
        past, ahead = used[MOST - known : MOST], used[MOST:]
        truth = random.randrange(5, 45)
        has = sum(ahead[:truth]) + ahead[truth] / 2
        found.append((truth, foresee(Flows(past, [Lot(has)])).pool))
    return found


def ends(span: Span) -> tuple[float, float]:
    first, _, last = (FOREVER if moment is None else moment for moment in span)
    return first, last


class TestForesee:
    @pytest.mark.parametrize(
        ("seed", "known", "width"), [(7, MOST, 0.5), (8, 28, 0.6), (9, LEAST, 0.9)]
    )
    def test_holds_the_truth_for_85_of_100_organizations_and_is_narrow(
        self, seed: int, known: int, width: float
    ) -> None:
        spans = [(truth, *ends(span)) for truth, span in foretold(seed, known=known)]

        assert sum(int(first) <= truth <= int(last) for truth, first, last in spans) >= 85
        assert median((last - first) / truth for truth, first, last in spans) <= width

    @pytest.mark.parametrize(
        "seed", [8, *(pytest.param(n, marks=pytest.mark.slow) for n in (7, 9, 10))]
    )
    def test_holds_it_where_credits_lapse_and_come_terms_begin_a_cap_stops_and_a_parent_refills(
        self, seed: int
    ) -> None:
        random = Random(seed)
        held: dict[str, list[bool]] = {"pool": [], "cap": []}
        widths = []
        for number in range(100):
            made = world(KINDS[number % 4], random)
            truth, found = live(made), foresee(made.flows)
            first, last = ends(found.pool)
            held["pool"].append(int(first) <= int(truth.pool) <= int(last))
            if truth.pool < AHEAD:
                widths.append((last - first) / max(1, truth.pool))
            if made.flows.cap is not None:
                first, last = ends(found.cap)
                held["cap"].append(int(first) <= int(truth.cap) <= int(last))

        assert len(widths) >= 85, "these worlds end"
        assert sum(held["pool"]) >= 85
        assert sum(held["cap"]) >= 0.85 * len(held["cap"])
        assert median(widths) <= 0.6

    def test_says_the_same_of_the_same_past(self) -> None:
        flows = Flows(series("bursty", Random(1))[:MOST], [Lot(5_000)])

        assert foresee(flows) == foresee(flows)

    def test_says_the_same_of_the_days_that_it_looks_at_however_far_it_looks(self) -> None:
        flows = Flows(series("bursty", Random(1))[:MOST], [Lot(1_000)])
        far, near = foresee(flows), foresee(flows, days=30)

        assert near.pool.latest is not None
        assert near == far

    def test_is_a_day_where_every_day_is_alike(self) -> None:
        span = foresee(Flows(STEADY, [Lot(95)])).pool

        assert span == pytest.approx((9.5, 9.5, 9.5))

    def test_knows_the_weekdays(self) -> None:
        past = [10.0] * 5 + [0.0] * 2

        assert foresee(Flows(past * 8, [Lot(45)])).pool == pytest.approx((4.5, 4.5, 4.5))
        assert foresee(Flows(past * 8, [Lot(55)])).pool == pytest.approx((7.5, 7.5, 7.5))

    def test_begins_with_what_is_left_of_today(self) -> None:
        past = ([10.0] * 6 + [0.0]) * 8

        span = foresee(Flows([*past, *[10.0] * 6], [Lot(20)]), day_left=0.25).pool

        assert span == pytest.approx((2.25, 2.25, 2.25)), "today nothing is used"

    def test_never_ends_where_nothing_is_used(self) -> None:
        assert foresee(Flows([0.0] * MOST, [Lot(1)])) == (NEVER, NEVER, NEVER)

    def test_is_now_where_nothing_is_left(self) -> None:
        assert foresee(Flows(STEADY, debt=3)).pool.is_now

    def test_needs_two_of_each_weekday(self) -> None:
        assert not is_enough([1.0] * (LEAST - 1))
        assert is_enough([1.0] * LEAST)

    def test_is_wider_where_less_is_known(self) -> None:
        used = series("weekly", Random(3))[:MOST]
        wide = ends(foresee(Flows(used[-LEAST:], [Lot(10_000)])).pool)
        narrow = ends(foresee(Flows(used, [Lot(10_000)])).pool)

        assert wide[1] - wide[0] > narrow[1] - narrow[0]


class TestForeseeKnows:
    """Every day uses 10, so each moment is told by hand."""

    @pytest.mark.parametrize(
        ("flows", "day"),
        [
            pytest.param({"lots": [Lot(100, ends=4.0), Lot(20)]}, 6.0, id="what lapses is gone"),
            pytest.param({"lots": [Lot(100, ends=4.0)]}, 4.0, id="a lapse leaves nothing"),
            pytest.param(
                {"lots": [Lot(100), Lot(30, ends=4.0)]}, 13.0, id="what ends is drawn first"
            ),
            pytest.param(
                {"lots": [Lot(100, priority=1), Lot(30, ends=4.0)]}, 10.0, id="by its priority"
            ),
            pytest.param({"lots": [Lot(50)], "coming": [Coming(3, Lot(40))]}, 9.0, id="to come"),
            pytest.param({"lots": [Lot(50)], "coming": [Coming(6, Lot(40))]}, 5.0, id="too late"),
            pytest.param(
                {"lots": [Lot(50)], "coming": [Coming(3, Lot(40, ends=4.0))]}, 6.0, id="and over"
            ),
            pytest.param(
                {"lots": [Lot(40, ends=3.0, of_term=True)], "terms": [Term(3, 33, 50)]},
                8.0,
                id="a term",
            ),
            pytest.param(
                {"lots": [Lot(60, ends=3.0, of_term=True)], "terms": [Term(3, 33, 50, 20)]},
                10.0,
                id="what rolls over",
            ),
            pytest.param(
                {"lots": [Lot(50)], "overdraft": None, "terms": [Term(6, 36, 30)]},
                5.0,
                id="an overdraft is not credits",
            ),
            pytest.param({"lots": [Lot(50)], "to_children": 10}, 2.5, id="children"),
            pytest.param(
                {"lots": [Lot(50, ends=40.0, of_term=True)], "to_children": 10},
                5.0,
                id="which get none of the allowance",
            ),
        ],
    )
    def test_when_the_pool_is_empty(self, flows: dict[str, object], day: float) -> None:
        span = foresee(Flows(STEADY, **flows)).pool  # type: ignore[arg-type]

        assert span == pytest.approx((day, day, day))

    def test_a_debt_that_the_next_term_pays_first(self) -> None:
        found = foresee(Flows(STEADY, [Lot(10)], overdraft=15, terms=[Term(3, 33, 50)]))

        assert found.pool == pytest.approx((1, 1, 1))

    @pytest.mark.parametrize(
        ("cap", "day"),
        [
            (Cap(100, 40, [20.0]), 6.0),
            (Cap(100, 40, [5.0, 35.0]), 15.0),
            (Cap(100, 0, [9.0, 18.0, 27.0, 36.0, 45.0, 54.0, 63.0, 72.0, 81.0]), None),
            (Cap(0, 0, []), 0.0),
        ],
    )
    def test_when_the_cap_is_reached(self, cap: Cap, day: float | None) -> None:
        span = foresee(Flows(STEADY, [Lot(5_000)], cap=cap)).cap

        assert span == (NEVER if day is None else pytest.approx((day, day, day)))

    def test_that_nothing_is_used_while_the_cap_is_reached(self) -> None:
        found = foresee(Flows(STEADY, [Lot(100)], cap=Cap(50, 0, [20.0])))

        assert found.pool == pytest.approx((25, 25, 25))

    def test_that_the_cap_is_not_reached_by_who_has_nothing(self) -> None:
        assert foresee(Flows(STEADY, [Lot(30)], cap=Cap(50, 0, [20.0]))).cap == NEVER

    def test_holds_of_which_nobody_knows_what_they_will_charge(self) -> None:
        pool = foresee(Flows(STEADY, [Lot(100)], held=[Held(2.0, 40)])).pool

        first, last = ends(pool)
        assert 6 <= first < 6.5
        assert 9.5 < last <= 10

    def test_that_holds_take_of_the_cap_until_they_end(self) -> None:
        flows = Flows(STEADY, [Lot(500)], held=[Held(1.0, 40)], cap=Cap(100, 40, [20.0]))
        first, last = ends(foresee(flows).cap)

        assert 6 <= first < 6.5
        assert 9.5 < last <= 10

    @pytest.mark.parametrize(
        ("refill", "parent", "day"),
        [
            pytest.param(Refill(5, 20, 0), Flows([], [Lot(60)]), 9.0, id="as long as it can"),
            pytest.param(
                Refill(5, 20, 3.0), Flows([], [Lot(600)]), 5.0, id="no sooner than the cooldown"
            ),
            pytest.param(Refill(5, 20, 1.0), Flows([], [Lot(6_000)]), None, id="which is in time"),
            pytest.param(
                Refill(5, 20, 0, ready=4.0), Flows([], [Lot(60)]), 3.0, id="the last cooldown"
            ),
            pytest.param(
                Refill(5, 20, 0), Flows([], [Lot(60, of_term=True)]), 3.0, id="not of its allowance"
            ),
            pytest.param(
                Refill(5, 20, 0), Flows([10.0] * MOST, [Lot(60)]), 5.0, id="it works, too"
            ),
            pytest.param(
                Refill(5, 20, 0), Flows([], [Lot(60)], to_children=10), 5.0, id="other children"
            ),
            pytest.param(
                Refill(5, 20, 0), Flows([], [Lot(60, ends=4.0)]), 4.5, id="credits keep their end"
            ),
        ],
    )
    def test_refills(self, refill: Refill, parent: Flows, day: float | None) -> None:
        flows = Flows(STEADY, [Lot(30)], refill=refill, parent=parent)
        span = foresee(flows).pool

        assert span == (NEVER if day is None else pytest.approx((day, day, day), abs=0.26))

    def test_ten_thousand_small_refills_in_a_moment(self) -> None:
        parent = Flows([], [Lot(5_000.0)])
        flows = Flows([1_000.0] * MOST, refill=Refill(0, 1, 0), parent=parent)

        assert foresee(flows).pool == pytest.approx((5, 5, 5), abs=0.01)

    def test_a_cooldown_that_never_keeps_up(self) -> None:
        cap = Cap(3_000, 0, [80.0])
        rule = Refill(10, 10, 300 / 86_400)
        flows = Flows([9_000.0] * MOST, [Lot(10)], refill=rule, cap=cap)
        found = foresee(flows._replace(parent=Flows([], [Lot(50_000)])))

        assert found.pool.latest is not None
        assert found.pool.latest < 0.1
        assert found.cap == pytest.approx((1.03, 1.03, 1.03), abs=0.05)
