"""How a wallet fares on one course of what is to come: work uses it day by day, its parent fills it up, time does the rest. Pure."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import inf
from typing import NamedTuple

from usage.flows import NEARLY_NOTHING, Flows, Happening, Purse, happenings


class Step(NamedTuple):
    """A stretch of a day in which nothing happens but work, and what happens at its end."""

    ends: float
    day: int
    mine: Sequence[Happening]
    of_parent: Sequence[Happening]


def steps_of(flows: Flows, *, days: int, day_left: float) -> list[Step]:
    """Return the stretches of the days ahead, the same for all courses."""
    mine = [(each.at, 0, each) for each in happenings(flows)]
    of_parent = [(each.at, 1, each) for each in (happenings(flows.parent) if flows.parent else ())]
    # Stable: of one moment, in their order.
    known = sorted([*mine, *of_parent], key=lambda each: each[0])
    midnights = [day_left + day for day in range(days)]
    at_once = {at: list(those) for at, those in groupby(known, key=lambda each: max(0.0, each[0]))}
    ends = sorted({*midnights, float(days), *(at for at in at_once if at < days)})
    steps, day = [], 0
    for at in ends:
        here = at_once.get(at, ())
        of_both = [[each for _, whose, each in here if whose == side] for side in (0, 1)]
        steps.append(Step(at, day, *of_both))
        day += day < days and at == midnights[day]
    return steps


class Course:
    """A wallet, and the parent that refills it, on their way."""

    def __init__(self, flows: Flows, *, settled: float) -> None:
        self.flows = flows
        self.purse = Purse(flows, settled=settled)
        self.parent = Purse(flows.parent, settled=settled) if flows.parent else None
        self.most = flows.cap.amount if flows.cap else inf
        self.ready = flows.refill.ready if flows.refill and flows.parent else inf
        self.is_simple = flows.refill is None and not flows.to_children
        self.now = 0.0
        self.empty = inf
        """When nothing was left for the first time."""
        self.capped = inf if flows.cap else -1.0
        """When the cap was reached for the first time; long ago, as it were, where there is none."""
        self.refused = inf if flows.overdraft else -1.0
        """When the overdraft was used up too for the first time; long ago, as it were, where there is none or it has no end."""

    def go(
        self, steps: Sequence[Step], used: Iterator[float], used_by_parent: Iterator[float] | None
    ) -> None:
        """Go on until all is found, or the steps end."""
        day, rate, of_parent = -1, 0.0, 0.0
        for step in steps:
            while day < step.day:
                day, rate = day + 1, next(used)
                of_parent = next(used_by_parent) if used_by_parent else 0.0
            before = self.now
            self._spend(step.ends, rate)
            self.now = step.ends
            if self.parent is not None:
                self._fare(self.parent, of_parent, step.ends - before)
                for each in step.of_parent:
                    each.happen(self.parent)
            for each in step.mine:
                each.happen(self.purse)
            if step.mine:
                self._look()
            if max(self.empty, self.capped, self.refused) < inf:
                break
        self.capped = inf if self.capped < 0 else self.capped
        self.refused = inf if self.refused < 0 else self.refused

    def _fare(self, parent: Purse, rate: float, length: float) -> None:
        """Let the parent work, and refill its other children, as far as it can."""
        assert self.flows.parent is not None
        parent.use(max(0.0, min(rate * length, parent.left + parent.overdraft)))
        if self.flows.parent.to_children:
            parent.give(min(parent.spare, self.flows.parent.to_children * length))

    def _look(self) -> None:
        """Remember it if nothing is left, or the cap is reached, or the overdraft is used up."""
        if self.now < self.capped and self.purse.taken >= self.most - NEARLY_NOTHING:
            self.capped = self.now
        if self.purse.left > NEARLY_NOTHING or self._may_refill():
            return
        self.empty = min(self.empty, self.now)
        if self.purse.left + self.purse.overdraft <= NEARLY_NOTHING:
            self.refused = min(self.refused, self.now)

    def _spend(self, until: float, rate: float) -> None:
        """Work at a rate a day until a moment, as far as the cap and the pool admit it."""
        purse, children = self.purse, self.flows.to_children
        used = rate * (until - self.now)
        if self.is_simple and used < purse.left and purse.taken + used < self.most:
            purse.use(used)
            self.now = until
            return
        while self.now < until:
            self._refill(rate, until)
            self._look()
            stopped = purse.taken >= self.most - NEARLY_NOTHING
            stopped = stopped or purse.left + purse.overdraft <= NEARLY_NOTHING
            uses = 0.0 if stopped else rate
            gives = children if children and purse.spare > 0 else 0.0
            flow = uses + gives
            stretch = min(until - self.now, self._until_change(uses, flow))
            purse.use(uses * stretch)
            if gives:
                purse.give(min(purse.spare, gives * stretch))
            self.now = until if stretch >= until - self.now else self.now + stretch
        self._look()

    def _until_change(self, uses: float, flow: float) -> float:
        """Return for how long it goes on like this: until something runs out, or a refill may come."""
        purse, refill = self.purse, self.flows.refill
        levels = [0.0, -purse.overdraft]
        if refill is not None:
            levels.append(refill.threshold)
        times = [(self.most - purse.taken) / uses] if uses > 0 else []
        if flow > 0:
            times += [(purse.left - level) / flow for level in levels]
        if refill is not None and purse.left <= refill.threshold + NEARLY_NOTHING:
            times.append(self.ready - self.now)
        # What is closer than the finest credit is there.
        return min((time for time in times if time * max(flow, 1.0) > NEARLY_NOTHING), default=inf)

    def _may_refill(self) -> bool:
        refill = self.flows.refill
        if refill is None or self.parent is None or self.ready > self.now + 1e-9:
            return False
        return self.parent.spare >= refill.amount

    def _refill(self, rate: float, until: float) -> None:
        """Let the parent fill up what fell to the threshold: at once for as many times as the same follows from the same."""
        refill, purse = self.flows.refill, self.purse
        if refill is None or self.parent is None or rate <= 0:
            return
        if purse.taken >= self.most - NEARLY_NOTHING:
            return
        while purse.left <= refill.threshold + NEARLY_NOTHING and self._may_refill():
            cycle = max(refill.amount / rate, refill.cooldown)
            uses = rate * cycle if self.empty == inf else refill.amount
            falls = uses - refill.amount
            times = min(
                (until - self.now) / cycle,
                self.parent.spare / refill.amount,
                (self.most - purse.taken) / uses,
                max(0.0, purse.left) / falls if falls > NEARLY_NOTHING else inf,
            )
            if times < 2:
                self._move(refill.amount)
                self.ready = self.now + refill.cooldown
                continue
            self._move(int(times) * refill.amount)
            purse.use(int(times) * uses)
            self.now += int(times) * cycle
            self.ready = self.now

    def _move(self, amount: float) -> None:
        assert self.parent is not None
        for lot in self.parent.give(amount):
            self.purse.add(lot)
