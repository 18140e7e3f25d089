"""GET /api/v1/credits/alerts: what a product is told of what is true of it now."""

from typing import Any

import pytest

from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, error, ok
from tests.callers import clock as clock
from tests.usage import people as p
from tests.usage.noticed import forget_the_calendar, look, the_alert

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.fixture(autouse=True)
def no_tasks(transactional_db: None) -> None:
    forget_the_calendar()


def told(caller: Caller, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(caller.get("/credits/alerts", **query))["items"]
    return found


@pytest.fixture
def debtor() -> Organization:
    organization = f.make_organization(funded=10, overdraft_limit=50)
    f.spend(organization, 30)
    look()
    return organization


class TestAlerts:
    def test_say_what_is_true_and_no_limit_that_staff_set(self, debtor: Organization) -> None:
        (item,) = told(caller_of(debtor))

        assert item == {
            "id": the_alert("in_debt").public_id,
            "kind": "in_debt",
            "severity": "warning",
            "actorId": None,
            "groupId": None,
            "figures": {"debt": "20"},
            "firedAt": "2026-05-10T12:00:00.000Z",
        }

    def test_are_gone_when_they_are_not_true_any_more(self, debtor: Organization) -> None:
        f.grant(debtor, 20)
        look(f.later(minutes=5))

        assert told(caller_of(debtor)) == []

    def test_name_the_person_that_a_budget_warning_is_about(self) -> None:
        ada = p.make_actor(f.make_organization(funded=100), "Ada")
        p.budget_warning(ada.organization, actor=ada, budget=10)
        p.use(p.work(ada.organization, 8, actor=ada), 8)
        look()

        (item,) = told(caller_of(ada.organization), kind="budget")

        assert (item["actorId"], item["severity"]) == (ada.public_id, "warning")
        assert item["figures"] == {"used": "8", "cap": "10", "percent": "80"}

    def test_of_one_kind_are_asked_for_by_it(self, debtor: Organization) -> None:
        assert told(caller_of(debtor), kind="refusals") == []
        assert error(caller_of(debtor).get("/credits/alerts", kind="task_late"))[0] == 422

    def test_of_another_organization_are_not_told(self, debtor: Organization) -> None:
        assert told(caller_of(f.make_organization("Other"))) == []

    def test_of_what_a_parent_set_are_told_to_its_key_only(self) -> None:
        parent, child = f.make_family(monthly_cap=100)
        f.allocate(child, 500)
        f.spend(child, 90)
        look()

        assert told(caller_of(child)) == []
        assert [item["kind"] for item in told(caller_of(parent, acting=child))] == ["near_cap"]
