"""The README's first settled reservation, and a refusal, by the client that openapi-python-client makes of the document.

Run by `tests/clients/check_clients.py` with the address and a key, where that client is.
"""

import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from purser_client import AuthenticatedClient
from purser_client.api.credits_ import get_credit_events, get_credits
from purser_client.api.usage import get_events, post_events, post_reservations, post_settlement
from purser_client.api.whoami import get_who_am_i
from purser_client.models import (
    CreditsShape,
    DenialError,
    EventShapePage,
    InvalidError,
    ReservationShape,
    ReservationStatus,
    Reserve,
    ResultsShape,
    Settle,
    TellEvents,
    ToldEvent,
    UsageEventShapePage,
    WhoAmIShape,
)


def first_reservation(client: Any) -> None:
    who = get_who_am_i.sync(client=client)
    assert isinstance(who, WhoAmIShape)
    assert who.parent_organization_id is None

    before = get_credits.sync(client=client)
    assert isinstance(before, CreditsShape)
    assert before.subscription_tier is None
    assert isinstance(before.current_period.end, datetime)

    held = reserve(client, 12.5)
    assert isinstance(held, ReservationShape)
    assert held.status == ReservationStatus.OPEN
    assert (held.settled_credits, held.requested_model, held.rated_at) == (None, None, None)
    assert held.expires_at > datetime.now(UTC)

    settled = post_settlement.sync(held.id, client=client, body=Settle(credits_=9.75))
    assert isinstance(settled, ReservationShape)
    assert (settled.status, settled.settled_credits) == (ReservationStatus.SETTLED, 9.75)

    entries = get_credit_events.sync(client=client, limit=1)
    assert isinstance(entries, EventShapePage)
    assert entries.items[0].credits_ == -9.75
    assert entries.next_cursor is not None


def refusal(client: Any) -> None:
    refused = reserve(client, 50000)
    assert isinstance(refused, DenialError), refused
    assert refused.error.code == "BILLING_EXHAUSTED"
    details = refused.error.details
    assert details.affordable_credits == 90.25
    assert details.affordable_output_tokens is None
    assert [limit.scope for limit in details.limits if limit.binding] == ["pool"]
    assert details.unblocks_at is None or isinstance(details.unblocks_at, datetime)

    invalid = reserve(client, -1)
    assert isinstance(invalid, InvalidError)
    assert "estimatedCredits" in invalid.error.details.fields.additional_properties


def dates(client: Any) -> None:
    """Times that the client writes are accepted, in a body and in a query."""
    now = datetime.now(UTC)
    work = ToldEvent(source="clients", id=str(uuid4()), credits_=1, occurred_at=now)
    told = post_events.sync(client=client, body=TellEvents(events=[work]))
    assert isinstance(told, ResultsShape), told
    assert told.results[0].status == "accepted", told

    hour = timedelta(hours=1)
    events = get_events.sync(client=client, since=now - hour, until=now + hour)
    assert isinstance(events, UsageEventShapePage), events
    assert len(events.items) == 2
    assert events.next_cursor is None
    assert events.items[0].reservation_id is None

    by_contract = f"{now - hour:%Y-%m-%dT%H:%M:%SZ}"
    entries = get_credit_events.sync(client=client, since=by_contract)
    assert isinstance(entries, EventShapePage), entries
    assert entries.next_cursor is None

    then = get_credits.sync(client=client, as_of=now)
    assert isinstance(then, CreditsShape), then


def reserve(client: Any, credits: float) -> Any:
    asked = Reserve(estimated_credits=credits, expires_in_seconds=300)
    return post_reservations.sync(client=client, body=asked, idempotency_key=str(uuid4()))


if __name__ == "__main__":
    with AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2]) as purser:
        first_reservation(purser)
        refusal(purser)
        dates(purser)
