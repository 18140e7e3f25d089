"""Reading a ledger: GET /api/v1/credits/events, and a child's."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import services
from credits.models import LedgerEntry
from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, child_path, error, ok
from tests.callers import clock as clock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


def items(caller: Caller, path: str = "/credits/events", **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(caller.get(path, **query))["items"]
    return found


def types(caller: Caller, **query: Any) -> list[str]:
    return [item["eventType"] for item in items(caller, **query)]


def one_of_each() -> Organization:
    """Return a parent whose ledger has an entry of every kind but the reversal."""
    parent, child = f.make_family(funded=1_000)
    f.set_terms(parent, allowance=50, recharge_limit=100)
    f.recharge(parent, 20)
    f.adjust(parent, -5)
    f.grant(parent, 3, expires_at=f.later(minutes=1))
    f.spend(parent, 2)
    f.allocate(child, 100)
    f.reclaim(child, 10)
    f.set_terms(child, refill_threshold=200, refill_amount=60)
    f.reserve(child, 30, ttl=timedelta(minutes=1))
    f.archive(child)
    f.renew(parent, now=f.at("2026-06-01"))
    return parent


class TestRefund:
    """An entry that was taken back."""

    def test_of_work_is_a_refund_of_its_project(self) -> None:
        one = f.make_organization(funded=100)
        work = f.settle(f.reserve(one, 8, metadata={"projectId": "p-1"}), 8)
        f.reverse(LedgerEntry.objects.get(reservation=work))

        found = items(caller_of(one), projectId="p-1")

        assert [(item["eventType"], item["credits"]) for item in found] == [
            ("refund", 8),
            ("usage", -8),
        ]
        assert found[0]["usageAfterPeriod"] == 0

    def test_of_a_transfer_says_which_way_it_went_and_to_whom(self) -> None:
        parent, child = f.make_family()
        sent, _ = f.allocate(child, 40)
        f.reverse(sent)

        newest = items(caller_of(parent))[0]

        assert (newest["eventType"], newest["credits"]) == ("refund", 40)
        assert newest["description"] == "mistake"
        assert newest["metadata"] == {"direction": "in", "counterpartyOrgId": child.public_id}


class TestItem:
    def test_is_the_example_of_the_contract(self, clock: time_machine.Traveller) -> None:
        now = f.at("2026-06-03 18:14:02.187")
        parent, child = f.make_family(funded=10_000, now=now)
        f.grant(child, 400, now=now)
        _, received = f.allocate(child, 5_000, now=now)
        clock.move_to(now)

        newest = items(caller_of(child))[0]

        extra = {
            "description": None,
            "metadata": {"direction": "in", "counterpartyOrgId": parent.public_id},
        }
        assert newest == extra | {
            "eventId": str(received.id),
            "projectId": None,
            "credits": 5000,
            "eventType": "allocation",
            "format": None,
            "containerId": None,
            "workflowId": None,
            "balanceAfterPrepaid": 5400,
            "usageAfterPeriod": None,
            "createdAt": "2026-06-03T18:14:02.187Z",
        }

    def test_of_work_is_negative_and_says_what_the_period_used(self) -> None:
        organization = f.make_organization(allowance=100, funded=50)
        f.spend(organization, 30)
        f.spend(organization, "90.5")

        newest, before, *_ = items(caller_of(organization))

        assert (newest["eventType"], newest["credits"]) == ("usage", -90.5)
        assert (newest["usageAfterPeriod"], newest["balanceAfterPrepaid"]) == (120.5, 29.5)
        assert (before["usageAfterPeriod"], before["balanceAfterPrepaid"]) == (30, 50)

    def test_of_work_says_what_it_was_for(self) -> None:
        organization = f.make_organization(funded=50)
        about = {
            "projectId": "prj_1",
            "format": "video_remix",
            "containerId": "box-7",
            "workflowId": "wf-9",
        }
        f.settle(f.reserve(organization, 5, metadata=about | {"note": "private"}), 5)

        newest = items(caller_of(organization))[0]

        assert {name: newest[name] for name in about} == about
        assert "metadata" not in newest
        assert "description" not in newest

    def test_of_a_transfer_says_why_and_with_whom_on_both_sides(self) -> None:
        parent, child = f.make_family()
        services.allocate(
            child=child,
            amount=Decimal(40),
            performed_by=f.KEY,
            now=f.NOW,
            description="June",
            metadata={"invoice": "7", "direction": "up", "counterpartyOrgId": "org_forged"},
        )

        sent, received = items(caller_of(parent))[0], items(caller_of(child))[0]

        assert (sent["credits"], received["credits"]) == (-40, 40)
        assert sent["description"] == received["description"] == "June"
        assert sent["metadata"] == {
            "invoice": "7",
            "direction": "out",
            "counterpartyOrgId": child.public_id,
        }
        assert received["metadata"] == {
            "invoice": "7",
            "direction": "in",
            "counterpartyOrgId": parent.public_id,
        }

    def test_has_a_type_for_every_kind(self) -> None:
        parent = one_of_each()
        kinds = {entry.kind for entry in f.entries_of(parent)}

        assert kinds == set(LedgerEntry.Kind) - {"reversal"}
        assert types(caller_of(parent)) == [
            "grant",  # the new term
            "adjustment",  # the lapse of the grant that ended
            "allocation",  # the sweep of the archived child
            "allocation",  # the refill before
            "allocation",  # what was taken back from the child
            "allocation",
            "usage",
            "grant",
            "adjustment",
            "purchase",
            "grant",
        ]

    def test_of_a_refill_is_an_allocation_on_both_ledgers(self) -> None:
        parent, child = f.make_family(refill_threshold=10, refill_amount=60)
        f.reserve(child, 30)

        sent, received = items(caller_of(parent))[0], items(caller_of(child))[0]

        assert (sent["eventType"], sent["credits"]) == ("allocation", -60)
        assert (received["eventType"], received["credits"]) == ("allocation", 60)
        assert received["metadata"] == {
            "direction": "in",
            "counterpartyOrgId": parent.public_id,
        }


class TestList:
    def test_is_newest_first_a_page_at_a_time(self) -> None:
        organization = f.make_organization()
        for amount in range(1, 8):
            f.grant(organization, amount)
        caller = caller_of(organization)

        first = ok(caller.get("/credits/events", limit=3))
        f.grant(organization, 100)  # what arrives meanwhile moves nothing
        second = ok(caller.get("/credits/events", limit=3, cursor=first["nextCursor"]))
        third = ok(caller.get("/credits/events", limit=3, cursor=second["nextCursor"]))

        pages = [[item["credits"] for item in page["items"]] for page in (first, second, third)]
        assert pages == [[7, 6, 5], [4, 3, 2], [1]]
        assert third["nextCursor"] is None

    def test_has_25_to_a_page_unless_asked(self) -> None:
        organization = f.make_organization()
        for _ in range(26):
            f.grant(organization, 1)

        assert len(items(caller_of(organization))) == 25

    def test_ends_where_the_last_page_is_full(self) -> None:
        organization = f.make_organization()
        f.grant(organization, 1)
        f.grant(organization, 2)

        assert ok(caller_of(organization).get("/credits/events", limit=2))["nextCursor"] is None

    def test_shows_no_entry_of_another_wallet(self) -> None:
        f.make_organization(funded=100)

        assert items(caller_of(f.make_organization())) == []

    def test_costs_the_same_however_many_transfers_it_shows(self) -> None:
        parent, child = f.make_family()
        caller = caller_of(parent)
        caller.get("/whoami")
        counts = []
        for _ in range(2):
            f.allocate(child, 1)
            with CaptureQueriesContext(connection) as queries:
                items(caller)
            counts.append(len(queries))

        assert counts[0] == counts[1]

    def test_needs_the_scope(self) -> None:
        caller = caller_of(f.make_organization(), "usage:read", "manage")

        assert error(caller.get("/credits/events")) == (403, "FORBIDDEN_SCOPE")


class TestFilters:
    @pytest.mark.parametrize(
        ("event_type", "credits"),
        [
            ("usage", [-2]),
            ("refund", []),
            ("grant", [50, 3, 1_000]),
            ("purchase", [20]),
            ("adjustment", [-1, -5]),
            ("allocation", [120, -60, 10, -100]),
        ],
    )
    def test_by_type(self, event_type: str, credits: list[int]) -> None:
        caller = caller_of(one_of_each())

        assert [item["credits"] for item in items(caller, eventType=event_type)] == credits

    def test_by_project_leaves_out_what_has_none(self) -> None:
        organization = f.make_organization(funded=100)
        for project in ("prj_1", "prj_2"):
            f.settle(f.reserve(organization, 5, metadata={"projectId": project}), 5)
        f.spend(organization, 1)
        caller = caller_of(organization)

        assert [item["projectId"] for item in items(caller, projectId="prj_2")] == ["prj_2"]
        assert items(caller, projectId="prj_3") == []

    def test_by_time_includes_both_ends(self) -> None:
        organization = f.make_organization()
        for second in range(4):
            f.grant(organization, second + 1, now=f.at(f"2026-05-10 12:00:0{second}"))
        caller = caller_of(organization)

        found = items(caller, since="2026-05-10T12:00:01Z", until="2026-05-10T12:00:02.000Z")

        assert [item["credits"] for item in found] == [3, 2]

    def test_until_a_time_that_was_shown_includes_what_was_shown_with_it(self) -> None:
        organization = f.make_organization()
        f.grant(organization, 1, now=f.at("2026-05-10 12:00:00.187999"))
        f.grant(organization, 2, now=f.at("2026-05-10 12:00:00.188"))
        caller = caller_of(organization)
        shown = items(caller)[1]["createdAt"]

        assert shown == "2026-05-10T12:00:00.187Z"
        assert [item["credits"] for item in items(caller, until=shown)] == [1]

    def test_together_all_hold(self) -> None:
        caller = caller_of(one_of_each())

        assert types(caller, eventType="grant", until="2026-05-31T00:00:00Z") == ["grant", "grant"]

    def test_hold_on_every_page(self) -> None:
        organization = f.make_organization(funded=100)
        for _ in range(3):
            f.spend(organization, 1)
            f.grant(organization, 1)
        caller = caller_of(organization)

        first = ok(caller.get("/credits/events", eventType="usage", limit=2))
        rest = ok(
            caller.get("/credits/events", eventType="usage", limit=2, cursor=first["nextCursor"])
        )

        assert [item["eventType"] for item in first["items"] + rest["items"]] == ["usage"] * 3
        assert rest["nextCursor"] is None

    @pytest.mark.parametrize(
        "query",
        [
            {"since": "2026-05-10T12:00:00+00:00"},
            {"since": "2026-05-10T14:00:00+02:00"},
            {"until": "2026-05-10T12:00:00"},
            {"until": "2026-05-10"},
            {"until": "10 May 2026"},
            {"until": ""},
            {"eventType": "lapse"},
            {"eventType": ""},
            {"limit": "0"},
            {"limit": "101"},
            {"limit": "ten"},
            {"cursor": "garbage"},
            {"projectId": ""},
            {"order": "asc"},
        ],
    )
    def test_refuse_what_is_not_one(self, query: dict[str, str]) -> None:
        answer = caller_of(f.make_organization()).get("/credits/events", **query)

        assert error(answer) == (422, "VALIDATION")
        assert list(query) == list(answer.json()["error"]["details"]["fields"])

    @pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
    def test_reach_to_the_ends_of_time(self, moment: str) -> None:
        caller = caller_of(f.make_organization(funded=1))

        assert caller.get("/credits/events", since=moment, until=moment).status_code == 200

    def test_refuse_a_cursor_of_another_list(self) -> None:
        parent, _ = f.make_family()
        f.make_organization(parent=parent)
        caller = caller_of(parent)
        cursor = ok(caller.get("/organizations", limit=1))["nextCursor"]

        assert error(caller.get("/credits/events", cursor=cursor)) == (422, "VALIDATION")


class TestChildEvents:
    def test_are_the_childs_own(self) -> None:
        parent, child = f.make_family()
        f.allocate(child, 40)
        f.spend(child, 15)

        of_parent = items(caller_of(parent), f"{child_path(child)}/credits/events")

        assert of_parent == items(caller_of(child))
        assert [item["credits"] for item in of_parent] == [-15, 40]

    def test_take_the_same_filters(self) -> None:
        parent, child = f.make_family()
        f.allocate(child, 40)
        f.spend(child, 15)
        path = f"{child_path(child)}/credits/events"

        assert [i["credits"] for i in items(caller_of(parent), path, eventType="usage")] == [-15]

    def test_need_org_admin(self) -> None:
        parent, child = f.make_family()

        answer = caller_of(parent, "*").get(f"{child_path(child)}/credits/events")

        assert error(answer) == (403, "FORBIDDEN_SCOPE")

    def test_exist_for_direct_children_only(self) -> None:
        parent, _ = f.make_family()
        _, stranger = f.make_family()

        answer = caller_of(parent).get(f"{child_path(stranger)}/credits/events")

        assert error(answer) == (404, "NOT_FOUND")
