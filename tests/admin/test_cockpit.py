"""The page of an organization: each tab answers, to whom it may, for no more statements than it takes; its head; and its history."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from organizations.models import AlertRule, Organization
from tests import factories as f
from tests.admin.people import client_of, page_of, staff_who_may, use
from tests.admin.test_refusals import refuse
from tests.usage import people as p
from usage.admin.cockpit import TABS
from usage.admin.happened import RULES
from usage.services import controls, groups, rollups

pytestmark = pytest.mark.django_db(transaction=True)

LOOK = "organizations.view_organization"
SLUGS = [tab.slug for tab in TABS]


def fill(organization: Organization, number: int) -> None:
    """Add a row of each kind that the page shows."""
    actor = p.make_actor(organization, f"Actor {number}")
    app = {"resource_type": "app", "resource_id": f"a{number}"}
    p.make_group(organization, f"g{number}", actor, kind="entity")
    p.make_group(organization, f"t{number}", actor)
    p.limit(organization, 50, "resource", **app)
    p.limit(organization, 500, "actor", actor=actor)
    p.use(p.work(organization, 5, actor=actor, **app), 5)
    f.reserve(organization, 1)
    f.make_key(organization, name=f"Key {number}")
    f.set_terms(organization, monthly_cap=5_000 + number)
    f.reverse(f.grant(organization, 7))
    refuse(organization, 9_000, actor=actor)
    f.make_organization(f"Child {number}", parent=organization)


@pytest.fixture
def organization() -> Organization:
    organization = f.make_organization(funded=1_000)
    fill(organization, 0)
    return organization


def shown(client: Client, organization: Organization, tab: str = "", query: str = "") -> Any:
    answer = client.get(page_of(organization, tab or "overview") + query)
    assert answer.status_code == 200, tab
    return answer


def html(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def statements(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


class TestTabs:
    @pytest.mark.parametrize("tab", SLUGS)
    def test_each_has_an_address_of_its_own(
        self, ana: Client, organization: Organization, tab: str
    ) -> None:
        answer = shown(ana, organization, tab)

        assert answer.context["tab"].slug == tab
        assert f'<a href="?tab={tab}" aria-current="page">' in html(answer)

    def test_each_takes_as_many_statements_for_many_rows_as_for_few(
        self, ana: Client, organization: Organization
    ) -> None:
        few = {tab: statements(ana, page_of(organization, tab)) for tab in SLUGS}
        for number in range(1, 4):
            fill(organization, number)

        many = {tab: statements(ana, page_of(organization, tab)) for tab in SLUGS}

        assert many == few
        assert max(many.values()) < 45, many

    def test_one_that_is_not_there_is_the_overview(
        self, ana: Client, organization: Organization
    ) -> None:
        assert shown(ana, organization, "%00x").context["tab"].slug == "overview"

    @pytest.mark.parametrize("tab", [tab for tab in TABS if tab.slug not in ("overview",)])
    def test_each_is_for_those_who_may_see_one_of_its_panels(
        self, organization: Organization, tab: Any
    ) -> None:
        client = staff_who_may(LOOK)
        others = {panel.right for panel in tab.panels} - {LOOK}
        is_for_all = any(panel.right == LOOK for panel in tab.panels)

        answer = client.get(page_of(organization, tab.slug))

        assert answer.status_code == (200 if is_for_all else 403)
        assert (f'href="?tab={tab.slug}"' in html(shown(client, organization))) == is_for_all
        if others:
            right = min(others)
            allowed = shown(staff_who_may(LOOK, right, name="eva"), organization, tab.slug)
            panels = {panel.name: panel.right for panel in tab.panels}
            assert {panels[name] for name in panels if name in allowed.context} <= {LOOK, right}
            assert any(panels[name] == right for name in panels if name in allowed.context)

    def test_children_are_shown_of_those_who_may_have_some(self, ana: Client) -> None:
        parent, child = f.make_family()

        assert "?tab=children" in html(shown(ana, parent))
        assert "?tab=children" not in html(shown(ana, child))
        assert ana.get(page_of(child, "children")).status_code == 403

    def test_who_may_see_the_organization_only_sees_no_row_of_another_table(
        self, organization: Organization
    ) -> None:
        seen = html(shown(staff_who_may(LOOK), organization))

        for words in ("Movements", "Last refusals", "Refused, 24 hours", "Actor 0"):
            assert words not in seen


class TestHead:
    def test_has_the_buttons_that_one_may_use_and_the_rest_behind_dots(
        self, ana: Client, organization: Organization
    ) -> None:
        head = shown(ana, organization).context["head"]

        slugs = [button.action.slug for button in head.seen]
        assert slugs == ["grant", "recharge", "set-cap", "adjust"]
        assert {"edit", "mint-key"} <= {button.action.slug for button in head.more}
        assert {"suspend", "archive"} <= {button.action.slug for button in head.dangerous}

    def test_is_made_of_what_one_may_do(self, organization: Organization) -> None:
        client = staff_who_may(LOOK, "credits.change_creditconfig")

        seen = [button.action.slug for button in shown(client, organization).context["buttons"]]

        assert set(seen) == {"set-cap", "upgrade"}
        assert "btn-primary" not in html(shown(client, organization))

    def test_names_the_organization_and_lets_its_id_be_copied(
        self, ana: Client, organization: Organization
    ) -> None:
        seen = html(shown(ana, organization, "keys"))

        assert f"<h2>{organization.name}</h2>" in seen
        assert f'data-copy="{organization.public_id}"' in seen

    def test_says_its_cap_once_and_when_it_resets(
        self, ana: Client, organization: Organization
    ) -> None:
        seen = html(shown(ana, organization))

        assert seen.count("left of 5,000") == 1
        assert "resets in 22 days" in seen

    def test_of_an_archived_one_offers_nothing_that_is_refused(
        self, ana: Client, organization: Organization
    ) -> None:
        archived = f.make_organization("Gone")
        f.archive(archived)

        answer = shown(ana, archived)

        assert [b.action.slug for b in answer.context["buttons"]] == ["adjust", "edit"]
        assert "New child" not in html(answer)
        assert "Set the cap" not in html(shown(ana, archived, "settings"))
        assert "New key" not in html(shown(ana, archived, "keys"))


class TestMoney:
    def test_has_the_statements_with_a_link_to_each(
        self, ana: Client, organization: Organization
    ) -> None:
        f.renew(organization, now=f.later(days=40))

        answer = shown(ana, organization, "money")

        assert len(answer.context["statements"]) == 2
        for period in answer.context["statements"]:
            assert f"/billingperiod/{period.pk}/statement.csv" in html(answer)

    def test_says_what_became_of_each_grant(self, ana: Client) -> None:
        organization = f.make_organization()
        f.grant(organization, 5)
        f.spend(organization, 5)
        f.grant(organization, 10)

        grants = shown(ana, organization, "money").context["grants"]

        assert [(each.amount, state) for each, state, _ in grants] == [(10, "live"), (5, "spent")]

    def test_shows_what_was_taken_back(self, ana: Client) -> None:
        organization = f.make_organization()
        all_of_it = f.grant(organization, 5)
        back = f.reverse(all_of_it)
        f.reverse(f.grant(organization, 9), amount=4)

        seen = html(shown(ana, organization, "money"))

        assert (
            f'<a class="pill pill-bad" href="/admin/credits/ledgerentry/{back.pk}/change/">reversed</a>'
            in seen
        )
        assert ">4 reversed</a>" in seen
        assert seen.count("taken-back-row") == 1


class TestUsage:
    @pytest.mark.parametrize(
        ("by", "name"),
        [("model", "sonnet"), ("person", "Ada"), ("app", "app crm"), ("x", "sonnet")],
    )
    def test_is_stacked_by_what_is_asked_for(self, ana: Client, by: str, name: str) -> None:
        organization = f.make_organization(funded=1_000)
        ada = p.make_actor(organization, "Ada")
        sonnet, _ = p.make_models()
        crm = {"resource_type": "app", "resource_id": "crm"}
        p.settle(
            p.hold(p.work(organization, actor=ada, model=sonnet, millions=2, **crm)), millions=1
        )
        rollups.roll_up(organization=organization, now=f.NOW)
        p.use(p.work(organization, 3), 3)

        answer = shown(ana, organization, "usage", f"&by={by}")

        assert answer.context["usage"].total == 13
        assert f'</i>{name} <b class="num">10</b>' in html(answer)
        assert '<b class="num">3</b>' in html(answer)

    def test_has_no_more_colours_than_can_be_told_apart(self, ana: Client) -> None:
        organization = f.make_organization(funded=1_000)
        for number in range(9):
            actor = p.make_actor(organization, f"Actor {number}")
            p.use(p.work(organization, number + 1, actor=actor), number + 1)

        seen = html(shown(ana, organization, "usage", "&by=person"))

        assert 'Others <b class="num">6</b>' in seen
        assert 'Actor 8 <b class="num">9</b>' in seen
        assert 'Actor 2 <b class="num">' not in seen


class TestSettings:
    def test_the_form_is_filled_in_and_is_sent_to_its_button(
        self, ana: Client, organization: Organization
    ) -> None:
        seen = html(shown(ana, organization, "settings"))

        assert f'action="/admin/organizations/organization/{organization.pk}/edit/"' in seen
        assert f'value="{escape(organization.name)}"' in seen
        assert 'name="step" value="preview"' in seen


class TestHistory:
    @pytest.fixture
    def ben(self, transactional_db: None) -> Client:
        return client_of(User.objects.create_superuser("ben"))

    def rows(self, client: Client, organization: Organization, query: str = "") -> list[Any]:
        found = shown(client, organization, "history", query).context["happened"]
        return list(found.rows)

    def test_tells_money_and_rules_together_with_who_and_why(self, ben: Client) -> None:
        organization = f.make_organization()
        use(ben, "grant", organization, amount="5", reason="a present")
        use(ben, "set-cap", organization, monthly_cap="70", reason="too fast")

        rows = self.rows(ben, organization)

        by_ben = {(row.label, row.what): row for row in rows if row.who == "staff:ben"}
        assert by_ben["grant", ""].why == "a present"
        assert by_ben["grant", ""].entry.amount == 5
        (change,) = by_ben["changed", "Terms"].changes
        assert change == ("Monthly cap", "none", "70")
        assert by_ben["changed", "Terms"].why == "too fast"

    def test_says_what_an_action_did_that_changed_no_row_of_its_own(self, ben: Client) -> None:
        organization = f.make_organization()
        use(ben, "mint-key", organization, name="gateway", scopes=["usage:write"])

        rows = [(row.label, row.what) for row in self.rows(ben, organization)]

        assert rows.count(("made", "Key gateway")) == 1

    def test_tells_a_limit_that_was_raised(self, ben: Client) -> None:
        organization = f.make_organization()
        limit = p.limit(organization, 50, "actor_default")
        limit.cap = 80
        controls.save_limit(limit=limit, changed=["cap"], performed_by="staff:eva", now=f.NOW)

        (row,) = [row for row in self.rows(ben, organization) if row.who == "staff:eva"]

        assert (row.label, row.what) == ("changed", "Limit of actor default")
        assert list(row.changes) == [("Cap", "50", "80")]

    def test_tells_the_amounts_that_a_rule_began_with(self, ben: Client) -> None:
        organization = f.make_organization()
        p.limit(organization, 50, "actor_default")

        rows = {row.what: row for row in self.rows(ben, organization)}

        assert list(rows["Limit of actor default"].changes) == [("Cap", "", "50")]
        assert list(rows["Organization"].changes) == []

    def test_names_whose_limit_it_was_and_the_key_by_which_it_was_changed(
        self, ben: Client
    ) -> None:
        organization = f.make_organization()
        ada = p.make_actor(organization, "Ada")
        limit = p.limit(organization, 50, "actor", actor=ada)
        key, _ = f.make_key(organization, name="gateway")
        limit.cap = 80
        by = key.public_id
        controls.save_limit(limit=limit, changed=["cap"], performed_by=by, now=f.NOW)

        (row,) = [row for row in self.rows(ben, organization) if row.who == key.public_id]

        assert (row.what, row.known_as) == ("Limit of Ada", "gateway")
        looking = staff_who_may("organizations.view_organization", "usage.view_limit", name="cy")
        (seen,) = [row for row in self.rows(looking, organization) if row.who == key.public_id]
        assert seen.known_as == ""

    @pytest.mark.parametrize(
        ("only", "money", "rules"), [("money", True, False), ("rules", False, True)]
    )
    def test_may_be_of_one_only(self, ben: Client, only: str, money: bool, rules: bool) -> None:
        organization = f.make_organization()
        use(ben, "grant", organization, amount="5")
        f.set_terms(organization, monthly_cap=9)

        rows = self.rows(ben, organization, f"&only={only}")

        assert any(row.entry for row in rows) == money
        assert any(row.what == "Terms" for row in rows) == rules
        assert not [row for row in rows if "granted" in row.what]

    def test_goes_on_where_a_page_ends(self, ben: Client) -> None:
        organization = f.make_organization(now=f.later(days=-40))
        for number in range(30):
            f.grant(organization, number + 1, now=f.later(days=number - 35))

        first = shown(ben, organization, "history", "&only=money").context["happened"]
        rest = self.rows(ben, organization, f"&only=money&before={first.older}")

        amounts = [row.entry.amount for row in [*first.rows, *rest]]
        assert amounts == list(range(30, 0, -1))

    @pytest.mark.parametrize("before", ["x", "2026-99-99", "99999", "%00", "0001-01-01T00:00"])
    def test_survives_any_moment(
        self, ben: Client, organization: Organization, before: str
    ) -> None:
        self.rows(ben, organization, f"&before={before}")

    def test_shows_only_what_one_may_see_elsewhere(self, organization: Organization) -> None:
        rows = self.rows(staff_who_may(LOOK), organization)

        assert not [row for row in rows if row.entry or "Terms" in row.what or "Key" in row.what]

    def test_tells_of_every_rule_that_is_kept(
        self, ben: Client, organization: Organization
    ) -> None:
        """Whoever keeps the history of another table of organizations finds it here."""
        kept = {
            model
            for model in apps.get_models()
            if hasattr(model, "history")
            and any(field.name in ("organization", "wallet") for field in model._meta.fields)
        }

        assert {rule.model for rule in RULES} == {*kept, Organization}

    def test_tells_of_warnings_alert_rules_prices_and_members(self, ben: Client) -> None:
        organization = f.make_organization()
        ada = p.make_actor(organization, "Ada")
        warning = p.budget_warning(organization, actor=ada, budget=10)
        warning.percents = [50, 100]
        warning.save()
        AlertRule.objects.create(organization=organization, dry_within_days=3)
        p.markup("1.5", of=organization)
        p.make_group(organization, "lab", ada, kind="entity")

        rows = {(row.label, row.what): row for row in self.rows(ben, organization)}

        change = rows["changed", "Budget warning of Ada"].changes
        assert [each.what for each in change] == ["Percents"]
        assert change[0].after == "50, 100"
        assert ("made", "Alert rules") in rows
        assert [row for row in rows if row[1].startswith("Customer price of all models from")]
        assert ("joined", "Member Ada, Lab") in rows

    def test_names_people_and_not_their_ids(self, ben: Client) -> None:
        organization = f.make_organization()
        profile = p.make_profile(organization, "own", cap=5)
        group = p.make_group(organization, "team")
        groups.update_group(group=group, changes={"profile": profile}, now=f.NOW)

        changes = [change for row in self.rows(ben, organization) for change in row.changes]

        assert ("Profile", "none", str(profile)) in changes
