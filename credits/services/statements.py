"""The statement of a billing period: what was posted in it, added up by what it was, and every entry that makes it up.

opening + granted + received + adjusted + reversed − used − lapsed − sent = closing. Entries belong to the period they were posted in, so
the statement of a closed one never changes: work that settles later, and whatever is taken back later, is on a later one. What rolls over
is in a renewal twice, out of the old grant and into the new one, and so not in its amount.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import Case, DecimalField, Max, Q, Sum, Value, When
from django.db.models.functions import Coalesce

from credits.models import ZERO, BillingPeriod, LedgerEntry
from credits.services.reading import entries
from organizations import moments
from organizations.ids import write

Kind = LedgerEntry.Kind
ROWS_AT_ONCE = 2_000
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


def statement_of(period: BillingPeriod) -> Statement:
    """Add up the entries of a billing period: in one look, so that what is posted meanwhile is in all of the numbers or in none."""
    transfers = Q(kind__in=LedgerEntry.TRANSFERS)
    sums = LedgerEntry.objects.filter(period=period).aggregate(
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
    posted = sums.pop("all")
    closing = period.closing_balance
    if closing is None:
        closing = period.opening_balance + posted
    return Statement(opening=period.opening_balance, closing=closing, **sums)


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
    yield []
    yield list(COLUMNS)
    number = 0
    of_period = entries(period.wallet).filter(period=period, number__lte=statement.last_number)
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
