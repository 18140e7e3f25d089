"""The statement of a billing period: what was posted in it, added up by what it was, and every entry that makes it up.

opening + granted + received + adjusted + reversed − used − lapsed − sent = closing. Entries belong to the period they were posted in, so
the statement of a closed one never changes: work that settles later, and whatever is taken back later, is on a later one. What rolls over
is in a renewal twice, out of the old grant and into the new one, and so not in its amount.

The same once more by category: for the credits of each, came − used − lapsed = what more there is of them at the end. All categories together, less
what debt grew by, are closing − opening.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Case, DecimalField, Max, Q, Sum, Value, When
from django.db.models.functions import Coalesce

from credits.models import ZERO, BillingPeriod, Grant, GrantDraw, LedgerEntry
from credits.services.reading import entries
from organizations import moments
from organizations.ids import write

Kind = LedgerEntry.Kind
ROWS_AT_ONCE = 2_000
NOTHING: Mapping[str, Any] = {
    **dict.fromkeys(
        ("granted", "received", "adjusted", "reversed", "used", "lapsed", "sent", "all"), ZERO
    ),
    "last_number": 0,
}
"""What no entry at all adds up to."""
COLUMNS = (
    "number",
    "id",
    "posted_at",
    "kind",
    "amount",
    "balance_after",
    "reason",
    "performed_by",
    "reservation",
    "transfer",
    "counterparty",
    "reverses",
    "hash",
    "reference",
)


class Statement(NamedTuple):
    """What a period began with, what came and went, and what it ended with; of an open one, what there is now."""

    opening: Decimal
    granted: Decimal
    received: Decimal
    adjusted: Decimal
    reversed: Decimal
    used: Decimal
    lapsed: Decimal
    sent: Decimal
    closing: Decimal
    last_number: int
    """The last entry that is in these numbers; 0 if there is none."""

    @property
    def came(self) -> Decimal:
        """What was granted, bought, received and adjusted, and what was taken back: below zero, if that was more."""
        return self.granted + self.received + self.adjusted + self.reversed

    @property
    def went(self) -> Decimal:
        """What lapsed and what was sent on."""
        return self.lapsed + self.sent


class Lot(NamedTuple):
    """What became of the credits of one category in a period."""

    came: Decimal = ZERO
    """Granted, bought, received and adjusted, and given back; less what was taken back, or sent on."""
    used: Decimal = ZERO
    lapsed: Decimal = ZERO

    @property
    def change(self) -> Decimal:
        """How much more there is of them at the end than at the beginning."""
        return self.came - self.used - self.lapsed


def statement_of(period: BillingPeriod) -> Statement:
    """Add up the entries of a billing period: in one look, so that what is posted meanwhile is in all of the numbers or in none."""
    return statements_of([period])[period.pk]


def statements_of(periods: Sequence[BillingPeriod]) -> dict[int, Statement]:
    """Add up the entries of some billing periods, in one look. Returns their statements by the ids of the periods."""
    transfers = Q(kind__in=LedgerEntry.TRANSFERS)
    rows = LedgerEntry.objects.filter(period__in=periods).values("period_id").order_by()
    sums = rows.annotate(
        granted=_sum(Q(kind__in=[Kind.GRANT, Kind.RENEW, Kind.RECHARGE])),
        received=_sum(transfers & Q(amount__gt=0)),
        adjusted=_sum(Q(kind=Kind.ADJUST)),
        reversed=_sum(Q(kind=Kind.REVERSAL)),
        used=-_sum(Q(kind=Kind.SETTLE)),
        lapsed=-_sum(Q(kind=Kind.LAPSE)),
        sent=-_sum(transfers & Q(amount__lt=0)),
        all=_sum(Q()),
        last_number=Coalesce(Max("number"), 0),
    )
    found = {row["period_id"]: row for row in sums}
    return {period.pk: _statement(period, found.get(period.pk, NOTHING)) for period in periods}


def _statement(period: BillingPeriod, sums: Mapping[str, Any]) -> Statement:
    closing = period.closing_balance
    if closing is None:
        closing = period.opening_balance + sums["all"]
    lines = {name: sums[name] for name in NOTHING if name != "all"}
    return Statement(opening=period.opening_balance, closing=closing, **lines)


def by_category(
    periods: Sequence[BillingPeriod], statements: Mapping[int, Statement]
) -> dict[int, dict[str, Lot]]:
    """Return what became of the credits of each category in some billing periods, by the ids of the periods.

    :param statements: theirs: of an open period it counts the same entries
    """
    counted = Q(entry__period__in=[each for each in periods if each.closed_at is not None])
    for each in (each for each in periods if each.closed_at is None):
        last = statements[each.pk].last_number
        counted |= Q(entry__period=each, entry__number__lte=last)
    rows = (
        GrantDraw.objects.filter(counted).order_by().values("entry__period_id", "grant__category")
    )
    used, lapsed = Q(entry__kind=Kind.SETTLE), Q(entry__kind=Kind.LAPSE)
    sums = rows.annotate(came=_sum(~used & ~lapsed), used=-_sum(used), lapsed=-_sum(lapsed))
    found: dict[int, dict[str, Lot]] = {
        period.pk: dict.fromkeys(Grant.Category.values, Lot()) for period in periods
    }
    for row in sums:
        lot = Lot(row["came"], row["used"], row["lapsed"])
        found[row["entry__period_id"]][row["grant__category"]] = lot
    return found


def owed(statement: Statement, lots: Mapping[str, Lot]) -> Decimal:
    """Return by how much debt shrank in a period, or, below zero, grew: what no credits of any category stand for."""
    covered = sum((lot.change for lot in lots.values()), ZERO)
    return statement.closing - statement.opening - covered


def _sum(which: Q) -> Coalesce:
    amount = Case(When(which, then="amount"), default=Value(ZERO)) if which else "amount"
    exact = DecimalField(max_digits=24, decimal_places=6)
    return Coalesce(Sum(amount, output_field=exact), Value(ZERO), output_field=exact)


def statement_rows(period: BillingPeriod) -> Iterator[list[object]]:
    """Return a statement as rows: what it is of, its numbers, and every entry in them.

    Nothing in it changes once the period is closed: names do, so it says ids.
    """
    statement = statement_of(period)
    yield ["organization", write("org", period.wallet.organization_id)]
    yield ["period", period.index]
    yield ["starts_at", moments.write(period.starts_at)]
    yield ["ends_at", moments.write(period.ends_at)]
    yield ["closed_at", moments.write(period.closed_at) if period.closed_at else "open"]
    yield ["term_days", period.term_days]
    yield ["whole_days", period.whole_days]
    yield ["seats", period.seats]
    yield ["share", round(period.share, 6)]
    for name, amount in zip(statement._fields[:-1], statement[:-1], strict=True):
        yield [name, round(Decimal(amount), 6)]
    yield ["category", *Lot._fields, "change"]
    lots = by_category([period], {period.pk: statement})[period.pk]
    for category, lot in lots.items():
        yield [category, *(round(Decimal(amount), 6) for amount in (*lot, lot.change))]
    yield ["debt", None, None, None, round(owed(statement, lots), 6)]
    yield []
    yield list(COLUMNS)
    yield from entry_rows(period, last_number=statement.last_number)


def entry_rows(period: BillingPeriod, *, last_number: int) -> Iterator[list[object]]:
    """Yield the entries of a billing period as rows of `COLUMNS`, a portion at a time."""
    number = 0
    of_period = entries(period.wallet).filter(period=period, number__lte=last_number)
    while rows := list(of_period.filter(number__gt=number).order_by("number")[:ROWS_AT_ONCE]):
        yield from (_row(entry) for entry in rows)
        number = rows[-1].number


def _row(entry: LedgerEntry) -> list[object]:
    counterparty_id: UUID | None = vars(entry)["counterparty_id"]
    return [
        entry.number,
        entry.public_id,
        moments.write(entry.posted_at),
        entry.kind,
        entry.amount,
        entry.balance_after,
        entry.reason,
        entry.performed_by,
        write("rsv", entry.reservation_id) if entry.reservation_id else None,
        str(entry.transfer_id) if entry.transfer_id else None,
        write("org", counterparty_id) if counterparty_id else None,
        write("txn", entry.reverses_id) if entry.reverses_id else None,
        bytes(entry.hash).hex(),
        entry.reference or None,
    ]
