"""Running checks: all of them in one statement, and so on one snapshot of the database."""

from collections.abc import Mapping
from uuid import UUID

from django.db import connection, transaction

from credits.reconcile import ledger, periods, rows, wallets
from organizations.jobs import Found
from organizations.models import Organization

CHECKS: dict[str, str] = wallets.CHECKS | ledger.CHECKS | periods.CHECKS | rows.CHECKS


def reconcile(checks: Mapping[str, str] = CHECKS) -> list[Found]:
    """Run checks, in one statement and so on one snapshot of the database; return what they found.

    It takes as long as it takes: the limit of a worker's statements is for those that somebody waits for.
    """
    names = list(checks)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(statement(checks))
        return [Found(names[number], *row) for number, *row in cursor]


def statement(checks: Mapping[str, str]) -> str:
    """Return all checks as one statement, of (number of the check, subject, detail, organization)."""
    parts = [
        f"SELECT {number} AS number, wallet, subject, detail FROM ({sql}) AS c{number} (wallet, subject, detail)"
        for number, sql in enumerate(checks.values())
    ]
    return (
        f"SELECT f.number, f.subject, f.detail, o.id FROM ({' UNION ALL '.join(parts)}) f"
        " LEFT JOIN credits_wallet w ON w.id = f.wallet"
        " LEFT JOIN organizations_organization o ON o.id = w.organization_id ORDER BY 1, 2, 3"
    )


def known(organization_id: UUID | None) -> UUID | None:
    """Return an organization's id if it is there: whoever stores a finding refers to it."""
    if organization_id is None:
        return None
    return Organization.objects.filter(id=organization_id).values_list("id", flat=True).first()
