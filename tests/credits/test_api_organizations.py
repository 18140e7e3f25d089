"""Children: creating, listing, reading, changing, suspending, resuming and archiving them."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.models import Wallet
from organizations.external_ids import ExternalIdTaken
from organizations.models import ApiKey, Organization
from tests import factories as f
from tests.callers import Caller, caller_of, child_path, error, ok
from tests.callers import clock as clock
from tests.parallel import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

STOPPED = "2026-05-10T12:00:00.000000+00:00"


@pytest.fixture
def parent() -> Organization:
    return f.make_organization("Harbour Reseller", funded=10_000)


@pytest.fixture
def child(parent: Organization) -> Organization:
    return f.make_organization("Nordwind Games", parent=parent)


@pytest.fixture
def boss(parent: Organization) -> Caller:
    return caller_of(parent)


EMPTY = {"balance": 0, "available": 0, "reservedCredits": 0, "debt": 0}


def describe(child: Organization, **changes: Any) -> dict[str, Any]:
    """Return what the API says of a child that was made at `NOW`, but for `changes`."""
    return {
        "id": child.public_id,
        "parentOrganizationId": child.parent and child.parent.public_id,
        "name": "Nordwind Games",
        "status": "active",
        "metadata": {},
        "billingEmail": None,
        "externalId": None,
        "archivedAt": None,
        "createdAt": STOPPED,
        "updatedAt": STOPPED,
        **changes,
    }


class TestCreate:
    def test_answers_a_new_child_with_an_empty_wallet(
        self, boss: Caller, parent: Organization
    ) -> None:
        body = ok(
            boss.post(
                "/organizations",
                {
                    "name": "Zoë & Söhne",
                    "metadata": {"plan": "gold"},
                    "billingEmail": "billing@example.com",
                },
            ),
            201,
        )

        child = Organization.objects.get(parent=parent)
        assert body == describe(
            child,
            name="Zoë & Söhne",
            metadata={"plan": "gold"},
            billingEmail="billing@example.com",
        )
        assert f.money_of(child) == f.amounts(0, 0, 0)

    def test_needs_only_a_name(self, boss: Caller) -> None:
        body = ok(boss.post("/organizations", {"name": "A"}), 201)

        assert (body["metadata"], body["billingEmail"]) == ({}, None)

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"name": ""},
            {"name": "   "},
            {"name": "n" * 129},
            {"name": None},
            {"name": 5},
            {"name": "a\nb"},
            {"name": "A", "billingEmail": "nobody"},
            {"name": "A", "billingEmail": ""},
            {"name": "A", "billingEmail": "a@" + "b" * 260 + ".com"},
            {"name": "A", "metadata": {"k": 5}},
            {"name": "A", "metadata": {"k": None}},
            {"name": "A", "metadata": {"": "v"}},
            {"name": "A", "metadata": {f"k{n}": "v" for n in range(51)}},
            {"name": "A", "metadata": {f"k{n}": "v" * 500 for n in range(40)}},
            {"name": "A", "status": "suspended"},
            {"name": "A", "parentOrganizationId": None},
        ],
    )
    def test_refuses_a_body_that_breaks_the_rules(self, boss: Caller, body: dict[str, Any]) -> None:
        assert error(boss.post("/organizations", body)) == (422, "VALIDATION")
        assert Organization.objects.count() == 1

    def test_creates_once_for_its_key(self, boss: Caller) -> None:
        first = boss.post("/organizations", {"name": "A"}, key="k")
        again = boss.post("/organizations", {"name": "A"}, key="k")

        assert (again.status_code, again.content) == (201, first.content)
        assert Wallet.objects.count() == 2

    def test_creates_another_without_a_key(self, boss: Caller) -> None:
        ok(boss.post("/organizations", {"name": "A"}), 201)
        ok(boss.post("/organizations", {"name": "A"}), 201)

        assert Wallet.objects.count() == 3

    def test_refuses_a_key_that_was_used_for_another_child(self, boss: Caller) -> None:
        boss.post("/organizations", {"name": "A"}, key="k")

        answer = boss.post("/organizations", {"name": "B"}, key="k")

        assert error(answer) == (409, "IDEMPOTENCY_CONFLICT")

    def test_refuses_a_child_of_a_child(self, parent: Organization, child: Organization) -> None:
        for caller in (caller_of(parent, acting=child), caller_of(child, "org:admin")):
            assert error(caller.post("/organizations", {"name": "A"})) == (422, "VALIDATION")

    def test_needs_org_admin(self, parent: Organization, child: Organization) -> None:
        for caller in (caller_of(parent, "*"), caller_of(child)):
            answer = caller.post("/organizations", {"name": "A"})
            assert error(answer) == (403, "FORBIDDEN_SCOPE")


class TestList:
    def test_answers_own_direct_children_newest_first(
        self, boss: Caller, parent: Organization
    ) -> None:
        f.make_family()
        for name in ("A", "B", "C"):
            f.make_organization(name, parent=parent)

        body = ok(boss.get("/organizations"))

        assert [item["name"] for item in body["items"]] == ["C", "B", "A"]
        assert body["nextCursor"] is None

    def test_answers_each_as_it_is(self, boss: Caller, child: Organization) -> None:
        assert ok(boss.get("/organizations"))["items"] == [describe(child) | {"wallet": EMPTY}]

    def test_says_what_each_has(self, boss: Caller, parent: Organization) -> None:
        rich = f.make_organization("Rich", parent=parent, funded=50)
        f.reserve(rich, 20)
        late = f.make_organization("Late", parent=parent, funded=50)
        f.reserve(late, 20, ttl=timedelta(minutes=1), now=f.later(minutes=-5))
        poor = f.make_organization("Poor", parent=parent, funded=10)
        f.settle(f.reserve(poor, 10), 15)
        ended = f.make_organization("Ended", parent=parent)
        f.grant(ended, 5, expires_at=f.NOW, now=f.later(days=-1))

        wallets = {item["name"]: item["wallet"] for item in ok(boss.get("/organizations"))["items"]}

        assert wallets == {
            "Rich": {"balance": 50, "available": 30, "reservedCredits": 20, "debt": 0},
            "Late": {"balance": 50, "available": 50, "reservedCredits": 0, "debt": 0},
            "Poor": {"balance": -5, "available": 0, "reservedCredits": 0, "debt": 5},
            "Ended": EMPTY,
        }

    def test_asks_as_often_for_many_as_for_one(self, boss: Caller, parent: Organization) -> None:
        counts = []
        boss.get("/organizations")
        for _ in range(2):
            f.archive(f.make_organization(parent=parent))
            f.make_organization(parent=parent, funded=5)
            with CaptureQueriesContext(connection) as queries:
                ok(boss.get("/organizations"))
            counts.append(len(queries))

        assert counts[0] == counts[1]

    def test_goes_a_page_at_a_time(self, boss: Caller, parent: Organization) -> None:
        for name in "ABCDE":
            f.make_organization(name, parent=parent)

        first = ok(boss.get("/organizations", limit=2))
        f.make_organization("F", parent=parent)
        second = ok(boss.get("/organizations", limit=2, cursor=first["nextCursor"]))
        third = ok(boss.get("/organizations", limit=2, cursor=second["nextCursor"]))

        names = [[item["name"] for item in page["items"]] for page in (first, second, third)]
        assert names == [["E", "D"], ["C", "B"], ["A"]]
        assert third["nextCursor"] is None

    @pytest.mark.parametrize("status", ["active", "suspended", "archived"])
    def test_filters_by_status(self, boss: Caller, parent: Organization, status: str) -> None:
        f.make_organization("active", parent=parent)
        f.suspend(f.make_organization("suspended", parent=parent))
        f.archive(f.make_organization("archived", parent=parent))

        body = ok(boss.get("/organizations", status=status))

        assert [item["name"] for item in body["items"]] == [status]

    def test_takes_a_limit_of_200(self, boss: Caller) -> None:
        assert boss.get("/organizations", limit=200).status_code == 200

    @pytest.mark.parametrize(
        "query", [{"limit": 201}, {"limit": 0}, {"status": "gone"}, {"name": "A"}, {"cursor": "x"}]
    )
    def test_refuses_a_query_that_breaks_the_rules(
        self, boss: Caller, query: dict[str, Any]
    ) -> None:
        assert error(boss.get("/organizations", **query)) == (422, "VALIDATION")

    def test_is_empty_for_a_child(self, parent: Organization, child: Organization) -> None:
        assert ok(caller_of(parent, acting=child).get("/organizations"))["items"] == []


class TestGet:
    def test_answers_the_child_with_its_summary(self, boss: Caller, child: Organization) -> None:
        f.allocate(child, 5_000)
        f.reserve(child, 120)
        f.set_terms(child, monthly_cap=5_000, refill_threshold=1_000, refill_amount=2_000)

        assert ok(boss.get(child_path(child))) == describe(
            child,
            summary={
                "projectCount": 0,
                "balance": 5000,
                "available": 4880,
                "creditConfig": {
                    "monthlyCreditCap": 5000,
                    "refillThreshold": 1000,
                    "refillAmount": 2000,
                    "autoRefillEnabled": True,
                },
            },
        )

    def test_sums_up_the_wallet_as_it_is_now(
        self, boss: Caller, child: Organization, clock: time_machine.Traveller
    ) -> None:
        f.allocate(child, 100)
        f.reserve(child, 60, ttl=timedelta(minutes=1))
        clock.move_to(f.later(minutes=1))

        assert ok(boss.get(child_path(child)))["summary"]["available"] == 100

    def test_knows_direct_children_only(self, boss: Caller, parent: Organization) -> None:
        _, stranger = f.make_family()

        for other in (parent, stranger):
            assert error(boss.get(child_path(other))) == (404, "NOT_FOUND")


class TestPatch:
    def test_changes_what_is_sent(
        self, boss: Caller, child: Organization, clock: time_machine.Traveller
    ) -> None:
        clock.move_to(f.later(seconds=1))

        body = ok(boss.patch(child_path(child), {"name": "New", "billingEmail": "a@example.com"}))

        assert body == describe(
            child,
            name="New",
            billingEmail="a@example.com",
            updatedAt="2026-05-10T12:00:01.000000+00:00",
        )

    def test_clears_the_email_with_null(self, boss: Caller, child: Organization) -> None:
        boss.patch(child_path(child), {"billingEmail": "a@example.com"})

        body = ok(boss.patch(child_path(child), {"billingEmail": None}))

        assert body["billingEmail"] is None

    def test_changes_nothing_for_an_empty_object(
        self, boss: Caller, child: Organization, clock: time_machine.Traveller
    ) -> None:
        clock.move_to(f.later(seconds=1))

        assert ok(boss.patch(child_path(child), {})) == describe(child)

    @pytest.mark.parametrize(
        ("before", "patch", "after"),
        [
            ({"a": "1"}, {"b": "2"}, {"a": "1", "b": "2"}),
            ({"a": "1"}, {"a": "2"}, {"a": "2"}),
            ({"a": "1", "b": "2"}, {"a": ""}, {"b": "2"}),
            ({"a": "1"}, {"z": ""}, {"a": "1"}),
            ({"a": "1"}, {}, {"a": "1"}),
            ({"a": "1", "b": "2"}, None, {}),
        ],
    )
    def test_merges_metadata_key_by_key(
        self, boss: Caller, before: dict[str, str], patch: Any, after: dict[str, str]
    ) -> None:
        made = ok(boss.post("/organizations", {"name": "A", "metadata": before}), 201)

        body = ok(boss.patch(f"/organizations/{made['id']}", {"metadata": patch}))

        assert body["metadata"] == after

    def test_merges_two_at_once_into_both(self, parent: Organization, child: Organization) -> None:
        callers = [caller_of(parent) for _ in range(8)]

        at_once(8, lambda n: callers[n].patch(child_path(child), {"metadata": {f"k{n}": "v"}}))

        assert len(Organization.objects.get(id=child.id).metadata) == 8

    def test_bounds_metadata_after_the_merge(self, boss: Caller, child: Organization) -> None:
        ok(boss.patch(child_path(child), {"metadata": {f"a{n}": "v" for n in range(30)}}))

        more = boss.patch(child_path(child), {"metadata": {f"b{n}": "v" for n in range(21)}})
        instead = {f"a{n}": "" for n in range(30)} | {f"b{n}": "v" for n in range(20)}

        assert error(more) == (422, "VALIDATION")
        assert len(ok(boss.patch(child_path(child), {"metadata": instead}))["metadata"]) == 20

    def test_bounds_the_size_of_metadata_after_the_merge(
        self, boss: Caller, child: Organization
    ) -> None:
        ok(boss.patch(child_path(child), {"metadata": {f"a{n}": "v" * 500 for n in range(20)}}))

        more = boss.patch(child_path(child), {"metadata": {f"b{n}": "v" * 500 for n in range(20)}})

        assert error(more) == (422, "VALIDATION")

    @pytest.mark.parametrize(
        "body",
        [
            {"name": None},
            {"name": ""},
            {"name": "n" * 129},
            {"metadata": {"k": None}},
            {"metadata": []},
            {"billingEmail": "nobody"},
            {"status": "suspended"},
            {"summary": {}},
        ],
    )
    def test_refuses_a_body_that_breaks_the_rules(
        self, boss: Caller, child: Organization, body: dict[str, Any]
    ) -> None:
        assert error(boss.patch(child_path(child), body)) == (422, "VALIDATION")
        assert ok(boss.get("/organizations"))["items"] == [describe(child) | {"wallet": EMPTY}]

    def test_refuses_to_go_without_a_body(self, boss: Caller, child: Organization) -> None:
        assert error(boss.patch(child_path(child))) == (422, "VALIDATION")

    def test_changes_once_for_its_key(self, boss: Caller, child: Organization) -> None:
        first = boss.patch(child_path(child), {"name": "New"}, key="k")
        boss.patch(child_path(child), {"name": "Newer"})

        again = boss.patch(child_path(child), {"name": "New"}, key="k")

        assert (again.status_code, again.content) == (200, first.content)
        assert Organization.objects.get(id=child.id).name == "Newer"

    def test_knows_direct_children_only(self, boss: Caller, parent: Organization) -> None:
        _, stranger = f.make_family()

        for other in (parent, stranger):
            assert error(boss.patch(child_path(other), {"name": "X"})) == (404, "NOT_FOUND")


class TestExternalId:
    """What its parent calls a child: each has its own, and is found by it."""

    def make(self, boss: Caller, name: str | None, **fields: Any) -> Any:
        return boss.post("/organizations", {"name": "A", "externalId": name, **fields})

    def found(self, boss: Caller, name: str, **query: Any) -> list[str]:
        items = ok(boss.get("/organizations", externalId=name, **query))["items"]
        return [item["id"] for item in items]

    def test_is_said_wherever_the_child_is(self, boss: Caller) -> None:
        made = ok(self.make(boss, "acme-7"), 201)

        read = ok(boss.get(f"/organizations/{made['id']}"))
        (listed,) = ok(boss.get("/organizations"))["items"]
        assert [body["externalId"] for body in (made, read, listed)] == ["acme-7"] * 3

    def test_finds_the_child_of_whoever_asks(self, boss: Caller) -> None:
        made = ok(self.make(boss, "acme-7"), 201)
        ok(self.make(boss, "acme-8"), 201)
        stranger = caller_of(f.make_organization("Stranger"))

        assert self.found(boss, "acme-7") == [made["id"]]
        assert self.found(boss, "acme-7", status="suspended") == []
        assert self.found(boss, "acme") == []
        assert self.found(stranger, "acme-7") == []

    def test_is_one_childs_of_a_parent(self, boss: Caller) -> None:
        ok(self.make(boss, "acme-7"), 201)
        other = ok(self.make(boss, None), 201)
        refused = (
            self.make(boss, "acme-7"),
            boss.patch(f"/organizations/{other['id']}", {"externalId": "acme-7"}),
        )

        for answer in refused:
            assert error(answer) == (409, "CONFLICT")
            assert list(answer.json()["error"]["details"]["fields"]) == ["externalId"]
        assert len(ok(boss.get("/organizations"))["items"]) == 2
        assert ok(self.make(caller_of(f.make_organization("Stranger")), "acme-7"), 201)

    def test_of_several_at_once_one_gets_it(self, parent: Organization) -> None:
        children = [f.make_organization(parent=parent) for _ in range(4)]
        callers = [caller_of(parent) for _ in range(4)]

        answers = at_once(
            4, lambda n: callers[n].patch(child_path(children[n]), {"externalId": "acme-7"})
        )

        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]

    def test_changes_and_goes(self, boss: Caller) -> None:
        path = f"/organizations/{ok(self.make(boss, 'a'), 201)['id']}"

        for name in ("b", "b", None):
            assert ok(boss.patch(path, {"externalId": name}))["externalId"] == name
        assert ok(self.make(boss, "b"), 201)

    def test_of_an_archived_child_is_free_again(self, boss: Caller) -> None:
        old = ok(self.make(boss, "acme-7"), 201)
        ok(boss.delete(f"/organizations/{old['id']}"))

        new = ok(self.make(boss, "acme-7"), 201)

        assert self.found(boss, "acme-7") == [new["id"], old["id"]]
        assert self.found(boss, "acme-7", status="archived") == [old["id"]]

    def test_is_one_roots_of_all(self) -> None:
        f.make_organization("Acme", external_id="acme-7")

        with pytest.raises(ExternalIdTaken):
            f.make_organization("Bolt", external_id="acme-7")

    @pytest.mark.parametrize("name", ["", " a", "a ", "ﬁne", "a\u200db", "n" * 129, 7])
    def test_has_one_spelling(self, boss: Caller, child: Organization, name: Any) -> None:
        for answer in (
            self.make(boss, name),
            boss.patch(child_path(child), {"externalId": name}),
        ):
            assert error(answer) == (422, "VALIDATION")
            assert list(answer.json()["error"]["details"]["fields"]) == ["externalId"]


class TestSuspend:
    def test_answers_the_suspended_child(
        self, boss: Caller, child: Organization, clock: time_machine.Traveller
    ) -> None:
        clock.move_to(f.later(seconds=1))

        body = ok(boss.post(f"{child_path(child)}/suspend"))

        changed_at = "2026-05-10T12:00:01.000000+00:00"
        assert body == describe(child, status="suspended", updatedAt=changed_at)

    def test_twice_is_once(
        self, boss: Caller, child: Organization, clock: time_machine.Traveller
    ) -> None:
        first = ok(boss.post(f"{child_path(child)}/suspend"))
        clock.move_to(f.later(seconds=1))

        assert ok(boss.post(f"{child_path(child)}/suspend")) == first

    def test_closes_every_door_to_the_childs_keys(self, boss: Caller, child: Organization) -> None:
        caller = caller_of(child)
        ok(boss.post(f"{child_path(child)}/suspend"))

        for answer in (
            caller.get("/whoami"),
            caller.get("/credits"),
            caller.reserve(1),
            caller.get("/organizations"),
        ):
            assert error(answer) == (503, "KILL_SWITCH")

    def test_refuses_an_archived_child(self, boss: Caller, child: Organization) -> None:
        f.archive(child)

        assert error(boss.post(f"{child_path(child)}/suspend")) == (409, "CONFLICT")

    def test_takes_an_idempotency_key(self, boss: Caller, child: Organization) -> None:
        first = boss.post(f"{child_path(child)}/suspend", key="k")
        f.resume(child)

        again = boss.post(f"{child_path(child)}/suspend", key="k")

        assert again.content == first.content
        assert Organization.objects.get(id=child.id).status == "active"

    def test_takes_no_fields(self, boss: Caller, child: Organization) -> None:
        answer = boss.post(f"{child_path(child)}/suspend", {"reason": "late"})

        assert error(answer) == (422, "VALIDATION")
        assert ok(boss.post(f"{child_path(child)}/suspend", {}))["status"] == "suspended"


class TestResume:
    def test_lets_the_child_in_again(self, boss: Caller, child: Organization) -> None:
        caller = caller_of(child)
        f.suspend(child)

        body = ok(boss.post(f"{child_path(child)}/resume"))

        assert body == describe(child)
        assert caller.get("/credits").status_code == 200

    def test_of_an_active_child_changes_nothing(self, boss: Caller, child: Organization) -> None:
        assert ok(boss.post(f"{child_path(child)}/resume")) == describe(child)

    def test_refuses_an_archived_child(self, boss: Caller, child: Organization) -> None:
        f.archive(child)

        assert error(boss.post(f"{child_path(child)}/resume")) == (409, "CONFLICT")

    def test_takes_an_idempotency_key(self, boss: Caller, child: Organization) -> None:
        f.suspend(child)
        first = boss.post(f"{child_path(child)}/resume", key="k")
        f.suspend(child)

        assert boss.post(f"{child_path(child)}/resume", key="k").content == first.content
        assert Organization.objects.get(id=child.id).status == "suspended"


class TestArchive:
    def test_answers_the_example_of_the_contract(
        self, boss: Caller, parent: Organization, child: Organization
    ) -> None:
        f.allocate(child, 3_500)
        f.reserve(child, 300)
        for _ in range(2):
            f.make_key(child)

        assert ok(boss.delete(child_path(child))) == {
            "id": child.public_id,
            "status": "archived",
            "archivedAt": STOPPED,
            "reclaimedCredits": 3200,
            "revokedApiKeys": 2,
        }
        assert f.wallet_of(parent).balance == 9_700
        assert f.money_of(child) == f.amounts(300, 300, 0)

    def test_revokes_the_keys_at_once(self, boss: Caller, child: Organization) -> None:
        caller = caller_of(child)
        ok(boss.delete(child_path(child)))

        assert error(caller.get("/whoami")) == (401, "UNAUTHENTICATED")
        assert not ApiKey.objects.filter(organization=child, revoked_at=None).exists()

    def test_repeated_answers_the_terminal_state(
        self, boss: Caller, child: Organization, clock: time_machine.Traveller
    ) -> None:
        first = ok(boss.delete(child_path(child)))
        clock.move_to(f.later(seconds=1))

        assert ok(boss.delete(child_path(child))) == first

    def test_leaves_the_child_readable_to_its_parent(
        self, boss: Caller, child: Organization
    ) -> None:
        ok(boss.delete(child_path(child)))

        body = ok(boss.get(child_path(child)))

        assert (body["status"], body["archivedAt"]) == ("archived", STOPPED)
        assert body["summary"]["balance"] == 0

    def test_of_a_suspended_child_is_possible(self, boss: Caller, child: Organization) -> None:
        f.suspend(child)

        assert ok(boss.delete(child_path(child)))["status"] == "archived"

    def test_knows_direct_children_only(self, boss: Caller, parent: Organization) -> None:
        _, stranger = f.make_family()

        for other in (parent, stranger):
            assert error(boss.delete(child_path(other))) == (404, "NOT_FOUND")
        assert not Organization.objects.filter(status="archived").exists()

    def test_needs_org_admin(self, parent: Organization, child: Organization) -> None:
        assert error(caller_of(parent, "*").delete(child_path(child))) == (403, "FORBIDDEN_SCOPE")
