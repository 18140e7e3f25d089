"""An organization's thresholds and default limits: /api/v1/ai/credit-controls, example by example."""

from decimal import Decimal
from typing import Any

import pytest
import time_machine

from organizations.models import Organization, UsageProfile
from tests import factories as f
from tests.callers import Caller, caller_of, ok
from tests.callers import clock as clock
from tests.usage import omni as o
from tests.usage.omni import CONTROLS, SEPTEMBER, refused
from usage.models import Limit, Thresholds

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLE = {
    "accountCreditLimit": 2000,
    "creditsUsed": 450,
    "downgradeCredits": 800,
    "shutoffCredits": 1200,
    "userDefaultCredits": 100,
    "entityGroupDefaultCredits": 100,
    "userGroupDefaultCredits": None,
    "periodStart": 1788220800000,
    "periodEnd": 1790812800000,
}
NOTHING_SET = {
    "accountCreditLimit": 0,
    "creditsUsed": 0,
    "downgradeCredits": None,
    "shutoffCredits": None,
    "userDefaultCredits": 5000,
    "entityGroupDefaultCredits": None,
    "userGroupDefaultCredits": None,
    **SEPTEMBER,
}


@pytest.fixture(autouse=True)
def september(clock: time_machine.Traveller) -> None:
    clock.move_to(o.IN_SEPTEMBER)


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=10_000)


@pytest.fixture
def admin(organization: Organization) -> Caller:
    return caller_of(organization)


class TestGet:
    def test_answers_the_example(self, organization: Organization, admin: Caller) -> None:
        f.set_terms(organization, monthly_cap=2_000)
        o.spend(organization, 450)
        changes = {
            "downgradeCredits": 800,
            "shutoffCredits": 1200,
            "userDefaultCredits": 100,
            "entityGroupDefaultCredits": 100,
        }
        ok(admin.patch(CONTROLS, changes))

        assert ok(admin.get(CONTROLS)) == EXAMPLE

    def test_says_what_applies_where_nothing_was_ever_set(self, admin: Caller) -> None:
        assert ok(admin.get(CONTROLS)) == NOTHING_SET

    def test_counts_the_calendar_month_and_settled_work_only(
        self, organization: Organization, admin: Caller, clock: time_machine.Traveller
    ) -> None:
        o.spend(organization, 70, now=f.at("2026-08-31 23:59:59"))
        o.spend(organization, "10.5", now=f.at("2026-09-01"))
        o.ask(organization, 300)

        assert ok(admin.get(CONTROLS))["creditsUsed"] == 10.5

        clock.move_to(f.at("2026-10-01"))
        october = ok(admin.get(CONTROLS))
        assert october["creditsUsed"] == 0
        assert october["periodStart"] == SEPTEMBER["periodEnd"]

    def test_shows_a_child_its_own_use_and_not_the_limit_of_the_account(self) -> None:
        parent, child = f.make_family(funded=1_000, monthly_cap=70)
        f.set_terms(parent, monthly_cap="2000.5")
        f.allocate(child, 100)
        o.spend(parent, 40)
        o.spend(child, 25)

        of_parent, of_child = (ok(caller_of(each).get(CONTROLS)) for each in (parent, child))
        acting = ok(caller_of(parent, acting=child).get(CONTROLS))

        assert (of_parent["accountCreditLimit"], of_parent["creditsUsed"]) == (2000.5, 40)
        assert (of_child["accountCreditLimit"], of_child["creditsUsed"]) == (0, 25)
        assert acting == of_child | {"accountCreditLimit": 2000.5}

    def test_shows_a_child_no_limit_of_the_account_when_it_changes_its_own(self) -> None:
        parent, child = f.make_family()
        f.set_terms(parent, monthly_cap=2_000)

        of_child = ok(caller_of(child).patch(CONTROLS, {"shutoffCredits": 5}))
        acting = ok(caller_of(parent, acting=child).patch(CONTROLS, {"shutoffCredits": 6}))

        assert (of_child["accountCreditLimit"], of_child["shutoffCredits"]) == (0, 5)
        assert (acting["accountCreditLimit"], acting["shutoffCredits"]) == (2000, 6)

    def test_reads_the_default_profile_where_no_default_is_set(
        self, organization: Organization, admin: Caller
    ) -> None:
        organization.default_profile = UsageProfile.objects.create(
            organization=organization,
            name="Interns",
            slug="interns",
            credit_cap_per_month=7,
            created_at=f.NOW,
            updated_at=f.NOW,
        )
        organization.save(update_fields=["default_profile"])

        assert ok(admin.get(CONTROLS))["userDefaultCredits"] == 7


class TestPatch:
    def test_answers_the_example(self, admin: Caller) -> None:
        ok(admin.patch(CONTROLS, {"shutoffCredits": 1200}))

        changed = ok(admin.patch(CONTROLS, {"downgradeCredits": 800, "shutoffCredits": None}))

        assert changed == {**NOTHING_SET, "downgradeCredits": 800}
        assert ok(admin.get(CONTROLS)) == changed

    @pytest.mark.parametrize(
        "field",
        [
            "downgradeCredits",
            "shutoffCredits",
            "userDefaultCredits",
            "entityGroupDefaultCredits",
            "userGroupDefaultCredits",
        ],
    )
    def test_sets_keeps_and_turns_off(self, admin: Caller, field: str) -> None:
        other = "shutoffCredits" if field == "downgradeCredits" else "downgradeCredits"

        assert ok(admin.patch(CONTROLS, {field: 12.5})) == {**NOTHING_SET, field: 12.5}
        assert ok(admin.patch(CONTROLS, {other: 12.5}))[field] == 12.5
        assert ok(admin.patch(CONTROLS, {other: None}))[field] == 12.5
        assert ok(admin.patch(CONTROLS, {field: 0}))[field] == 0
        assert ok(admin.patch(CONTROLS, {field: None})) == {**NOTHING_SET, field: None}

    def test_makes_users_unlimited_by_default_with_null(
        self, organization: Organization, admin: Caller
    ) -> None:
        ana = o.make_user(organization)
        assert o.reason(o.ask(organization, 5_001, actor=ana)) == "actor_cap"

        ok(admin.patch(CONTROLS, {"userDefaultCredits": None}))

        o.spend(organization, 5_001, actor=ana)

    def test_frees_nobody_by_sending_back_what_it_said(
        self, organization: Organization, admin: Caller
    ) -> None:
        """Null as the default of user groups is none: not one that lifts the limits of their members."""
        ana = o.make_user(organization)
        o.make_team(organization, "research", ana)
        ok(admin.patch(CONTROLS, {"userDefaultCredits": 100}))

        told = ok(admin.get(CONTROLS))
        settable = {name for name in told if name.endswith("Credits")}
        ok(admin.patch(CONTROLS, {name: told[name] for name in settable}))

        assert o.reason(o.ask(organization, 101, actor=ana)) == "actor_cap"

    def test_caps_the_members_of_groups_by_the_default_of_groups(
        self, organization: Organization, admin: Caller
    ) -> None:
        ana = o.make_user(organization)
        o.make_team(organization, "research", ana)
        o.make_entity(organization, "acme-corp", ana)

        ok(admin.patch(CONTROLS, {"userGroupDefaultCredits": 20}))
        assert o.reason(o.ask(organization, 21, actor=ana)) == "actor_cap"

        ok(admin.patch(CONTROLS, {"entityGroupDefaultCredits": 10}))
        assert o.reason(o.ask(organization, 11, actor=ana)) == "group_cap"
        o.spend(organization, 10, actor=ana)

    def test_takes_equal_thresholds(self, admin: Caller) -> None:
        both = {"downgradeCredits": 800, "shutoffCredits": 800}

        assert ok(admin.patch(CONTROLS, both)) == {**NOTHING_SET, **both}

    def test_takes_thresholds_in_either_order_where_one_is_off(self, admin: Caller) -> None:
        ok(admin.patch(CONTROLS, {"downgradeCredits": 800}))
        ok(admin.patch(CONTROLS, {"downgradeCredits": None, "shutoffCredits": 100}))
        moved = {"downgradeCredits": 900, "shutoffCredits": None}

        assert ok(admin.patch(CONTROLS, moved)) == {**NOTHING_SET, **moved}

    def test_is_done_once_for_one_key(self, admin: Caller) -> None:
        first = admin.patch(CONTROLS, {"shutoffCredits": 5}, key="k-1")
        ok(admin.patch(CONTROLS, {"shutoffCredits": 9}))

        again = admin.patch(CONTROLS, {"shutoffCredits": 5}, key="k-1")
        other = admin.patch(CONTROLS, {"shutoffCredits": 6}, key="k-1")

        assert again.content == first.content
        assert ok(admin.get(CONTROLS))["shutoffCredits"] == 9
        assert other.status_code == 409
        assert other.json()["detail"].startswith("Conflict: ")

    def test_changes_one_organization_only(self) -> None:
        parent, child = f.make_family()

        ok(caller_of(parent, acting=child).patch(CONTROLS, {"shutoffCredits": 5}))

        assert ok(caller_of(child).get(CONTROLS))["shutoffCredits"] == 5
        assert ok(caller_of(parent).get(CONTROLS))["shutoffCredits"] is None

    def test_tells_the_history_who_and_when(self, organization: Organization) -> None:
        key, secret = f.make_key(organization)
        admin = Caller(secret)
        for number in (5, 5, 6):
            ok(admin.patch(CONTROLS, {"shutoffCredits": number, "userDefaultCredits": number}))

        for model, amount in ((Thresholds, "shutoff"), (Limit, "cap")):
            told = model.history.order_by("history_id").values_list(
                "history_type", amount, "history_change_reason", "history_date"
            )
            assert list(told) == [
                ("+", Decimal(5), key.public_id, o.IN_SEPTEMBER),
                ("~", Decimal(6), key.public_id, o.IN_SEPTEMBER),
            ]


class TestBadRequest:
    """The four causes that the document names, and their neighbours."""

    def test_empty_body(self, admin: Caller) -> None:
        assert refused(admin.patch(CONTROLS, {})) == "body: At least one field is required."
        assert refused(admin.patch(CONTROLS)) == "body: A JSON object is required in the body."

    @pytest.mark.parametrize("field", [name for name in EXAMPLE if name.endswith("Credits")])
    def test_negative_threshold(self, admin: Caller, field: str) -> None:
        said = refused(admin.patch(CONTROLS, {field: -1}))

        assert said == f"{field}: Ensure this value is greater than or equal to 0."

    @pytest.mark.parametrize(
        "field", ["creditsUsed", "accountCreditLimit", "downgrade", "downgradecredits", "nobody"]
    )
    def test_unknown_field(self, admin: Caller, field: str) -> None:
        body = {"downgradeCredits": 800, field: 5}

        assert refused(admin.patch(CONTROLS, body)) == f"{field}: This field is not known here."
        assert ok(admin.get(CONTROLS)) == NOTHING_SET

    def test_downgrade_above_shutoff(self, admin: Caller) -> None:
        both = {"downgradeCredits": 1200.5, "shutoffCredits": 1200}

        said = refused(admin.patch(CONTROLS, both))

        assert said == "downgradeCredits 1200.5 is above shutoffCredits 1200"
        assert ok(admin.get(CONTROLS)) == NOTHING_SET

    @pytest.mark.parametrize("change", [{"downgradeCredits": 1201}, {"shutoffCredits": 799}])
    def test_downgrade_above_shutoff_after_the_merge(
        self, admin: Caller, change: dict[str, Any]
    ) -> None:
        both = {"downgradeCredits": 800, "shutoffCredits": 1200}
        ok(admin.patch(CONTROLS, both))

        refused(admin.patch(CONTROLS, {**change, "userDefaultCredits": 1}))

        assert ok(admin.get(CONTROLS)) == {**NOTHING_SET, **both}

    @pytest.mark.parametrize(
        "text",
        [
            '{"shutoffCredits": "800"}',
            '{"shutoffCredits": true}',
            '{"shutoffCredits": [800]}',
            '{"shutoffCredits": NaN}',
            '{"shutoffCredits": 1, "shutoffCredits": 2}',
            '{"shutoffCredits": 0.0000001}',
            '{"shutoffCredits": 10000000000001}',
            '{"shutoffCredits": -0.000001}',
            "[]",
            "null",
            "{",
            "",
        ],
    )
    def test_anything_that_is_no_number(self, admin: Caller, text: str) -> None:
        answer = admin.client.generic(
            "PATCH", f"/api/v1{CONTROLS}", text, content_type="application/json"
        )

        refused(answer)
        assert ok(admin.get(CONTROLS)) == NOTHING_SET
