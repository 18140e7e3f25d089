"""API keys. Their secrets are told to whoever starts the import, before a worker mints them; nobody keeps them."""

from collections.abc import Sequence
from typing import Any

from organizations import scopes
from organizations.models import ApiKey, Organization
from organizations.services import OrganizationArchived, ScopeNotDelegable, mint_key
from usage.services.imports import cells
from usage.services.imports.cells import Column
from usage.services.imports.people import actors_named
from usage.services.imports.rows import (
    Collected,
    Doing,
    OfOrganization,
    Outcome,
    Read,
)

TIERS = [tier for tier in ApiKey.Tier.values if tier != ApiKey.Tier.SANDBOX]
REFUSALS: dict[type[Exception], str] = {
    ScopeNotDelegable: "scopes",
    OrganizationArchived: "organization",
}


class Keys(OfOrganization):
    slug = "keys"
    title = "API keys"
    about = "New live keys. Their secrets are shown once, when the import is started."
    rights = ("organizations.add_apikey",)
    noun = ("key", "keys")
    most_of_one = 1_000
    most_rows = 2_000
    own = (
        Column(
            "name",
            "Where it is used. A live key of this name is the same key, and is not minted again.",
            cells.text(120),
            "production gateway",
            required=True,
        ),
        Column(
            "scopes",
            f"What it opens: {', '.join(sorted(scopes.KNOWN))}, with spaces between them.",
            cells.several(sorted(scopes.KNOWN)),
            "credits:read usage:write",
            required=True,
        ),
        Column(
            "tier",
            f"Its rate-limit tier: {', '.join(TIERS)}. Empty: standard.",
            cells.one_of(*TIERS),
            default=ApiKey.Tier.STANDARD,
        ),
        Column(
            "expires_at",
            "When it ends: a day, all of it included, or a moment. Empty: never.",
            cells.end,
            "2027-12-31",
        ),
        Column(
            "person",
            "Whose personal key it is, by external id or e-mail address. Empty: the organization's.",
            cells.text(254),
        ),
    )

    def same(self, row: Read) -> Any:
        return row["name"]

    def make_of(
        self, organization: Organization, rows: Sequence[Read], doing: Doing, collected: Collected
    ) -> list[Outcome]:
        live = organization.api_keys.filter(revoked_at=None, superseded_by=None)
        known = {key.name: key for key in live.order_by("id") if key.is_live(doing.now)}
        people = actors_named(organization, sorted({r["person"] for r in rows} - {None}))
        outcomes = []
        for row in rows:
            if row["name"] in known:
                outcomes.append(Outcome(False, known[row["name"]].public_id))
                continue
            self._look(row, people, doing, collected)
            with collected.trying(row, REFUSALS):
                key, _ = mint_key(
                    organization=organization,
                    name=row["name"],
                    scopes=row["scopes"],
                    tier=row["tier"],
                    expires_at=row["expires_at"],
                    actor=people.get(row["person"]),
                    delegable=doing.scopes,
                    prepared=row.prepared,
                    performed_by=doing.performed_by,
                    now=doing.now,
                )
                outcomes.append(Outcome(True, key.public_id))
        return outcomes

    def _look(self, row: Read, people: Any, doing: Doing, collected: Collected) -> None:
        """Note what is wrong with a key besides what minting it refuses."""
        if row["person"] and row["person"] not in people:
            collected.add(row, "person", "The organization has nobody of this id or address.")
        if row["expires_at"] is not None and row["expires_at"] <= doing.now:
            collected.add(row, "expires_at", "This moment has passed: the key would open nothing.")
        if row["tier"] not in doing.tiers:
            collected.add(row, "tier", f"You may give {', '.join(sorted(doing.tiers))}.")
        if row.prepared is None and not doing.is_rehearsal:
            collected.add(
                row, "name", "A key of this name was there, and is gone: bring the file again."
            )
