"""The statements of everybody whose billing period began in a month: a line for each, which add up, and every movement in them.

Read wallet by wallet, a few of them at a time, so that ten thousand cost no more memory than ten. Sandboxes have none that count.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from credits.models import ZERO, BillingPeriod, Grant, Wallet
from credits.services.statements import (
    COLUMNS,
    Lot,
    Statement,
    by_category,
    entry_rows,
    owed,
    statements_of,
)
from organizations import moments
from organizations.ids import write
from organizations.models import Env

AT_ONCE = 50
"""Of so many wallets the periods are added up together."""
WHOSE = ("organization", "organizationId", "externalId", "startsAt", "endsAt", "closedAt")
LINES = Statement._fields[:-1]
OF_CATEGORIES = tuple(
    f"{category}{name.capitalize()}"
    for category in Grant.Category.values
    for name in (*Lot._fields, "change")
)
HEAD = (*WHOSE, *LINES, *OF_CATEGORIES, "debtChange")


def periods_of_month(
    month: date, *, after: UUID | None = None, wallets: Sequence[UUID] | None = None
) -> tuple[list[BillingPeriod], UUID | None]:
    """Return the billing periods that began in a month, of the next wallets in the order of their ids, and the last wallet that was looked at.

    :param month: its first day
    :param after: the wallet after which to begin
    :param wallets: only of these
    """
    rows = Wallet.objects.filter(organization__env=Env.LIVE).order_by("id")
    rows = rows if wallets is None else rows.filter(id__in=wallets)
    ids = list(
        (rows if after is None else rows.filter(id__gt=after)).values_list("id", flat=True)[
            :AT_ONCE
        ]
    )
    begin = datetime.combine(month, time(), tzinfo=UTC)
    until = datetime.combine((month + timedelta(days=31)).replace(day=1), time(), tzinfo=UTC)
    periods = BillingPeriod.objects.filter(
        wallet__in=ids, starts_at__gte=begin, starts_at__lt=until
    )
    found = periods.select_related("wallet__organization").order_by("wallet_id", "starts_at")
    return list(found), ids[-1] if len(ids) == AT_ONCE else None


def month_lines(month: date) -> Iterator[Sequence[object]]:
    """Yield a line for the statement of each, and at the end their sum."""
    yield HEAD
    sums = [ZERO] * (len(HEAD) - len(WHOSE))
    for periods in _portions(month):
        for whose, amounts in _lines(periods):
            sums = [total + amount for total, amount in zip(sums, amounts, strict=True)]
            yield (*whose, *amounts)
    yield ("all", *[None] * (len(WHOSE) - 1), *sums)


def month_entries(month: date) -> Iterator[Sequence[object]]:
    """Yield every entry of the statements of a month."""
    yield ("organization", "organization_id", *COLUMNS)
    for periods in _portions(month):
        statements = statements_of(periods)
        for period in periods:
            organization = period.wallet.organization
            whose = (organization.name, organization.public_id)
            last = statements[period.pk].last_number
            for row in entry_rows(period, last_number=last):
                yield (*whose, *row)


def _portions(month: date) -> Iterator[list[BillingPeriod]]:
    after: UUID | None = None
    while True:
        periods, after = periods_of_month(month, after=after)
        yield periods
        if after is None:
            return


def _lines(periods: Sequence[BillingPeriod]) -> Iterator[tuple[Sequence[object], list[Decimal]]]:
    statements = statements_of(periods)
    categories = by_category(periods, statements)
    for period in periods:
        statement, lots = statements[period.pk], categories[period.pk]
        organization = period.wallet.organization
        whose = (
            organization.name,
            write("org", organization.id),
            organization.external_id,
            *(moments.write(at) for at in (period.starts_at, period.ends_at)),
            moments.write(period.closed_at) if period.closed_at else "open",
        )
        of_categories = [amount for lot in lots.values() for amount in (*lot, lot.change)]
        amounts = [*statement[:-1], *of_categories, owed(statement, lots)]
        yield whose, [Decimal(amount) for amount in amounts]
