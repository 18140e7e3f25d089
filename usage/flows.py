"""What flows into a wallet and out of it by itself, and how it stands on the way: lots that lapse, credits that are to come, terms, holds, a cap. Pure.

Everything here is an estimate, in floats, and moments are days from now: no credit is ever booked by it.
"""

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

NEARLY_NOTHING = 1e-6
"""Less than this is nothing: the finest credit."""


@dataclass
class Lot:
    """Credits that came together. The lowest priority is drawn first, then what ends first."""

    amount: float
    ends: float = inf
    priority: int = 50
    of_term: bool = False
    """Whether it is of the allowance, which never leaves for another wallet."""

    @property
    def order(self) -> tuple[int, float]:
        return self.priority, self.ends


class Coming(NamedTuple):
    """Credits that begin later."""

    at: float
    lot: Lot


class Term(NamedTuple):
    """A term that begins: what it brings, and how much of the one before may survive."""

    at: float
    ends: float
    brings: float
    rolls_over: float = 0


class Held(NamedTuple):
    """What holds have reserved until they end, or their work is charged before."""

    ends: float
    amount: float
    of_period: bool = True
    """Whether it counts in the cap of the running period."""


class Cap(NamedTuple):
    """What may be used in a billing period, what is used and held of it, and when the count begins anew."""

    amount: float
    taken: float
    resets: Sequence[float]


class Refill(NamedTuple):
    """The rule by which a parent fills a wallet up. A cooldown in days; `ready` is when the last one is over."""

    threshold: float
    amount: float
    cooldown: float
    ready: float = 0


class Flows(NamedTuple):
    """A wallet, and what is to come and to go."""

    past: Sequence[float]
    """What was used on each whole day, the oldest first, the last one yesterday."""
    lots: Sequence[Lot] = ()
    debt: float = 0
    overdraft: float | None = 0
    """How far below nothing work is still admitted; None is without end."""
    held: Sequence[Held] = ()
    coming: Sequence[Coming] = ()
    terms: Sequence[Term] = ()
    cap: Cap | None = None
    refill: Refill | None = None
    parent: "Flows | None" = None
    """The wallet that refills it."""
    to_children: float = 0
    """What leaves by refills in a day, other than to this one."""


class Happening(NamedTuple):
    """Something that happens to a wallet at a moment, whoever works meanwhile."""

    at: float
    happen: Callable[["Purse"], None]


class Purse:
    """A wallet on one course of what is to come."""

    def __init__(self, flows: Flows, *, settled: float) -> None:
        """
        :param settled: the part of what is held that is charged in the end; the rest comes back
        """
        self.lots = sorted((replace(lot) for lot in flows.lots), key=_order)
        self.pool = sum(lot.amount for lot in self.lots) - flows.debt
        self.held = sum(held.amount for held in flows.held)
        self.settled = settled
        self.overdraft = inf if flows.overdraft is None else flows.overdraft
        self.taken = flows.cap.taken if flows.cap else 0.0
        self.period = 0

    @property
    def left(self) -> float:
        """What no hold needs: negative in debt."""
        return self.pool - self.held

    @property
    def spare(self) -> float:
        """What may leave for another wallet."""
        prepaid = sum(lot.amount for lot in self.lots if not lot.of_term)
        return max(0.0, min(prepaid, self.left))

    def use(self, amount: float) -> None:
        self.taken += amount
        self.draw(amount)

    def draw(self, amount: float) -> None:
        self.pool -= amount
        while amount > 0 and self.lots:
            first = self.lots[0]
            if first.amount > amount:
                first.amount -= amount
                return
            amount -= first.amount
            del self.lots[0]

    def add(self, lot: Lot) -> None:
        """Take credits in: a debt takes of them first."""
        rest = lot.amount - max(0.0, -self.pool)
        self.pool += lot.amount
        if rest > 0:
            insort(self.lots, replace(lot, amount=rest), key=_order)

    def give(self, amount: float) -> list[Lot]:
        """Let credits leave for another wallet; they keep their end."""
        self.pool -= amount
        given = []
        for lot in [lot for lot in self.lots if not lot.of_term]:
            if amount <= 0:
                break
            part = min(amount, lot.amount)
            given.append(replace(lot, amount=part))
            lot.amount -= part
            amount -= part
        self.lots = [lot for lot in self.lots if lot.amount > 0]
        return given

    def lapse(self, now: float) -> None:
        """Let go what has ended by now, but for the allowance: the end of the term sees to that."""
        ended = [lot for lot in self.lots if lot.ends <= now and not lot.of_term]
        if ended:
            self.pool -= sum(lot.amount for lot in ended)
            self.lots = [lot for lot in self.lots if lot.ends > now or lot.of_term]

    def begin_term(self, term: Term) -> None:
        left = sum(lot.amount for lot in self.lots if lot.of_term)
        self.lots = [lot for lot in self.lots if not lot.of_term]
        self.pool -= left
        brings = min(left, term.rolls_over) + term.brings
        if brings:
            self.add(Lot(brings, term.ends, of_term=True))

    def begin_period(self) -> None:
        self.taken = 0.0
        self.period += 1

    def end_hold(self, held: Held) -> None:
        self.held -= held.amount
        self.draw(held.amount * self.settled)
        if held.of_period and not self.period:
            self.taken -= held.amount * (1 - self.settled)


def _order(lot: Lot) -> tuple[int, float]:
    return lot.order


def _lots_of(flows: Flows) -> list[Lot]:
    """Return what a wallet has and what is to come to it; what its parent has may come, too."""
    own = [*flows.lots, *(coming.lot for coming in flows.coming)]
    return own if flows.parent is None else [*own, *_lots_of(flows.parent)]


def happenings(flows: Flows) -> Iterator[Happening]:
    """Yield what happens to a wallet by itself; what happens at one moment in the order of the calendar."""
    for coming in flows.coming:
        yield Happening(coming.at, lambda purse, lot=coming.lot: purse.add(lot))  # type: ignore[misc]
    for ends in {lot.ends for lot in _lots_of(flows)}:
        if ends < inf:
            yield Happening(ends, lambda purse, at=ends: purse.lapse(at))  # type: ignore[misc]
    for term in flows.terms:
        yield Happening(term.at, lambda purse, term=term: purse.begin_term(term))  # type: ignore[misc]
    for reset in flows.cap.resets if flows.cap else ():
        yield Happening(reset, Purse.begin_period)
    for held in flows.held:
        yield Happening(held.ends, lambda purse, held=held: purse.end_hold(held))  # type: ignore[misc]
