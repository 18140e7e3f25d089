"""From a hold to its event to its entry, and back: what the lists say of each other."""

from decimal import Decimal
from typing import Any

import pytest

from credits.models import LedgerEntry
from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, child_path, error, ok
from tests.callers import clock as clock
from usage import services
from usage.models import UsageEvent

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000)


@pytest.fixture
def backend(organization: Organization) -> Caller:
    return caller_of(organization)


def work_done(backend: Caller, credits: float = 5) -> str:
    """Hold and settle; return the id of the hold."""
    held: str = ok(backend.reserve(credits), 201)["id"]
    ok(backend.settle(held, credits))
    return held


def items(backend: Caller, path: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(backend.get(path, **query))["items"]
    return found


def tell(organization: Organization, *ids: str) -> None:
    told = [
        services.Told(source="jobs", id=id, occurred_at=f.NOW, credits=Decimal(1)) for id in ids
    ]
    services.record(organization=organization, told=told, performed_by=f.KEY, now=f.NOW)


class TestLedgerAndEvents:
    def test_an_entry_names_its_hold_and_its_event_and_the_event_its_entry(
        self, backend: Caller
    ) -> None:
        held = work_done(backend)

        entry, funding = items(backend, "/credits/events")
        (event,) = items(backend, "/usage/events")

        assert entry["reservationId"] == held
        assert entry["usageEventIds"] == [event["id"]]
        assert event["entryId"] == f"txn_{entry['eventId']}"
        assert not {"reservationId", "usageEventIds"} & funding.keys()

    def test_work_told_together_is_one_entry_that_names_the_first_of_its_events(
        self, backend: Caller, organization: Organization
    ) -> None:
        tell(organization, *(f"job-{number}" for number in range(12)))

        entry = items(backend, "/credits/events")[0]
        of_entry = items(backend, "/usage/events", entryId=f"txn_{entry['eventId']}")

        assert len(entry["usageEventIds"]) == 10
        assert len(of_entry) == 12
        assert {event["entryId"] for event in of_entry} == {f"txn_{entry['eventId']}"}
        assert "reservationId" not in entry

    def test_what_was_taken_back_names_the_correction(self, backend: Caller) -> None:
        held = work_done(backend)
        services.reverse(
            entry=LedgerEntry.objects.get(kind="settle"),
            reason="mistake",
            performed_by=f.STAFF,
            now=f.NOW,
        )

        refund = items(backend, "/credits/events")[0]
        correction = UsageEvent.objects.get(source="correction")

        assert refund["usageEventIds"] == [correction.public_id]
        assert items(backend, "/usage/events", entryId=f"txn_{refund['eventId']}") == [
            event
            for event in items(backend, "/usage/events")
            if event["id"] == correction.public_id
        ]
        assert refund.get("reservationId", held) == held

    def test_events_are_found_by_their_hold(self, backend: Caller) -> None:
        first, second = work_done(backend), work_done(backend)

        found = [
            [event["reservationId"] for event in items(backend, "/usage/events", reservationId=id)]
            for id in (first, second)
        ]

        assert found == [[first], [second]]

    def test_free_work_has_no_entry(self, backend: Caller) -> None:
        work_done(backend, 0)

        assert items(backend, "/usage/events")[0]["entryId"] is None

    def test_an_entry_of_somebody_else_finds_nothing(self, backend: Caller) -> None:
        work_done(caller_of(f.make_organization(funded=10)))
        (theirs,) = LedgerEntry.objects.filter(kind="settle")

        assert items(backend, "/usage/events", entryId=theirs.public_id) == []

    def test_a_parent_reads_them_of_its_child(self) -> None:
        parent, child = f.make_family()
        f.allocate(child, 10)
        held = work_done(caller_of(child))

        newest = items(caller_of(parent), f"{child_path(child)}/credits/events")[0]

        assert newest["reservationId"] == held

    @pytest.mark.parametrize("query", [{"entryId": "txn_x"}, {"reservationId": "evt_1"}])
    def test_refuses_what_is_no_id(self, backend: Caller, query: dict[str, str]) -> None:
        assert error(backend.get("/usage/events", **query)) == (422, "VALIDATION")
