"""What a parent sets for a child: GET and PATCH /api/v1/organizations/{org}/credit-config."""

from decimal import Decimal
from typing import Any

import pytest
import time_machine

from credits.models import CreditConfig
from organizations.models import Organization
from tests import factories as f
from tests.callers import Caller, caller_of, child_path, details, error, ok
from tests.callers import clock as clock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.fixture
def family() -> tuple[Organization, Organization]:
    return f.make_family(funded=10_000)


@pytest.fixture
def child(family: tuple[Organization, Organization]) -> Organization:
    return family[1]


@pytest.fixture
def boss(family: tuple[Organization, Organization]) -> Caller:
    return caller_of(family[0])


def read(boss: Caller, child: Organization) -> Any:
    return ok(boss.get(f"{child_path(child)}/credit-config"))


class TestGet:
    def test_answers_the_example_of_the_contract(self, boss: Caller, child: Organization) -> None:
        f.allocate(child, 5_000)
        f.reserve(child, 120)
        f.set_terms(child, monthly_cap=5_000, refill_threshold=1_000, refill_amount=2_000)

        assert read(boss, child) == {
            "organizationId": child.public_id,
            "config": {
                "monthlyCreditCap": 5000,
                "refillThreshold": 1000,
                "refillAmount": 2000,
                "autoRefillEnabled": True,
            },
            "balance": 5000,
            "available": 4880,
        }

    def test_answers_null_for_what_is_not_set(self, boss: Caller, child: Organization) -> None:
        assert read(boss, child)["config"] == {
            "monthlyCreditCap": None,
            "refillThreshold": None,
            "refillAmount": None,
            "autoRefillEnabled": False,
        }

    def test_tells_0_from_null(self, boss: Caller, child: Organization) -> None:
        f.set_terms(child, monthly_cap=0, refill_threshold=0, refill_amount=1)

        config = read(boss, child)["config"]

        assert (config["monthlyCreditCap"], config["refillThreshold"]) == (0, 0)
        assert config["autoRefillEnabled"] is True

    def test_writes_a_fraction_that_staff_set(self, boss: Caller, child: Organization) -> None:
        f.set_terms(child, monthly_cap="99.5")

        assert read(boss, child)["config"]["monthlyCreditCap"] == 99.5

    def test_is_right_after_a_boundary_that_nobody_posted(
        self, boss: Caller, child: Organization, clock: time_machine.Traveller
    ) -> None:
        f.grant(child, 100, expires_at=f.later(hours=1))
        clock.move_to(f.later(hours=1))

        assert read(boss, child)["balance"] == 0

    @pytest.mark.parametrize("end", [f.suspend, f.archive])
    def test_can_be_read_of_a_child_that_is_not_active(
        self, boss: Caller, child: Organization, end: Any
    ) -> None:
        end(child)

        assert read(boss, child)["organizationId"] == child.public_id


class TestPatch:
    def test_answers_what_get_would(self, boss: Caller, child: Organization) -> None:
        answer = boss.configure(
            child, monthlyCreditCap=5_000, refillThreshold=1_000, refillAmount=2_000
        )

        assert ok(answer) == read(boss, child)
        assert ok(answer)["config"]["refillAmount"] == 2_000

    def test_changes_only_what_is_sent(self, boss: Caller, child: Organization) -> None:
        f.set_terms(child, monthly_cap=7, refill_threshold=8, refill_amount=9)

        config = ok(boss.configure(child, refillThreshold=80))["config"]

        assert config == {
            "monthlyCreditCap": 7,
            "refillThreshold": 80,
            "refillAmount": 9,
            "autoRefillEnabled": True,
        }

    def test_clears_what_is_null(self, boss: Caller, child: Organization) -> None:
        f.set_terms(child, monthly_cap=7, refill_threshold=8, refill_amount=9)

        cleared = boss.configure(
            child, monthlyCreditCap=None, refillThreshold=None, refillAmount=None
        )

        assert set(ok(cleared)["config"].values()) == {None, False}

    def test_changes_nothing_for_an_empty_object(self, boss: Caller, child: Organization) -> None:
        f.set_terms(child, monthly_cap=7)

        assert ok(boss.configure(child))["config"]["monthlyCreditCap"] == 7

    @pytest.mark.parametrize("body", [{"refillThreshold": 5}, {"refillAmount": 5}])
    def test_refuses_a_refill_rule_of_one_side(
        self, boss: Caller, child: Organization, body: dict[str, Any]
    ) -> None:
        answer = boss.configure(child, monthlyCreditCap=1, **body)

        assert error(answer) == (422, "VALIDATION")
        assert details(answer) == {"code": "REFILL_REQUIRES_THRESHOLD_AND_AMOUNT"}
        assert read(boss, child)["config"]["monthlyCreditCap"] is None

    @pytest.mark.parametrize("body", [{"refillThreshold": None}, {"refillAmount": None}])
    def test_refuses_to_clear_one_side(
        self, boss: Caller, child: Organization, body: dict[str, Any]
    ) -> None:
        f.set_terms(child, refill_threshold=8, refill_amount=9)

        assert error(boss.configure(child, **body)) == (422, "VALIDATION")
        assert read(boss, child)["config"]["autoRefillEnabled"] is True

    @pytest.mark.parametrize(
        "body",
        [
            {"monthlyCreditCap": -1},
            {"monthlyCreditCap": 1.5},
            {"monthlyCreditCap": "5"},
            {"monthlyCreditCap": True},
            {"monthlyCreditCap": 10**13 + 1},
            {"refillThreshold": -1, "refillAmount": 5},
            {"refillThreshold": 1, "refillAmount": 0},
            {"refillThreshold": 1, "refillAmount": 0.5},
            {"autoRefillEnabled": True},
            {"allowance": 5},
            {"monthly_cap": 5},
        ],
    )
    def test_refuses_a_body_that_breaks_the_rules(
        self, boss: Caller, child: Organization, body: dict[str, Any]
    ) -> None:
        answer = boss.configure(child, **body)

        assert error(answer) == (422, "VALIDATION")
        assert CreditConfig.objects.filter(wallet__organization=child, monthly_cap=None).exists()

    def test_changes_once_for_its_key(self, boss: Caller, child: Organization) -> None:
        first = boss.configure(child, monthlyCreditCap=10, key="k")
        f.set_terms(child, monthly_cap=20)

        again = boss.configure(child, monthlyCreditCap=10, key="k")

        assert (again.status_code, again.content) == (200, first.content)
        assert read(boss, child)["config"]["monthlyCreditCap"] == 20

    def test_refuses_a_key_that_was_used_for_another_change(
        self, boss: Caller, child: Organization
    ) -> None:
        boss.configure(child, monthlyCreditCap=10, key="k")

        answer = boss.configure(child, monthlyCreditCap=11, key="k")

        assert error(answer) == (409, "IDEMPOTENCY_CONFLICT")

    def test_is_recorded_with_who_did_it(self, boss: Caller, child: Organization) -> None:
        boss.configure(child, monthlyCreditCap=10)

        change = CreditConfig.history.filter(wallet__organization=child).latest()

        assert change.monthly_cap == Decimal(10)
        assert change.history_change_reason == ok(boss.get("/whoami"))["apiKeyId"]

    def test_reaches_a_suspended_child(self, boss: Caller, child: Organization) -> None:
        f.suspend(child)

        assert ok(boss.configure(child, monthlyCreditCap=10))

    def test_refuses_an_archived_child(self, boss: Caller, child: Organization) -> None:
        f.archive(child)

        assert error(boss.configure(child, monthlyCreditCap=10)) == (409, "CONFLICT")


class TestWhoMay:
    def test_a_parent_alone(
        self, family: tuple[Organization, Organization], child: Organization
    ) -> None:
        parent, _ = family
        sibling = f.make_organization(parent=parent)
        _, stranger = f.make_family()

        for caller, expected in [
            (caller_of(parent, "*"), (403, "FORBIDDEN_SCOPE")),
            (caller_of(child), (403, "FORBIDDEN_SCOPE")),
            (caller_of(sibling), (403, "FORBIDDEN_SCOPE")),
            (caller_of(stranger, "org:admin", "*"), (404, "NOT_FOUND")),
            (caller_of(child, "org:admin", "*"), (404, "NOT_FOUND")),
        ]:
            assert error(caller.get(f"{child_path(child)}/credit-config")) == expected
            assert error(caller.configure(child, monthlyCreditCap=1)) == expected

    def test_nobody_about_itself(self, family: tuple[Organization, Organization]) -> None:
        parent, child = family

        for caller, own in [(caller_of(parent), parent), (caller_of(parent, acting=child), child)]:
            answer = caller.get(f"{child_path(own)}/credit-config")
            assert error(answer) == (404, "NOT_FOUND")
