"""A model of what can be done with credits, written from the rules alone: slow, in memory, knowing nothing of the code.

A refused command goes back to a copy of everything. Times are handed in, amounts are exact.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.credits.reference_wallet import (
    FOREVER,
    ZERO,
    Counter,
    Hold,
    Terms,
    Wallet,
    is_day,
    part_of,
)


class Refused(Exception):
    """A command that may not be; its text is the name of the error that the code raises."""


class Books:
    """All wallets of one family, by name, and the commands on them."""

    def __init__(self) -> None:
        self.wallets: dict[str, Wallet] = {}

    def create(self, name: str, terms: Terms, now: datetime, parent: str | None = None) -> None:
        wallet = self.wallets[name] = Wallet(terms, parent, periods=[Counter()])
        start = datetime(now.year, now.month, now.day, tzinfo=UTC)
        while not is_day(start.date(), terms.anchored_on.day):
            start -= timedelta(days=1)
        wallet.period_ends_at = terms.next_boundary(start)
        today = datetime(now.year, now.month, now.day, tzinfo=UTC)
        self._begin_term(wallet, start, rolled_over=ZERO, counts_from=today)

    def run(self, command: Callable[[], object]) -> object:
        """Return what a command answers, or the name of its error: then nothing has happened."""
        before = {name: wallet.copy() for name, wallet in self.wallets.items()}
        try:
            return command()
        except Refused as refusal:
            self.wallets = before
            return str(refusal)

    def as_of(self, name: str, now: datetime) -> Wallet:
        """Return a wallet as the next command would find it."""
        books = Books()
        books.wallets = {name: wallet.copy() for name, wallet in self.wallets.items()}
        books.expire(name, now)
        return books.wallets[name]

    # Time

    def renew(self, name: str, now: datetime) -> str:
        self._find(name, now)
        return "ok"

    def post_due(self, wallet: Wallet, now: datetime) -> None:
        while wallet.status != "archived" and wallet.period_ends_at <= now:
            self._turn(wallet)
        wallet.lapse(now)

    def _turn(self, wallet: Wallet) -> None:
        boundary = wallet.period_ends_at
        is_new_term = wallet.term_ends_at == boundary
        left = sum((lot.remaining for lot in wallet.lots if lot.included), ZERO)
        goes_on = is_new_term and not wallet.terms.cancelled
        kept = min(left, wallet.terms.rollover) if goes_on else ZERO
        wallet.lapse(boundary, keep=kept)
        wallet.periods.append(Counter())
        if is_new_term:
            self._begin_term(wallet, boundary, rolled_over=kept)
        wallet.period_ends_at = min(wallet.terms.next_boundary(boundary), wallet.term_ends_at)

    def _begin_term(
        self,
        wallet: Wallet,
        start: datetime,
        *,
        rolled_over: Decimal,
        counts_from: datetime | None = None,
    ) -> None:
        terms, end = wallet.terms, wallet.terms.end_of_term(start)
        wallet.term_ends_at, wallet.whole_days = end, terms.days_of_whole_term(end)
        days = (end - (counts_from or start)).days
        if counts_from and terms.first_full:
            days = wallet.whole_days
        wallet.in_force = ZERO if terms.cancelled else terms.allowance
        wallet.per_user_in_force = terms.per_user
        wallet.share = part_of(terms.per_user, days, wallet.whole_days)
        wallet.seats = wallet.seats_taken if wallet.share and not terms.cancelled else 0
        allowance = part_of(wallet.in_force, days, wallet.whole_days) + wallet.seats * wallet.share
        wallet.included = allowance + rolled_over
        if wallet.included:
            wallet.add(wallet.included, expires_at=wallet.term_ends_at, included=True)
            wallet.entries.append(("renew", allowance))

    # Seats and upgrades

    def join(self, name: str, now: datetime) -> str:
        wallet = self._find(name, now)
        self._refuse_archived(wallet)
        wallet.users += 1
        self._raise_seats(wallet)
        return "ok"

    def leave(self, name: str, now: datetime) -> str:
        wallet = self._find(name, now)
        self._refuse_archived(wallet)
        wallet.users -= 1
        return "ok"

    def _raise_seats(self, wallet: Wallet) -> None:
        more = wallet.seats_taken - wallet.seats
        if more > 0 and wallet.share and not self._has_ended(wallet):
            wallet.seats += more
            self._include(wallet, more * wallet.share)

    def upgrade(self, name: str, allowance: Decimal, per_user: Decimal, now: datetime) -> str:
        wallet = self._find(name, now)
        self._refuse_archived(wallet)
        wallet.terms.allowance, wallet.terms.per_user = allowance, per_user
        more = max(ZERO, allowance - wallet.in_force)
        more_per_user = max(ZERO, per_user - wallet.per_user_in_force)
        if self._has_ended(wallet) or not more + more_per_user:
            return "ok"
        if more_per_user and not wallet.share:
            wallet.seats = wallet.seats_taken
        days = (wallet.term_ends_at.date() - now.date()).days
        share = part_of(more_per_user, days, wallet.whole_days)
        wallet.in_force += more
        wallet.per_user_in_force += more_per_user
        wallet.share += share
        self._include(wallet, part_of(more, days, wallet.whole_days) + wallet.seats * share)
        return "ok"

    def _has_ended(self, wallet: Wallet) -> bool:
        return wallet.terms.cancelled and not wallet.included

    def _include(self, wallet: Wallet, amount: Decimal) -> None:
        if amount:
            wallet.included += amount
            wallet.add(amount, expires_at=wallet.term_ends_at, included=True)
            wallet.entries.append(("renew", amount))

    # Funding

    def grant(
        self, name: str, amount: Decimal, now: datetime, priority: int, expires_at: datetime | None
    ) -> str:
        wallet = self._find(name, now)
        self._refuse_archived(wallet)
        wallet.add(amount, priority=priority, expires_at=expires_at or FOREVER)
        wallet.entries.append(("grant", amount))
        return "ok"

    def adjust(self, name: str, amount: Decimal, now: datetime) -> str:
        wallet = self._find(name, now)
        if amount > 0:
            wallet.add(amount)
        else:
            if -amount > wallet.free:
                wallet.expire(now)
            if -amount > wallet.free:
                raise Refused("InsufficientCredits")
            wallet.take(-amount)
        wallet.entries.append(("adjust", amount))
        self._reclaim(wallet, now)
        return "ok"

    def recharge(self, name: str, amount: Decimal, now: datetime) -> str:
        wallet = self._find(name, now)
        if wallet.parent is not None:
            raise Refused("NotARoot")
        self._require_active(wallet)
        if wallet.periods[-1].recharged + amount > wallet.terms.recharge_limit:
            raise Refused("RechargeLimitReached")
        wallet.periods[-1].recharged += amount
        wallet.add(amount)
        wallet.entries.append(("recharge", amount))
        return "ok"

    def allocate(self, name: str, amount: Decimal, now: datetime) -> str:
        child = self._find(name, now)
        parent = self._parent_of(child, now)
        self._require_active(parent)
        self._refuse_archived(child)
        if amount > parent.transferable:
            parent.expire(now)
        if amount > parent.transferable:
            raise Refused("InsufficientCredits")
        self._move(parent, child, amount, "allocate")
        return "ok"

    def reclaim(self, name: str, amount: Decimal | None, now: datetime) -> str:
        child = self._find(name, now)
        parent = self._parent_of(child, now)
        self._require_active(parent)
        self._refuse_archived(child)
        if amount is None or amount > child.transferable:
            child.expire(now)
        going = child.transferable if amount is None else amount
        if not 0 < going <= child.transferable:
            raise Refused("InsufficientCredits")
        self._move(child, parent, going, "reclaim")
        return "ok"

    def _move(self, source: Wallet, target: Wallet, amount: Decimal, kind: str) -> None:
        for lot, part in source.take(amount, prepaid_only=True):
            target.add(part, priority=lot.priority, expires_at=lot.expires_at)
        source.entries.append((kind, -amount))
        target.entries.append((kind, amount))

    # The refill rule

    def _refill_is_due(self, wallet: Wallet, need: Decimal, now: datetime) -> bool:
        threshold = wallet.terms.threshold
        if wallet.parent is None or threshold is None:
            return False
        if {wallet.status, self._status_above(wallet)} != {"active"}:
            return False
        if wallet.cooldown_ends_at is not None and now < wallet.cooldown_ends_at:
            return False
        return wallet.free - need < threshold

    def _refill(self, wallet: Wallet, now: datetime) -> bool:
        parent, amount = self._parent_of(wallet, now), wallet.terms.refill or ZERO
        again = now + timedelta(seconds=wallet.terms.cooldown)
        if parent.status == "active" and amount > parent.transferable:
            parent.expire(now)
        if parent.status != "active" or amount > parent.transferable:
            if wallet.retry_at is None or wallet.retry_at <= now:
                wallet.retry_at = again
            return False
        self._move(parent, wallet, amount, "refill")
        wallet.cooldown_ends_at, wallet.retry_at = again, None
        return True

    def end_cooldown(self, name: str, now: datetime) -> bool:
        wallet = self._find(name, now)
        if wallet.cooldown_ends_at is not None and wallet.cooldown_ends_at <= now:
            wallet.cooldown_ends_at = None
        if wallet.retry_at is None or now < wallet.retry_at:
            return False
        if self._refill_is_due(wallet, ZERO, now):
            wallet.expire(now)
        counter, cap = wallet.periods[-1], wallet.terms.cap
        under_cap = cap is None or counter.used + counter.reserved < cap
        if under_cap and self._refill_is_due(wallet, ZERO, now):
            return self._refill(wallet, now)
        wallet.retry_at = None
        return False

    # Holds

    def reserve(
        self,
        name: str,
        number: int,
        need: Decimal,
        now: datetime,
        *,
        ttl: timedelta,
        up_to: bool,
    ) -> object:
        wallet = self._find(name, now)
        self._require_active(wallet)
        period = len(wallet.periods) - 1
        admitted = self._admit(wallet, need, period, now, up_to=up_to)
        if isinstance(admitted, Decimal):
            wallet.holds[number] = Hold(admitted, now + ttl, period)
            wallet.periods[period].reserved += admitted
        return admitted

    def grow(self, name: str, number: int, total: Decimal, now: datetime) -> object:
        wallet = self._find(name, now)
        self._require_active(wallet)
        hold = self._open_hold(wallet, number, now)
        need = total - hold.credits
        if need <= 0:
            return hold.credits
        admitted = self._admit(wallet, need, hold.period, now, up_to=False)
        if not isinstance(admitted, Decimal):
            return admitted
        hold.credits += need
        wallet.periods[hold.period].reserved += need
        return hold.credits

    def _admit(
        self, wallet: Wallet, need: Decimal, period: int, now: datetime, *, up_to: bool
    ) -> object:
        """Return how much may be held, or the denial: its reason and what would be affordable."""
        if self._refill_is_due(wallet, need, now):
            wallet.expire(now)
        admitted = self._decide(wallet, need, period, now, up_to=up_to)
        falls_short = not isinstance(admitted, Decimal) or admitted < need
        if falls_short and wallet.expire(now):
            admitted = self._decide(wallet, need, period, now, up_to=up_to)
        return admitted

    def _decide(
        self, wallet: Wallet, need: Decimal, period: int, now: datetime, *, up_to: bool
    ) -> object:
        cap, counter = wallet.terms.cap, wallet.periods[period]
        in_cap = None if cap is None else cap - counter.used - counter.reserved
        if in_cap is not None and (cap == 0 or need > in_cap):
            if not up_to or in_cap <= 0:
                return "cap", self._affordable(in_cap, self._in_pool(wallet))
            need = in_cap
        if self._refill_is_due(wallet, need, now):
            self._refill(wallet, now)
        in_pool = self._in_pool(wallet)
        if in_pool is not None and need > in_pool:
            if not up_to or in_pool <= 0:
                return "balance", self._affordable(in_cap, in_pool)
            need = in_pool
        return need

    def _in_pool(self, wallet: Wallet) -> Decimal | None:
        overdraft = wallet.terms.overdraft
        return None if overdraft is None else wallet.free + overdraft

    def _affordable(self, *rooms: Decimal | None) -> Decimal:
        return max(ZERO, min(room for room in rooms if room is not None))

    def extend(self, name: str, number: int, ttl: timedelta, now: datetime) -> datetime:
        wallet = self._find(name, now)
        self._require_active(wallet)
        hold = self._open_hold(wallet, number, now)
        hold.expires_at = max(hold.expires_at, now + ttl)
        return hold.expires_at

    def settle(self, name: str, number: int, cost: Decimal, now: datetime) -> tuple[Decimal, bool]:
        wallet = self._find(name, now)
        hold = wallet.holds[number]
        if hold.status == "released":
            raise Refused("ReservationClosed")
        if hold.status == "settled" and cost != hold.charged:
            raise Refused("AlreadySettled")
        if hold.status != "settled":
            hold.late = not hold.is_open(now)
            wallet.end(hold, "settled")
            hold.charged = cost
            wallet.periods[hold.period].used += cost
            wallet.take(cost)
            if cost:
                wallet.entries.append(("settle", -cost))
            self._reclaim(wallet, now)
        return hold.charged, hold.late

    def release(self, name: str, number: int, now: datetime) -> str:
        wallet = self._find(name, now)
        hold = wallet.holds[number]
        if hold.status != "released":
            wallet.end(self._open_hold(wallet, number, now), "released")
            self._reclaim(wallet, now)
        return "released"

    def expire(self, name: str, now: datetime) -> int:
        wallet = self._find(name, now)
        expired = wallet.expire(now)
        self._reclaim(wallet, now)
        return expired

    # Life

    def set_status(self, name: str, status: str, now: datetime) -> str:
        wallet = self._find(name, now)
        self._refuse_archived(wallet)
        wallet.status = status
        return status

    def archive(self, name: str, now: datetime) -> Decimal:
        wallet = self._find(name, now)
        children = [each for each in self.wallets.values() if each.parent == name]
        if wallet.status == "archived":
            return ZERO
        if any(child.status != "archived" for child in children):
            raise Refused("HasActiveChildren")
        wallet.status = "archived"
        return self._reclaim(wallet, now)

    def change_terms(self, name: str, changes: dict[str, object], now: datetime) -> str:
        wallet = self._find(name, now)
        self._refuse_archived(wallet)
        for term, value in changes.items():
            setattr(wallet.terms, term, value)
        if (wallet.terms.threshold is None) != (wallet.terms.refill is None):
            raise Refused("RefillRequiresThresholdAndAmount")
        if "seat_limit" in changes:
            self._raise_seats(wallet)
        return "ok"

    def _reclaim(self, wallet: Wallet, now: datetime) -> Decimal:
        """Send home what an archived wallet needs for no hold; included credits lapse instead."""
        if wallet.status != "archived":
            return ZERO
        needless = max(ZERO, wallet.allowance - wallet.reserved)
        if needless:
            wallet.entries.append(("lapse", -needless))
        for lot in sorted(wallet.lots, key=lambda lot: lot.order):
            if lot.included:
                part = min(lot.remaining, needless)
                lot.remaining -= part
                needless -= part
        going = wallet.transferable
        if wallet.parent is None or not going:
            return ZERO
        self._move(wallet, self._parent_of(wallet, now), going, "sweep")
        return going

    # Helpers

    def _find(self, name: str, now: datetime) -> Wallet:
        wallet = self.wallets[name]
        self.post_due(wallet, now)
        return wallet

    def _parent_of(self, wallet: Wallet, now: datetime) -> Wallet:
        if wallet.parent is None:
            raise Refused("DoesNotExist")
        return self._find(wallet.parent, now)

    def _open_hold(self, wallet: Wallet, number: int, now: datetime) -> Hold:
        hold = wallet.holds[number]
        if not hold.is_open(now):
            raise Refused("ReservationClosed")
        return hold

    def _require_active(self, wallet: Wallet) -> None:
        self._refuse_archived(wallet)
        if "suspended" in (wallet.status, self._status_above(wallet)):
            raise Refused("OrganizationSuspended")

    def _status_above(self, wallet: Wallet) -> str | None:
        return self.wallets[wallet.parent].status if wallet.parent else None

    def _refuse_archived(self, wallet: Wallet) -> None:
        if wallet.status == "archived":
            raise Refused("OrganizationArchived")
