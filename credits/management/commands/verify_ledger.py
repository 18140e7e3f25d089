"""`manage.py verify_ledger`: walk every hash chain and name the first bad row of each."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits import verification
from credits.models import Wallet
from organizations import ids


class Command(BaseCommand):
    """Recompute the hash of every entry, in order; exit with 1 if one does not fit."""

    help = "Find any change that was made to the ledger behind its back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", help="only this organization's ledger (org_…)")

    def handle(self, *args: Any, organization: str | None = None, **options: Any) -> None:
        wallets = Wallet.objects.select_related("organization").order_by("id")
        if organization:
            wallets = wallets.filter(organization_id=self._id(organization))
        bad = [found for wallet in wallets.iterator() if (found := verification.verify(wallet))]
        for entry in bad:
            owner = entry.wallet.organization
            self.stdout.write(f"{owner.public_id} ({owner}): entry {entry.number}: {entry.problem}")
        if bad:
            raise CommandError(f"{len(bad)} ledgers were changed behind their back")
        self.stdout.write(f"{wallets.count()} ledgers, every hash fits")

    def _id(self, organization: str) -> str:
        try:
            return str(ids.read("org", organization))
        except ids.MalformedId as error:
            raise CommandError(f"--organization: {error}") from error
