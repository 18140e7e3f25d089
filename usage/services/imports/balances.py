"""Opening balances: credits that a customer had elsewhere, as grants with their category and their end."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from credits.models import Grant
from credits.services import InvalidExpiry, ReferenceTaken, grant
from organizations.models import Organization
from organizations.services import OrganizationArchived
from usage.services.imports import cells
from usage.services.imports.cells import Column
from usage.services.imports.rows import (
    Collected,
    Doing,
    OfOrganization,
    Outcome,
    Read,
)

REFUSALS: dict[type[Exception], str] = {
    InvalidExpiry: "expires_at",
    ReferenceTaken: "reference",
    OrganizationArchived: "organization",
}
SAID = ("credits", "category", "expires_at", "name", "priority")


class Balances(OfOrganization):
    slug = "balances"
    title = "Opening balances"
    about = "Credits that a customer brings along, each a grant of its own with its category and its end."
    rights = ("credits.grant", "credits.grant_more")
    noun = ("grant", "grants")
    most_of_one = 1_000
    own = (
        Column("credits", "How many.", cells.more_than_nothing, "1250.50", required=True),
        Column(
            "category",
            f"What they are to the business: {', '.join(Grant.Category.values)}. Empty: paid.",
            cells.one_of(*Grant.Category.values),
            "paid",
            default=Grant.Category.PAID,
        ),
        Column(
            "expires_at",
            "When what is left of them ends: a day, all of it included, or a moment. Empty: never.",
            cells.end,
            "2027-06-30",
        ),
        Column("name", "What staff call it.", cells.text(100), "Balance of 2026"),
        Column(
            "priority",
            "Those of the lowest are spent first: 0 to 100. Empty: 50.",
            cells.whole(100),
            default=50,
        ),
        Column(
            "reference",
            "Of the payment or contract behind it. With the same reference nothing is granted twice. Empty: made from what the row says, so "
            "that the same file brings nothing twice.",
            cells.text(255),
            "INV-2026-0117",
        ),
    )

    def same(self, row: Read) -> Any:
        return row["reference"]

    def weight(self, row: Read) -> Decimal:
        return Decimal(row["credits"])

    def make_of(
        self, organization: Organization, rows: Sequence[Read], doing: Doing, collected: Collected
    ) -> list[Outcome]:
        outcomes = []
        for row, reference in zip(rows, _references(rows), strict=True):
            with collected.trying(row, REFUSALS):
                entry = grant(
                    organization=organization,
                    amount=row["credits"],
                    reason="Opening balance",
                    category=row["category"],
                    expires_at=row["expires_at"],
                    name=row["name"] or "",
                    priority=row["priority"],
                    reference=reference,
                    performed_by=doing.performed_by,
                    now=doing.now,
                )
                outcomes.append(Outcome(not entry.replayed, entry.public_id))
        return outcomes


def _references(rows: Sequence[Read]) -> Iterator[str]:
    """Yield the reference of each row: of one without, what it says, and the how manieth of those that say the same it is."""
    seen: Counter[str] = Counter()
    for row in rows:
        if row["reference"]:
            yield row["reference"]
            continue
        said = "\n".join(str(row[column]) for column in SAID)
        seen[said] += 1
        digest = hashlib.sha256(f"{said}\n{seen[said]}".encode()).hexdigest()
        yield f"opening-balance-{digest[:24]}"
