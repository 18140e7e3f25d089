"""Organizations that are made up, and what really becomes of them: an hour at a time, told apart from how a forecast reckons."""

from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import NamedTuple

from usage.flows import Cap, Coming, Flows, Lot, Refill, Term
from usage.forecast import AHEAD, MOST

HOUR = 1 / 24
SHAPE = (1.2, 1.3, 1.2, 1.1, 1.0, 0.3, 0.2)
KINDS = ("steady", "weekly", "growing", "bursty")


def series(kind: str, random: Random, *, days: int = MOST + AHEAD) -> list[float]:
    """Return what an organization of a kind uses on each of many days."""
    level = random.uniform(10, 1_000)
    used = []
    for day in range(days):
        amount = level * random.uniform(0.7, 1.3)
        if kind == "weekly":
            amount *= SHAPE[day % 7]
        if kind == "growing":
            amount *= 1.01**day
        if kind == "bursty" and random.random() < 0.1:
            amount *= 5
        used.append(amount)
    return used


class World(NamedTuple):
    """An organization with all that is to come, and what it and its parent will use."""

    flows: Flows
    used: list[float]
    """From today on."""
    used_by_parent: list[float]


class Truth(NamedTuple):
    """On which day nothing is left, and on which the cap is reached; beyond the horizon if never."""

    pool: float
    cap: float


def world(kind: str, random: Random) -> World:
    """Return an organization with grants that lapse, some to come, terms, a cap, or a parent that refills it: what the dice say."""
    used, of_parent = series(kind, random), series("weekly", random)
    past, ahead = used[:MOST], used[MOST:]
    usual = sum(past[-28:]) / 28
    terms = random.choice([[], _terms(usual, random)])
    flows = Flows(
        past=past,
        lots=_lots(usual, random, has_term=bool(terms)),
        coming=[
            Coming(
                random.uniform(1, 20), Lot(usual * random.uniform(1, 5), random.choice([30, inf]))
            )
            for _ in range(random.randrange(3))
        ],
        terms=terms,
        cap=random.choice([None, _cap(usual, random)]),
    )
    if random.random() < 0.3:
        flows = flows._replace(refill=_refill(usual, random), parent=_parent(of_parent, random))
    return World(flows, ahead, of_parent[MOST:])


def _lots(usual: float, random: Random, *, has_term: bool) -> list[Lot]:
    lots = [
        Lot(usual * random.uniform(2, 15), random.choice([inf, random.uniform(1, 40)]))
        for _ in range(random.randrange(1, 4))
    ]
    return [*lots, Lot(usual * random.uniform(1, 10), 12.0, of_term=True)] if has_term else lots


def _terms(usual: float, random: Random) -> list[Term]:
    """Return monthly terms that bring less than is used, so that it ends some day."""
    brings, rolls = usual * random.uniform(5, 25), random.choice([0, usual * 3])
    return [Term(at, at + 30.0, brings, rolls) for at in (12.0, 42.0, 72.0)]


def _cap(usual: float, random: Random) -> Cap:
    amount = usual * random.uniform(18, 40)
    return Cap(amount, min(amount * 0.9, usual * random.uniform(8, 18)), [12.0, 42.0, 72.0])


def _refill(usual: float, random: Random) -> Refill:
    return Refill(
        usual * random.uniform(0, 2),
        usual * random.uniform(0.5, 5),
        random.choice([300 / 86400, 1.0]),
    )


def _parent(used: list[float], random: Random) -> Flows:
    usual = sum(used[:MOST]) / MOST
    return Flows(
        past=used[:MOST], lots=[Lot(usual * random.uniform(5, 60), random.choice([inf, 25.0]))]
    )


@dataclass
class Tank:
    """Credits as an accountant would keep them: a list of lots, and a debt."""

    lots: list[Lot]
    debt: float = 0
    taken: float = 0
    events: list[tuple[float, object]] = field(default_factory=list)

    @classmethod
    def of(cls, flows: Flows) -> "Tank":
        lots = [Lot(lot.amount, lot.ends, lot.priority, lot.of_term) for lot in flows.lots]
        events: list[tuple[float, object]] = [
            *((c.at, c) for c in flows.coming),
            *((t.at, t) for t in flows.terms),
        ]
        return cls(
            lots,
            flows.debt,
            flows.cap.taken if flows.cap else 0,
            sorted(events, key=lambda e: e[0]),
        )

    @property
    def left(self) -> float:
        return sum(lot.amount for lot in self.lots) - self.debt

    def put(self, lot: Lot) -> None:
        paid = min(self.debt, lot.amount)
        self.debt -= paid
        self.lots.append(Lot(lot.amount - paid, lot.ends, lot.priority, lot.of_term))

    def take(self, amount: float, *, of_term: bool = True) -> list[Lot]:
        taken = []
        for lot in sorted(self.lots, key=lambda lot: (lot.priority, lot.ends)):
            if lot.of_term and not of_term:
                continue
            part = min(lot.amount, amount)
            lot.amount, amount = lot.amount - part, amount - part
            taken.append(Lot(part, lot.ends, lot.priority))
        return taken

    def pass_time(self, now: float) -> None:
        while self.events and self.events[0][0] <= now:
            _, event = self.events.pop(0)
            if isinstance(event, Coming):
                self.put(event.lot)
            if isinstance(event, Term):
                left = sum(lot.amount for lot in self.lots if lot.of_term)
                self.lots = [lot for lot in self.lots if not lot.of_term]
                self.put(Lot(event.brings + min(left, event.rolls_over), event.ends, of_term=True))
        self.lots = [lot for lot in self.lots if lot.amount and (lot.of_term or lot.ends > now)]


def live(world: World) -> Truth:
    """Return what really happens, hour by hour: work goes on until the cap or the pool refuses it."""
    flows, never = world.flows, AHEAD + 1.0
    mine, parent = Tank.of(flows), Tank.of(flows.parent) if flows.parent else None
    pool = cap = never
    ready = 0.0
    for hour in range(AHEAD * 24):
        now, day = hour * HOUR, hour // 24
        if flows.cap and any(abs(reset - now) < HOUR / 2 for reset in flows.cap.resets):
            mine.taken = 0
        mine.pass_time(now)
        wanted = world.used[day] * HOUR
        if flows.cap and mine.taken + wanted > flows.cap.amount:
            cap, wanted = min(cap, now), 0
        if parent is not None and flows.refill is not None:
            parent.pass_time(now)
            is_due = wanted and mine.left - wanted < flows.refill.threshold and ready <= now
            if is_due and parent.left >= flows.refill.amount:
                for lot in parent.take(flows.refill.amount, of_term=False):
                    mine.put(lot)
                ready = now + flows.refill.cooldown
            parent.take(min(world.used_by_parent[day] * HOUR, parent.left))
        if mine.left < wanted or mine.left <= 0:
            pool = min(pool, now)
            wanted = min(wanted, mine.left)
        mine.take(wanted)
        mine.taken += wanted
    return Truth(pool, cap)
