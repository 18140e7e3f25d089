"""The doors of a ledger: what was posted, and which work it charged."""

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from credits.models import LedgerEntry
from credits.services import ledger_of
from organizations.doors import ApiView, operation
from organizations.models import Organization
from organizations.pagination import page_of
from organizations.scopes import CREDITS_READ, ORG_ADMIN
from usage.serializers import ledger as shapes
from usage.services import history

EVENTS = page_of(shapes.EventShape)


class LedgerView(ApiView):
    """What the views of ledgers share."""

    def events(self, organization: Organization) -> Response:
        query = self.query
        listing = ledger_of(
            organization,
            kinds=_kinds(query.get("event_type")),
            project_id=query.get("project_id"),
            since=query.get("since"),
            until=query.get("until"),
            reference=query.get("reference"),
        )
        found = listing._replace(rows=history.with_events(listing.rows))
        return self.page(shape=shapes.EventShape, **found._asdict())


def _kinds(event_type: str | None) -> list[str] | None:
    """Return the kinds of entries that are of a type; null for any."""
    if event_type is None:
        return None
    return [kind for kind in LedgerEntry.Kind if shapes.EVENT_TYPES[kind] == event_type]


class CreditEvents(LedgerView):
    @operation(CREDITS_READ, query=shapes.EventQuery, answer=EVENTS)
    def get(self, request: Request) -> Response:
        """Your ledger, newest first."""
        return self.events(self.acting)


class ChildCreditEvents(LedgerView):
    @operation(ORG_ADMIN, query=shapes.EventQuery, answer=EVENTS)
    def get(self, request: Request, org_id: UUID) -> Response:
        """The ledger of a child, newest first."""
        return self.events(self.child(org_id))
