"""The prices of a card for one variant: how much of each unit is charged by which of them, and by which none is."""

from collections.abc import Sequence
from decimal import Decimal

from usage.pricing.shapes import ZERO, Count, Counts, Price, Unpriced
from usage.units import (
    DIRECTIONS,
    INPUT,
    ORDER,
    PARTS,
    REQUESTS,
    TEXT,
    TIMES,
    TOOLS,
    WHOLES,
)


class Sheet:
    """The prices of a card for one variant: of each unit its steps by the length of the prompt."""

    def __init__(self, prices: Sequence[Price], variant: str) -> None:
        of_all: dict[str, list[Price]] = {}
        of_variant: dict[str, list[Price]] = {}
        for each in prices:
            if not each.hours and each.variant in ("", variant):
                found = of_variant if each.variant else of_all
                found.setdefault(each.unit, []).append(each)
        steps = of_all | of_variant
        self.steps = {unit: sorted(steps[unit], key=_start) for unit in sorted(steps, key=_place)}
        """Parts before their wholes."""
        self.parts = {
            unit: [part for part in self.steps if part in PARTS.get(unit, ())]
            for unit in self.steps
        }
        self.known = {
            unit
            for unit, rows in self.steps.items()
            if any(each.amount is not None for each in rows)
        }
        """What has a price, at least for some prompts."""
        self._within = {unit: (unit, *WHOLES[unit]) for unit in self.steps}
        """Each with what it is a part of."""

    @property
    def starts(self) -> list[int]:
        """From which lengths of the prompt something costs otherwise."""
        return sorted({each.prompt_from for rows in self.steps.values() for each in rows})

    def of(self, unit: str, prompt: int, *, work_is_done: bool) -> Decimal:
        """Return the price of a unit for a prompt of this length; of done work, where it has none, the dearest that it has, or what it is
        a part of.

        :raises Unpriced: if it has none
        """
        found = self.reached(unit, prompt)
        if found is not None and found.amount is not None:
            return found.amount
        if work_is_done:
            known = self._amounts(unit) or [
                amount for whole in WHOLES[unit] & self.known for amount in self._amounts(whole)
            ]
            if known:
                return max(known)
        raise Unpriced(f"no price for {unit} of a prompt of {prompt} tokens", unit)

    def reached(self, unit: str, prompt: int) -> Price | None:
        """Return the row of a unit for a prompt of this length."""
        reached = None
        for each in self.steps[unit]:
            if each.prompt_from > prompt:
                break
            reached = each
        return reached

    def _amounts(self, unit: str) -> list[Decimal]:
        return [each.amount for each in self.steps[unit] if each.amount is not None]

    def sells(self, unit: str) -> bool:
        """Whether a unit has a price: its own, or that of what it is a part of. One of a request is for all that is done in it, but for what is
        known to cost something besides."""
        if unit in self.known or not WHOLES[unit].isdisjoint(self.known):
            return True
        return REQUESTS in self.known and unit not in self.steps

    def unpriced(self, counts: Counts) -> list[str]:
        """Return what is counted and would be charged by nothing: it has no price, is no part of what has one, and is not the same work in
        another measure. A request that has a price is all that is done in it."""
        return [
            unit
            for unit, count in counts.items()
            if count and unit not in self.known and not self._is_charged(unit, counts)
        ]

    def _is_charged(self, unit: str, counts: Counts) -> bool:
        """Whether something else charges a unit: its whole; or of text the measure by which the same work is sold, if it is counted too.
        Where only what goes in is sold, the text that comes out is in its price, and the other way round."""
        if self.sells(unit):
            return True
        if unit not in TEXT or unit in self.steps:
            return False
        measures, direction = self.known - TOOLS, DIRECTIONS[unit]
        same = {each for each in measures if DIRECTIONS[each] in ("", direction)}
        return any(counts.get(each) for each in same) if same else bool(measures)

    def may_need(self, unit: str, counts: Counts) -> bool:
        """Whether work of no more than so much may use a unit: there may be some of it, or of what it is a part of."""
        return any(map(counts.get, self._within[unit]))

    def shares(self, counts: Counts) -> dict[str, Count]:
        """Return how much of each unit is charged by its own price: what is in no part that has one.

        Of parts that are more than their whole, as much counts as it contains.
        """
        shares: dict[str, Count] = {}
        for unit, parts in self.parts.items():
            inside = sum([shares[part] for part in parts]) if parts else 0
            told = counts.get(unit)
            count = inside if told is None else self._billed(unit, told)
            if count < inside:
                _shrink(shares, parts, inside - count)
            shares[unit] = max(0, count - inside)
        if REQUESTS in shares:
            shares[REQUESTS] = 1
        return shares

    def _billed(self, unit: str, count: Count) -> Count:
        return max(count, self.steps[unit][0].at_least) if count else 0


def _shrink(shares: dict[str, Count], parts: Sequence[str], excess: Count) -> None:
    for part in reversed(parts):
        taken = min(shares[part], excess)
        shares[part] -= taken
        excess -= taken


def charged(
    sheet: Sheet, counts: Counts, *, work_is_done: bool = False
) -> list[tuple[str, Count, Decimal]]:
    """Return of each unit how much of it is charged by its own price, and that price: the lines of the sum.

    :param work_is_done: whether that is what was done, and not the most that may be
    :raises Unpriced: if something has no price; of work that is to be done, if something that it may come to has none
    """
    if not sheet.known:
        raise Unpriced("no price for any work")
    for unit in sheet.unpriced(counts):
        raise Unpriced(f"no price for {unit}", unit)
    prompt = int(counts.get(INPUT, 0))
    return [
        (unit, share, sheet.of(unit, prompt, work_is_done=work_is_done))
        for unit, share in sheet.shares(counts).items()
        if share or (not work_is_done and sheet.may_need(unit, counts))
    ]


def exact_price(sheet: Sheet, counts: Counts, *, work_is_done: bool) -> Decimal:
    """Return the exact price, times `EVERY_PER`."""
    total = ZERO
    for unit, share, each in charged(sheet, counts, work_is_done=work_is_done):
        total += share * of_one(unit, each)
    return total


def of_one(unit: str, amount: Decimal) -> Decimal:
    """Return the price of one, times `EVERY_PER`."""
    return amount * TIMES[unit]


def _start(price: Price) -> int:
    return price.prompt_from


def _place(unit: str) -> int:
    return ORDER.get(unit, -1)
