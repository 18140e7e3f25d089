"""`manage.py verify_ledger`: walk every hash chain, and compare the ledgers with what was sealed."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits import seals, verification
from credits.models import Wallet
from organizations import ids
from organizations.jobs import Found
from organizations.models import Organization


class Command(BaseCommand):
    """Recompute the hash of every entry, in order, and compare every head with the newest seal; exit with 1 if one does not fit."""

    help = "Find any change that was made to the ledger behind its back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", help="only this organization's ledger (org_…)")
        parser.add_argument(
            "--every-seal", action="store_true", help="all seals, not only the newest one"
        )

    def handle(
        self,
        *args: Any,
        organization: str | None = None,
        every_seal: bool = False,
        **options: Any,
    ) -> None:
        # No other column is read: whatever somebody wrote there, the ledger can be walked.
        wallets = Wallet.objects.only("organization_id", "head_number", "head_hash").order_by("id")
        only = self._id(organization) if organization else None
        if only:
            wallets = wallets.filter(organization_id=only)
        bad = [entry for wallet in wallets.iterator() if (entry := verification.verify(wallet))]
        problems = [
            problem
            for problem in seals.check(every=every_seal)
            if only in (None, problem.organization_id) or problem.wallet_id is None
        ]
        self._print([*map(verification.finding, bad), *map(seals.finding, problems)])
        if bad or problems:
            raise CommandError(
                f"{len(bad)} ledgers were changed behind their back, {len(problems)} lines of seals do not fit"
            )
        self.stdout.write(f"{wallets.count()} ledgers, every hash fits; {self._sealed(every_seal)}")

    def _print(self, findings: list[Found]) -> None:
        owners = Organization.objects.in_bulk(
            [finding.organization_id for finding in findings if finding.organization_id]
        )
        for finding in findings:
            owner = owners.get(finding.organization_id) if finding.organization_id else None
            named = f"{owner.public_id} ({owner}): " if owner else ""
            self.stdout.write(f"{named}{finding.subject}: {finding.detail}")

    def _sealed(self, every_seal: bool) -> str:
        newest = seals.newest()
        if newest is None:
            return "nothing was sealed yet"
        return f"{'every seal fits' if every_seal else 'the newest seal fits'}, {newest.stem}"

    def _id(self, organization: str) -> UUID:
        try:
            return ids.read("org", organization)
        except ids.MalformedId as error:
            raise CommandError(f"--organization: {error}") from error
