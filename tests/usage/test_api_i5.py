"""Informer i5 over HTTP: every body of its documents, field by field."""

from typing import Any

import pytest
import time_machine

from credits.models import CreditConfig
from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, ok
from tests.callers import clock as clock
from tests.usage import people as p

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


class I5(Caller):
    """A caller whose paths begin after `/api`."""

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api{path}", query)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        return self.client.post(f"/api{path}", body)

    def put(self, path: str, body: Any) -> Any:
        return self.client.put(f"/api{path}", body)

    def patch(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        return self.client.patch(f"/api{path}", body)

    def delete(self, path: str) -> Any:
        return self.client.delete(f"/api{path}")


def error(response: Any) -> tuple[int, str]:
    """Return the status and the code of a Boom body, having checked its shape."""
    body = response.json()
    assert sorted(body) == ["code", "error", "message", "statusCode"]
    assert body["statusCode"] == response.status_code
    return response.status_code, body["code"]


@pytest.fixture
def tenant() -> Organization:
    return f.make_organization("Tenant", funded=50_000)


@pytest.fixture
def admin(tenant: Organization) -> I5:
    return I5(caller_of(tenant, "manage").secret)


def person(tenant: Organization, **fields: Any) -> tuple[Any, I5]:
    """Make an actor with a personal key; return both."""
    actor = p.make_actor(tenant, "Jane", **fields)
    _, secret = f.make_key(tenant, scopes=["usage:read", "usage:write"], actor=actor)
    return actor, I5(secret)


def acting(parent: Organization, child: Organization) -> I5:
    """Return a caller with a key of the parent that acts in a child."""
    return I5(caller_of(parent).secret, acting=child)


class TestAiBudget:
    def test_answers_the_document_field_by_field(self, tenant: Organization) -> None:
        jane, me = person(tenant)
        p.use(p.work(tenant, "1234.5", actor=jane), "1234.5")
        p.use(p.work(tenant, "11105.5"), "11105.5")

        assert ok(me.get("/ai-budget")) == {
            "configured": True,
            "byok": False,
            "slushActive": False,
            "profile": {
                "name": "Standard",
                "slug": "standard",
                "creditCapPerMonth": 5000,
                "allowedModelTiers": ["everyday", "advanced"],
                "features": [],
            },
            "monthly": {
                "creditsUsed": 1234.5,
                "creditCap": 5000,
                "percentUsed": 24.7,
                "resetsAt": "2026-06-01T00:00:00Z",
                "isUnlimited": False,
            },
            "pool": {"included": 50000, "used": 12340, "remaining": 37660, "overageRate": 1},
        }

    def test_of_somebody_without_a_cap_is_unlimited(self, tenant: Organization) -> None:
        jane, me = person(tenant)
        p.limit(tenant, None, "actor", actor=jane)

        monthly = ok(me.get("/ai-budget"))["monthly"]

        assert [monthly["creditCap"], monthly["percentUsed"]] == [None, 0]
        assert monthly["isUnlimited"] is True

    def test_of_a_cap_of_0_is_used_up(self, tenant: Organization) -> None:
        jane, me = person(tenant)
        p.limit(tenant, 0, "actor", actor=jane)

        monthly = ok(me.get("/ai-budget"))["monthly"]

        assert [monthly["creditCap"], monthly["percentUsed"]] == [0, 100]
        assert monthly["isUnlimited"] is False

    def test_says_that_slush_is_drawn(self, tenant: Organization) -> None:
        f.set_terms(tenant, overdraft_limit=100)
        _, me = person(tenant)
        p.use(p.work(tenant, 50_050), 50_050)

        found = ok(me.get("/ai-budget"))

        assert found["slushActive"] is True
        assert found["pool"] == {
            "included": 50000,
            "used": 50050,
            "remaining": 0,
            "overageRate": 1,
        }

    def test_says_what_is_not_configured_and_whose_keys_work(self, tenant: Organization) -> None:
        _, me = person(tenant)
        Organization.objects.filter(pk=tenant.pk).update(ai_enabled=False, byok=True)

        found = ok(me.get("/ai-budget"))

        assert [found["configured"], found["byok"]] == [False, True]

    def test_is_nobodys_with_an_organization_key(self, admin: I5, tenant: Organization) -> None:
        assert error(I5(caller_of(tenant).secret).get("/ai-budget")) == (403, "FORBIDDEN_SCOPE")


class TestUsage:
    def test_answers_the_document_field_by_field(self, admin: I5, tenant: Organization) -> None:
        app = {"resource_type": "app", "resource_id": "aaaa"}
        p.limit(tenant, 2000, "resource", slug="sales-dashboard", owner_id="jdoe", **app)
        p.use(p.work(tenant, "1250.5", **app), "1250.5", now=f.at("2026-05-01"))
        p.use(p.work(tenant, 10), 10, now=f.at("2026-05-09 23:59:59"))

        assert ok(admin.get("/usage")) == {
            "usageSummary": [
                {
                    "entityId": None,
                    "entityType": None,
                    "resourceType": "ai",
                    "totalCredits": 10,
                    "totalEvents": 1,
                },
                {
                    "entityId": "aaaa",
                    "entityType": "app",
                    "resourceType": "ai",
                    "totalCredits": 1250.5,
                    "totalEvents": 1,
                },
            ],
            "dailyTotals": [
                {"date": "2026-05-01", "resourceType": "ai", "totalCredits": 1250.5},
                {"date": "2026-05-09", "resourceType": "ai", "totalCredits": 10},
            ],
            "budgets": [
                {
                    "entityId": "aaaa",
                    "entityType": "app",
                    "monthlyBudget": 2000,
                    "creditsUsed": 1250.5,
                    "isOverBudget": False,
                    "budgetPercent": 62.5,
                    "budgetRemaining": 749.5,
                    "entity": {"name": "aaaa", "slug": "sales-dashboard", "ownerId": "jdoe"},
                }
            ],
            "creditPool": {"included": 50000, "used": 1260.5, "remaining": 48739.5},
            "sync": {
                "syncedAt": "2026-05-10T12:00:00Z",
                "lastSyncFailedAt": None,
                "lastSyncFailureCode": None,
                "stalenessLevel": None,
            },
        }

    def test_of_days_includes_both_ends(self, admin: I5, tenant: Organization) -> None:
        for day in (3, 4, 5, 6):
            p.use(p.work(tenant, day), day, now=f.at(f"2026-05-0{day}"))

        found = ok(admin.get("/usage", startDate="2026-05-04", endDate="2026-05-05"))

        assert [row["totalCredits"] for row in found["dailyTotals"]] == [4, 5]

    @pytest.mark.parametrize(
        "query",
        [
            {"startDate": "2026-5-1"},
            {"startDate": "yesterday"},
            {"endDate": "2026-02-30"},
            {"endDate": "2026-05-01T00:00:00Z"},
            {"startDate": "2026-05-02", "endDate": "2026-05-01"},
            {"from": "2026-05-01"},
        ],
    )
    @pytest.mark.parametrize("path", ["/usage", "/usage/monthly", "/usage/top-consumers"])
    def test_refuses_other_days(self, admin: I5, path: str, query: dict[str, str]) -> None:
        assert error(admin.get(path, **query)) == (400, "VALIDATION")

    def test_by_month_goes_back_a_year(self, admin: I5, tenant: Organization) -> None:
        p.use(p.work(tenant, 3), 3, now=f.at("2026-05-02"))

        assert ok(admin.get("/usage/monthly")) == {
            "monthlyTotals": [
                {"month": "2026-05", "resourceType": "ai", "totalCredits": 3, "totalEvents": 1}
            ]
        }

    def test_names_who_used_most(self, admin: I5, tenant: Organization) -> None:
        jane, _ = person(tenant)
        p.use(p.work(tenant, 9, actor=jane), 9)
        p.use(p.work(tenant, 2), 2)

        assert ok(admin.get("/usage/top-consumers")) == {
            "topConsumers": [
                {
                    "actorId": str(jane.id),
                    "name": "Jane",
                    "kind": "user",
                    "totalCredits": 9,
                    "totalEvents": 1,
                },
                {
                    "actorId": None,
                    "name": None,
                    "kind": None,
                    "totalCredits": 2,
                    "totalEvents": 1,
                },
            ]
        }


class TestBudgets:
    PATH = "/usage-budgets/app/aaaa"

    def test_begins_without_a_cap_at_the_first_look(self, admin: I5) -> None:
        found = ok(admin.get(self.PATH))

        assert found == {
            "id": found["id"],
            "entityId": "aaaa",
            "entityType": "app",
            "monthlyBudget": None,
            "creditsUsed": 0,
            "periodStart": "2026-05-01T00:00:00Z",
            "hasBudget": False,
            "budgetRemaining": None,
            "budgetPercent": 0,
            "isOverBudget": False,
            "createdAt": "2026-05-10T12:00:00Z",
            "updatedAt": "2026-05-10T12:00:00Z",
        }
        assert ok(admin.get(self.PATH)) == found

    def test_answers_the_document_field_by_field(
        self, admin: I5, tenant: Organization, clock: time_machine.Traveller
    ) -> None:
        app = {"resource_type": "app", "resource_id": "aaaa"}
        first = ok(admin.get(self.PATH))
        p.use(p.work(tenant, "450.25", **app), "450.25")
        clock.move_to(f.later(hours=1))

        assert ok(admin.put(self.PATH, {"monthlyBudget": 2000})) == first | {
            "monthlyBudget": 2000,
            "creditsUsed": 450.25,
            "hasBudget": True,
            "budgetRemaining": 1549.75,
            "budgetPercent": 22.5,
            "updatedAt": "2026-05-10T13:00:00Z",
        }

    @pytest.mark.parametrize(
        ("budget", "shown"),
        [
            (451, [99.8, 0.75, False]),
            (450, [100, 0, True]),
            (1, [100, 0, True]),
            (0, [100, 0, True]),
        ],
    )
    def test_is_over_at_its_end_and_never_more_than_all(
        self, admin: I5, tenant: Organization, budget: int, shown: list[Any]
    ) -> None:
        app = {"resource_type": "app", "resource_id": "aaaa"}
        p.use(p.work(tenant, "450.25", **app), "450.25")

        found = ok(admin.put(self.PATH, {"monthlyBudget": budget}))

        fields = ("budgetPercent", "budgetRemaining", "isOverBudget")
        assert [found[name] for name in fields] == shown

    def test_is_removed_by_null_and_kept_by_nothing(self, admin: I5) -> None:
        set_to = ok(admin.put(self.PATH, {"monthlyBudget": 5}))
        kept = ok(admin.put(self.PATH, {}))
        removed = ok(admin.put(self.PATH, {"monthlyBudget": None}))

        budgets = [answer["monthlyBudget"] for answer in (set_to, kept, removed)]
        assert budgets == [5, 5, None]

    def test_stands_in_the_way(self, admin: I5, tenant: Organization) -> None:
        ok(admin.put(self.PATH, {"monthlyBudget": 5}))
        app = {"resource_type": "app", "resource_id": "aaaa"}

        assert p.refusal(p.work(tenant, 6, **app)) == "entity_budget"

    @pytest.mark.parametrize(
        "path", ["/usage-budgets/team/aaaa", "/usage-budgets/app/" + "a" * 129]
    )
    def test_knows_apps_and_datasets_only(self, admin: I5, path: str) -> None:
        assert error(admin.get(path)) == (404, "NOT_FOUND")

    @pytest.mark.parametrize("budget", [-1, 1.5, "5", True, [5]])
    def test_refuses_other_budgets(self, admin: I5, budget: Any) -> None:
        assert error(admin.put(self.PATH, {"monthlyBudget": budget})) == (400, "VALIDATION")


class TestProfiles:
    OWN = {
        "name": "Analysts",
        "slug": "analysts",
        "description": "Everyday only",
        "creditCapPerMonth": 900,
        "allowedModelTiers": ["everyday"],
    }

    def test_are_listed_with_the_systems_first(self, admin: I5) -> None:
        own = ok(admin.post("/usage-profiles", self.OWN))

        found = ok(admin.get("/usage-profiles"))

        assert found["_links"] == {"self": {"href": "/api/usage-profiles"}}
        listed = found["_embedded"]["inf:usage-profile"]
        assert [row["slug"] for row in listed] == ["standard", "premium", "analysts"]
        assert listed[-1] == own

    def test_are_made_field_by_field(self, admin: I5) -> None:
        made = ok(admin.post("/usage-profiles", self.OWN))

        assert made == self.OWN | {
            "_links": {"self": {"href": f"/api/usage-profiles/{made['id']}"}},
            "id": made["id"],
            "features": [],
            "isUnlimited": False,
            "createdAt": "2026-05-10T12:00:00Z",
            "updatedAt": "2026-05-10T12:00:00Z",
        }
        assert ok(admin.get(f"/usage-profiles/{made['id']}")) == made

    def test_are_changed_in_part_and_as_a_whole(self, admin: I5) -> None:
        path = f"/usage-profiles/{ok(admin.post('/usage-profiles', self.OWN))['id']}"

        patched = ok(admin.patch(path, {"creditCapPerMonth": None}))
        replaced = ok(admin.put(path, {"name": "A", "slug": "a", "description": ""}))

        assert [patched["isUnlimited"], patched["allowedModelTiers"]] == [True, ["everyday"]]
        assert [replaced["slug"], replaced["allowedModelTiers"]] == ["a", []]

    def test_are_deleted_where_nobody_has_them(self, admin: I5, tenant: Organization) -> None:
        path = f"/usage-profiles/{ok(admin.post('/usage-profiles', self.OWN))['id']}"
        ok(admin.delete(path))

        used = p.make_profile(tenant, "used", cap=1)
        p.make_actor(tenant, profile=used)

        assert error(admin.get(path)) == (404, "NOT_FOUND")
        assert error(admin.delete(f"/usage-profiles/{used.id}")) == (409, "CONFLICT")

    def test_of_the_system_are_nobodys_to_change(self, admin: I5) -> None:
        listed = ok(admin.get("/usage-profiles"))["_embedded"]["inf:usage-profile"]
        path = f"/usage-profiles/{listed[0]['id']}"

        assert error(admin.patch(path, {"name": "Mine"})) == (409, "CONFLICT")
        assert error(admin.delete(path)) == (409, "CONFLICT")

    def test_of_others_do_not_exist(self, admin: I5) -> None:
        foreign = p.make_profile(f.make_organization("Stranger"), "foreign", cap=1)

        assert error(admin.get(f"/usage-profiles/{foreign.id}")) == (404, "NOT_FOUND")
        assert error(admin.patch(f"/usage-profiles/{foreign.id}", {"name": "x"}))[0] == 404

    def test_have_a_slug_of_their_own(self, admin: I5) -> None:
        ok(admin.post("/usage-profiles", self.OWN))

        assert error(admin.post("/usage-profiles", self.OWN)) == (409, "CONFLICT")

    @pytest.mark.parametrize(
        "fields",
        [
            {"slug": "Analysts"},
            {"slug": "1st"},
            {"slug": "a b"},
            {"allowedModelTiers": ["best"]},
            {"allowedModelTiers": ["everyday", "everyday"]},
            {"creditCapPerMonth": -1},
            {"creditCapPerMonth": 1.5},
            {"name": ""},
            {"isUnlimited": True},
        ],
    )
    def test_refuse_other_fields(self, admin: I5, fields: dict[str, Any]) -> None:
        assert error(admin.post("/usage-profiles", self.OWN | fields)) == (400, "VALIDATION")


class TestSubscription:
    def test_answers_the_document_field_by_field(self) -> None:
        tenant = f.make_organization(
            now=f.at("2026-05-01"),
            allowance=50_000,
            term="year",
            anchored_on=f.at("2026-03-15").date(),
        )
        admin = I5(caller_of(tenant, "manage").secret)

        assert ok(admin.get("/usage/subscription")) == {
            "id": str(f.wallet_of(tenant).id),
            "status": "active",
            "term": "annual",
            "creditsIncluded": 50000,
            "renewsAt": "2027-03-15T00:00:00Z",
            "cancelAtPeriodEnd": False,
            "cardLast4": None,
            "createdAt": "2026-05-01T00:00:00Z",
        }

    def test_is_cancelled_at_its_end_and_not_before(self, clock: time_machine.Traveller) -> None:
        tenant = f.make_organization(allowance=500, rollover_limit=100)
        admin = I5(caller_of(tenant, "manage").secret)

        cancelled = ok(admin.post("/usage/subscription/_cancel", {}))
        spendable = f.money_of(tenant)
        clock.move_to(f.at("2026-06-01"))
        ended = ok(admin.get("/usage/subscription"))

        assert [cancelled["cancelAtPeriodEnd"], cancelled["cacheUpdated"]] == [True, True]
        assert [cancelled["status"], ended["status"]] == ["active", "canceled"]
        assert spendable == f.amounts(500, 0, 500)
        assert f.renew(tenant, now=f.at("2026-06-01")).balance == 0

    def test_is_reactivated(self) -> None:
        tenant = f.make_organization(allowance=500)
        admin = I5(caller_of(tenant, "manage").secret)
        ok(admin.post("/usage/subscription/_cancel"))

        found = ok(admin.post("/usage/subscription/_reactivate"))

        assert [found["cancelAtPeriodEnd"], found["cacheUpdated"]] == [False, True]
        assert f.renew(tenant, now=f.at("2026-06-01")).balance == 500

    @pytest.mark.parametrize("above", ["parent", "staff"])
    def test_is_not_reactivated_by_whoever_is_below_who_cancelled_it(self, above: str) -> None:
        parent, child = f.make_family(allowance=500)
        own = I5(caller_of(child, "manage").secret)
        if above == "staff":
            f.set_terms(child, cancel_at_period_end=True)
        else:
            ok(acting(parent, child).post("/usage/subscription/_cancel"))

        again = ok(own.post("/usage/subscription/_cancel"))
        refused = own.post("/usage/subscription/_reactivate")

        assert again["cancelAtPeriodEnd"] is True
        assert refused.status_code == 409
        assert refused.json()["code"] == "CONFLICT"
        assert above in refused.json()["message"]
        assert ok(own.get("/usage/subscription"))["cancelAtPeriodEnd"] is True
        assert f.wallet_of(child).config.cancelled_by == above

    def test_is_not_reactivated_by_a_root_that_staff_cancelled(self) -> None:
        tenant = f.make_organization(allowance=500)
        f.set_terms(tenant, cancel_at_period_end=True)
        admin = I5(caller_of(tenant, "manage").secret)

        assert admin.post("/usage/subscription/_reactivate").status_code == 409

        f.set_terms(tenant, cancel_at_period_end=False)
        assert ok(admin.post("/usage/subscription/_reactivate"))["cancelAtPeriodEnd"] is False

    def test_is_reactivated_by_whoever_is_above_who_cancelled_it(self) -> None:
        parent, child = f.make_family(allowance=500)
        own = I5(caller_of(child, "manage").secret)
        ok(own.post("/usage/subscription/_cancel"))

        found = ok(acting(parent, child).post("/usage/subscription/_reactivate"))

        assert found["cancelAtPeriodEnd"] is False
        assert f.wallet_of(child).config.cancelled_by == ""

    def test_is_the_parents_cancellation_once_the_parent_cancels_too(self) -> None:
        parent, child = f.make_family(allowance=500)
        own = I5(caller_of(child, "manage").secret)
        ok(own.post("/usage/subscription/_cancel"))
        ok(acting(parent, child).post("/usage/subscription/_cancel"))

        assert own.post("/usage/subscription/_reactivate").status_code == 409

    def test_says_who_cancelled_in_the_history_of_the_terms(self) -> None:
        tenant = f.make_organization(allowance=500)
        key, secret = f.make_key(tenant, scopes=["manage"])
        ok(I5(secret).post("/usage/subscription/_cancel"))

        kept = CreditConfig.history.latest()

        assert kept.history_change_reason == key.public_id
        assert (kept.cancel_at_period_end, kept.cancelled_by) == (True, "organization")

    def test_refreshes_a_cache_that_is_never_stale(self, admin: I5) -> None:
        assert ok(admin.post("/_ai-refresh-cache", {"progress": "p-1"})) == {
            "success": True,
            "syncedAt": "2026-05-10T12:00:00Z",
            "creditBalance": {"included": 50000, "used": 0, "remaining": 50000},
        }


class TestScopes:
    @pytest.mark.parametrize(
        "path",
        [
            "/usage",
            "/usage/monthly",
            "/usage/top-consumers",
            "/usage-profiles",
            "/usage/subscription",
        ],
    )
    def test_need_manage(self, tenant: Organization, path: str) -> None:
        reader = I5(caller_of(tenant, "credits:read", "usage:read", "usage:write").secret)
        _, me = person(tenant)

        assert error(reader.get(path)) == (403, "FORBIDDEN_SCOPE")
        assert error(me.get(path)) == (403, "FORBIDDEN_SCOPE")
        assert error(I5(None).get(path)) == (401, "UNAUTHENTICATED")
