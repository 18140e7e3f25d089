"""Customers: organizations with the terms that they begin with."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from credits.models import CreditConfig
from credits.services import create_organization
from credits.services.funding import NotARoot
from organizations import external_ids
from organizations.models import Env, Organization
from organizations.services import OrganizationArchived, OrganizationSuspended
from usage.services.imports import cells
from usage.services.imports.cells import Column
from usage.services.imports.rows import (
    Collected,
    Doing,
    Kind,
    NoOrganization,
    Outcome,
    Read,
    parent_called,
)

REFUSALS: dict[type[Exception], str] = {
    NotARoot: "parent",
    OrganizationSuspended: "parent",
    OrganizationArchived: "parent",
    external_ids.ExternalIdTaken: "external_id",
}
TERMS = ("allowance", "allowance_per_user", "seat_limit", "term", "first_term_full", "monthly_cap")


class Customers(Kind):
    slug = "customers"
    title = "Customers"
    about = "Organizations, each with its wallet and the terms it begins with. Parents may be in the same file as their children."
    rights = ("organizations.add_organization",)
    noun = ("customer", "customers")
    columns = (
        Column(
            "external_id",
            "What you call the customer. It tells who is there already, so every customer has one.",
            cells.name(),
            "acme",
            required=True,
        ),
        Column("name", "The name that people read.", cells.text(128), "Acme Inc.", required=True),
        Column(
            "parent",
            "Of a child: its parent, by its org_ id or external id; in this file, or made before.",
            cells.name(),
        ),
        Column("billing_email", "Where bills go.", cells.email, "billing@acme.example"),
        Column(
            "allowance",
            "Credits included in each term; the first begins at once. Empty: none.",
            cells.amount,
            "1000",
            default=Decimal(0),
        ),
        Column(
            "allowance_per_user",
            "Credits that each active user brings in a term. Empty: none.",
            cells.amount,
            default=Decimal(0),
        ),
        Column(
            "seat_limit",
            "How many users bring their share at most. Empty: any number.",
            cells.whole(1_000_000),
        ),
        Column(
            "term",
            "month or year. Empty: month.",
            cells.one_of(*CreditConfig.Term.values),
            "month",
            default=CreditConfig.Term.MONTH,
        ),
        Column(
            "anchored_on",
            "The day on which periods begin, as 2026-01-15. Empty: the first of the month.",
            cells.day,
        ),
        Column(
            "first_term_full",
            "yes: the first term brings the whole allowance. Empty or no: the part of its days.",
            cells.yes_or_no,
            default=False,
        ),
        Column(
            "monthly_cap",
            "Credits that a billing period may use at most. Empty: no cap. 0: nothing may be spent.",
            cells.amount,
        ),
    )

    def same(self, row: Read) -> Any:
        return row["external_id"]

    def weight(self, row: Read) -> Decimal:
        seats = row["seat_limit"] or 1
        return Decimal(row["allowance"] + row["allowance_per_user"] * seats)

    def make(
        self, rows: Sequence[Read], organization: Organization | None, doing: Doing
    ) -> list[Outcome]:
        collected = Collected()
        outcomes = [self._make(row, doing, collected) for row in rows]
        collected.require_none()
        return [outcome for outcome in outcomes if outcome is not None]

    def _make(self, row: Read, doing: Doing, collected: Collected) -> Outcome | None:
        try:
            parent = self._parent(row, doing, collected)
        except NoOrganization as error:
            collected.add(row, error.column, str(error))
            return None
        found = external_ids.holder(row["external_id"], parent=parent, env=Env.LIVE)
        if found is not None and found.name != row["name"]:
            collected.add(
                row, "external_id", f"{found.public_id} has it, and is called {found.name}."
            )
            return None
        if found is not None:
            return Outcome(False, found.public_id, organization=found)
        with collected.trying(row, REFUSALS):
            made = _create(row, parent, doing)
            return Outcome(True, made.public_id, organization=made)
        return None

    def _parent(self, row: Read, doing: Doing, collected: Collected) -> Organization | None:
        """Return the parent that a row names. Where it comes with the same file, and that is rehearsed, it is made first."""
        if not row["parent"]:
            return None
        try:
            return parent_called(row["parent"])
        except NoOrganization:
            if doing.parent is None:
                raise
        with collected.trying(row, dict.fromkeys(REFUSALS, "parent")):
            return _create(doing.parent, None, doing)
        raise NoOrganization("parent", "It cannot be made.")


def _create(row: Read, parent: Organization | None, doing: Doing) -> Organization:
    return create_organization(
        name=row["name"],
        external_id=row["external_id"],
        parent=parent,
        billing_email=row["billing_email"],
        anchored_on=row["anchored_on"],
        performed_by=doing.performed_by,
        now=doing.now,
        **{term: row[term] for term in TERMS},
    )
