"""For whom a forecast is made: nobody whom it would name is left out, and those are few who are not in question."""

from math import inf
from random import Random

import pytest

from tests.usage.worlds import KINDS, series, world
from usage.candidates import Facts, Filling, may_be_capped, may_run_dry
from usage.flows import Cap, Flows, Lot
from usage.forecast import MOST, foresee

WORLDS = 240


def facts_of(flows: Flows, days: int) -> Facts:
    """Return the figures that would be read of an organization."""
    past = list(flows.past)
    weeks = [sum(past[max(0, len(past) - 7 * (n + 1)) : len(past) - 7 * n]) for n in range(8)]
    lapsing = [lot for lot in flows.lots if lot.ends <= days]
    pool = sum(lot.amount for lot in flows.lots) - flows.debt
    term = flows.terms[0] if flows.terms else None
    return Facts(
        days=days,
        heaviest=max(weeks),
        left=inf if flows.overdraft is None else pool + flows.overdraft,
        spare=min(pool, sum(lot.amount for lot in flows.lots if not lot.of_term)),
        lapses=sum(lot.amount for lot in lapsing),
        lapses_with_term=sum(lot.amount for lot in lapsing if lot.of_term),
        term_ends=term.at if term else inf,
        brings=term.brings if term else 0,
        sends=flows.to_children,
        cap_left=flows.cap.amount - flows.cap.taken if flows.cap else inf,
        cap_resets=flows.cap.resets[0] if flows.cap else inf,
        filling=_filling(flows, days),
    )


def _filling(flows: Flows, days: int) -> Filling | None:
    rule, parent = flows.refill, flows.parent
    if rule is None or parent is None:
        return None
    return Filling(rule.amount, rule.cooldown, rule.ready, facts_of(parent, days))


def scarce(flows: Flows, random: Random) -> Flows:
    """Return the same with much less, or a little less, of what there is: so that some are in question."""
    part = random.choice([0.0, 0.1, 0.3, 1.0, 4.0])
    lots = [Lot(lot.amount * part, lot.ends, lot.priority, lot.of_term) for lot in flows.lots]
    cap = flows.cap
    if cap is not None:
        taken = cap.amount - (cap.amount - cap.taken) * part
        cap = Cap(cap.amount, taken, [each - 7 for each in cap.resets])
    overdraft = random.choice([0.0, 0.0, sum(flows.past) / MOST, None])
    sends = random.choice([0.0, 0.0, sum(flows.past) / MOST])
    to_children = sends if flows.refill is None else 0.0
    return flows._replace(lots=lots, cap=cap, overdraft=overdraft, to_children=to_children)


class TestCandidates:
    @pytest.mark.parametrize("days", [7, 30])
    @pytest.mark.parametrize("kind", KINDS)
    def test_are_all_whom_the_forecast_names(self, kind: str, days: int) -> None:
        random, named, left_out = Random(f"{kind} {days}"), 0, 0
        for number in range(WORLDS // 8):
            flows = scarce(world(kind, random).flows, random)
            left = random.random()
            known, past = facts_of(flows, days), flows.past
            found = foresee(flows, days=days, day_left=left)
            dry = found.overdraft if flows.overdraft else found.pool
            is_dry = flows.overdraft is not None and dry.likely is not None
            resets = known.cap_resets
            is_capped = found.cap.likely is not None and found.cap.likely < resets
            may = may_run_dry(known, day_left=left), may_run_dry(known, past, day_left=left)
            cap = may_be_capped(known, day_left=left), may_be_capped(known, past, day_left=left)
            assert not is_dry or may == (True, True), number
            assert not is_capped or cap == (True, True), number
            named += is_dry + is_capped
            left_out += (not may[1]) + (not cap[1])
        assert named, "some are named"
        assert left_out, "and of some it is not asked"

    def test_are_those_with_twice_their_heaviest_week_at_the_most(self) -> None:
        past = [10.0] * MOST
        known = Facts(days=7, heaviest=70.0)

        assert may_run_dry(known._replace(left=150), day_left=0.5)
        assert not may_run_dry(known._replace(left=200), day_left=0.5)
        assert not may_run_dry(known._replace(left=150), past, day_left=0.5)
        assert may_run_dry(known._replace(left=65), past, day_left=0.5)

    def test_leave_out_whom_a_whole_allowance_comes_to_in_time(self) -> None:
        known = Facts(days=7, heaviest=70.0, left=30, lapses=30, lapses_with_term=30, term_ends=1)
        past = [10.0] * MOST

        assert may_run_dry(known, past, day_left=0.5), "nothing is said of what comes"
        assert not may_run_dry(known._replace(brings=300.0), past, day_left=0.5)
        assert may_run_dry(known._replace(brings=300.0, left=5), past, day_left=0.5)

    def test_are_who_sends_more_to_children_than_there_is(self) -> None:
        sends = Facts(days=7, left=100, sends=20.0)

        assert may_run_dry(sends, [0.0] * MOST, day_left=0.5)
        assert not may_run_dry(sends._replace(sends=10.0), [0.0] * MOST, day_left=0.5)

    def test_leave_out_whom_the_parent_certainly_fills_up(self) -> None:
        rich = Facts(days=7, left=10_000, spare=10_000)
        filled = Facts(days=7, heaviest=70.0, left=5, filling=Filling(20, 0.003, 0.0, rich))
        rule = filled.filling
        assert rule is not None

        assert not may_run_dry(filled, day_left=0.5)
        for poor in (
            rule._replace(parent=rich._replace(spare=100)),
            rule._replace(cooldown=1.0),
            rule._replace(ready=0.5),
        ):
            assert may_run_dry(filled._replace(filling=poor), day_left=0.5), poor

    def test_of_a_past_that_is_too_short_are_who_has_nothing_now(self) -> None:
        young = Facts(days=7, heaviest=70.0, left=1)

        assert not may_run_dry(young, [10.0] * 5, day_left=0.5)
        assert may_run_dry(young._replace(left=0), [10.0] * 5, day_left=0.5)


def test_a_series_of_every_kind_is_in_question_for_at_most_twice_its_heaviest_week() -> None:
    """The bound of the first step, of many pasts: what half of the courses use at the most."""
    random = Random(1)
    for number in range(60):
        past = series(KINDS[number % 4], random, days=MOST)
        heaviest = max(sum(past[n * 7 : n * 7 + 7]) for n in range(8))
        most = foresee(Flows(past, [Lot(heaviest * 2)]), days=7).pool.likely
        assert most is None
