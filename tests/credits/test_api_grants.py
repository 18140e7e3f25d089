"""The lots that credits came in, and what ends when: GET /api/v1/credits/grants and `expiring` of GET /api/v1/credits."""

from typing import Any

import pytest
import time_machine

from credits import services
from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, child_path, error, ok
from tests.callers import clock as clock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

GRANTS = "/credits/grants"


@pytest.fixture
def organization() -> Organization:
    return f.make_organization()


@pytest.fixture
def backend(organization: Organization) -> Caller:
    return caller_of(organization)


def items(caller: Caller, path: str = GRANTS, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(caller.get(path, **query))["items"]
    return found


class TestGrants:
    def test_says_where_it_came_from_and_what_remains(
        self, backend: Caller, organization: Organization
    ) -> None:
        entry = f.grant(organization, 10, expires_at=f.later(days=3), reference="pay-1")
        f.spend(organization, 4)

        (item,) = items(backend)

        assert item.pop("id").startswith("grn_")
        assert item == {
            "source": "grant",
            "state": "live",
            "name": "",
            "category": "promotional",
            "granted": 10,
            "remaining": 6,
            "priority": 50,
            "entryId": entry.public_id,
            "reference": "pay-1",
            "effectiveAt": "2026-05-10T12:00:00.000Z",
            "expiresAt": "2026-05-13T12:00:00.000Z",
            "createdAt": "2026-05-10T12:00:00.000Z",
        }

    def test_those_that_can_be_spent_and_the_others(
        self, backend: Caller, organization: Organization, clock: time_machine.Traveller
    ) -> None:
        f.grant(organization, 1)
        f.spend(organization, 1)
        f.grant(organization, 2, expires_at=f.later(minutes=1))
        f.grant(organization, 3)
        clock.move_to(f.later(minutes=1))

        found = [(item["granted"], item["state"], item["remaining"]) for item in items(backend)]

        assert found == [(3, "live", 3), (2, "lapsed", 0), (1, "spent", 0)]
        assert [item["granted"] for item in items(backend, live="true")] == [3]
        assert [item["granted"] for item in items(backend, live="false")] == [2, 1]

    def test_by_source_and_page_by_page(self, backend: Caller, organization: Organization) -> None:
        for amount in (1, 2, 3):
            f.grant(organization, amount)
        f.adjust(organization, 4)

        first = ok(backend.get(GRANTS, source="grant", limit=2))
        second = ok(backend.get(GRANTS, source="grant", limit=2, cursor=first["nextCursor"]))

        pages = [item["granted"] for page in (first, second) for item in page["items"]]
        assert pages == [3, 2, 1]

    def test_a_parent_reads_them_of_its_child_and_of_nobody_else(self) -> None:
        parent, child = f.make_family()
        f.allocate(child, 7)
        boss = caller_of(parent)

        assert items(boss, f"{child_path(child)}{GRANTS}") == items(caller_of(child))
        assert error(boss.get(f"{child_path(f.make_organization())}{GRANTS}"))[0] == 404

    def test_needs_the_scope(self, organization: Organization) -> None:
        assert error(caller_of(organization, "usage:read").get(GRANTS)) == (403, "FORBIDDEN_SCOPE")

    @pytest.mark.parametrize("query", [{"live": "yes"}, {"source": "theft"}])
    def test_refuses_what_it_does_not_know(self, backend: Caller, query: dict[str, str]) -> None:
        assert error(backend.get(GRANTS, **query)) == (422, "VALIDATION")


class TestExpiring:
    def test_says_what_ends_next_of_all_that_ends_together(
        self, backend: Caller, organization: Organization
    ) -> None:
        for amount, days in ((1, 9), (2, 3), (3, 9)):
            f.grant(organization, amount, expires_at=f.later(days=days))
        f.grant(organization, 50)

        assert ok(backend.get("/credits"))["expiring"] == [
            {"credits": 2, "expiresAt": "2026-05-13T12:00:00.000Z"},
            {"credits": 4, "expiresAt": "2026-05-19T12:00:00.000Z"},
        ]

    def test_leaves_out_what_has_ended_and_names_the_next_five(
        self, backend: Caller, organization: Organization, clock: time_machine.Traveller
    ) -> None:
        for days in range(1, 9):
            f.grant(organization, days, expires_at=f.later(days=days))
        clock.move_to(f.later(days=2))

        assert [each["credits"] for each in ok(backend.get("/credits"))["expiring"]] == [
            3,
            4,
            5,
            6,
            7,
        ]

    def test_is_not_said_where_nothing_ends(
        self, backend: Caller, organization: Organization
    ) -> None:
        f.grant(organization, 5)

        assert "expiring" not in ok(backend.get("/credits"))


class TestStates:
    def test_one_of_each(
        self, backend: Caller, organization: Organization, clock: time_machine.Traveller
    ) -> None:
        f.grant(organization, 1, priority=1)
        f.spend(organization, 1)
        f.grant(organization, 2, expires_at=f.later(minutes=1), name="Trial", category="goodwill")
        gone = f.grant(organization, 3).grants.get()
        services.void(grant=gone, reason="r", performed_by=f.STAFF, now=f.NOW)
        f.grant(organization, 4)
        pending = f.schedule(
            organization, 5, effective_at=f.later(days=1), reference="p", category="paid"
        )
        clock.move_to(f.later(minutes=1))

        found = {
            state: [(item["granted"], item["state"]) for item in items(backend, status=state)]
            for state in ("spent", "lapsed", "voided", "live", "pending")
        }

        assert found == {
            "spent": [(1, "spent")],
            "lapsed": [(2, "lapsed")],
            "voided": [(3, "voided")],
            "live": [(4, "live")],
            "pending": [(5, "pending")],
        }
        assert [item["granted"] for item in items(backend)] == [4, 3, 2, 1]
        assert [item["name"] for item in items(backend, category="goodwill")] == ["Trial"]
        assert items(backend, status="pending", live="true") == []
        assert items(backend, status="pending", source="purchase") == []
        assert items(backend, status="pending", live="false", source="grant") == [
            {
                "id": pending.public_id,
                "source": "grant",
                "state": "pending",
                "name": "",
                "category": "paid",
                "granted": 5,
                "remaining": 0,
                "priority": 50,
                "entryId": None,
                "reference": "p",
                "effectiveAt": "2026-05-11T12:00:00.000Z",
                "expiresAt": None,
                "createdAt": "2026-05-10T12:00:00.000Z",
            }
        ]

    def test_what_is_due_is_live_before_a_command_posts_it(
        self, backend: Caller, organization: Organization, clock: time_machine.Traveller
    ) -> None:
        f.schedule(organization, 5, effective_at=f.later(days=1))
        clock.move_to(f.later(days=1))

        assert items(backend, status="pending") == []
        assert [item["state"] for item in items(backend, status="live")] == ["live"]

    @pytest.mark.parametrize("query", [{"status": "gone"}, {"category": "gift"}])
    def test_names_what_is_wrong(self, backend: Caller, query: dict[str, str]) -> None:
        answer = backend.get(GRANTS, **query)

        assert error(answer) == (422, "VALIDATION")
        assert next(iter(query)) in answer.content.decode()


class TestVoid:
    @pytest.fixture
    def family(self) -> tuple[Caller, Organization]:
        parent, child = f.make_family(funded=100)
        return caller_of(parent), child

    def void(
        self, caller: Caller, child: Organization, grant_id: str, key: str = "k", **body: str
    ) -> Any:
        path = f"{child_path(child)}/credits/grants/{grant_id}/void"
        return caller.post(path, {"reason": "ended", **body}, key=key)

    def test_gives_the_rest_back_to_the_parent(self, family: tuple[Caller, Organization]) -> None:
        caller, child = family
        _, received = f.allocate(child, 30)
        f.spend(child, 10)
        grant = received.grants.get()

        done = ok(self.void(caller, child, grant.public_id, reference="v"))
        again = ok(self.void(caller, child, grant.public_id, key="other", reference="v"))

        assert (done["voided"], done["credits"]["balance"]) == (20, 0)
        assert (done["grant"]["id"], done["grant"]["state"]) == (grant.public_id, "voided")
        assert again["entryId"] == done["entryId"]
        assert child.parent is not None
        assert f.money_of(child.parent)[0] == 90

    def test_cancels_what_is_pending(self, family: tuple[Caller, Organization]) -> None:
        caller, child = family
        pending = f.schedule(child, 5, effective_at=f.later(days=1))

        done = ok(self.void(caller, child, pending.public_id))

        assert (done["grant"]["state"], done["entryId"], done["voided"]) == ("voided", None, 0)
        again = self.void(caller, child, pending.public_id, key="again")
        assert error(again) == (409, "CONFLICT")

    def test_nothing_is_left_and_nobody_elses(self, family: tuple[Caller, Organization]) -> None:
        caller, child = family
        f.grant(child, 5)
        made = f.grants_of(child)[0]
        f.spend(child, 5)
        other = f.grants_of(f.make_organization("Other", funded=5))[0]

        assert error(self.void(caller, child, made.public_id)) == (409, "CONFLICT")
        of_others = self.void(caller, child, other.public_id, key="b")
        assert error(of_others) == (404, "NOT_FOUND")
