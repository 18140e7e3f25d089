"""`manage.py reconcile`: whether the books are right, asked of the database in SQL."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from credits.reconcile import reconcile
from usage.reconcile import CHECKS


class Command(BaseCommand):
    """Run every check of the books; exit with 1 if one of them finds anything."""

    help = "Check that balances, holds, grants, periods, counters and the ledger agree."

    def handle(self, *args: Any, **options: Any) -> None:
        findings = reconcile(CHECKS)
        for finding in findings:
            self.stdout.write(f"{finding.check}: {finding.subject}: {finding.detail}")
        if findings:
            raise CommandError(f"{len(findings)} findings: the books are not right")
        self.stdout.write(f"{len(CHECKS)} checks, nothing found")
