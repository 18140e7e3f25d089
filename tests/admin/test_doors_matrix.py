"""Roles × what is done elsewhere than on lists, pages of rows and forms of organizations: whoever adds such an address says here who it answers."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.urls.resolvers import URLPattern, URLResolver

from credits.models import BillingPeriod
from credits.services import rehearsing
from organizations import alerts, proposals
from organizations.models import Failure, Organization, Proposal
from tests import factories as f
from tests.admin.test_bulk_actions import ask as ask_for_many
from tests.admin.test_refusals import refuse
from tests.admin.test_roles_matrix import ALL, LETTERS, who_is
from tests.admin.test_roles_matrix import world as world
from tests.usage.bringing import looked_at
from tests.usage.noticed import forget_the_calendar, look, the_alert
from usage import what_if
from usage.admin.many import BY_SLUG
from usage.admin.organizations import ACTIONS
from usage.models import AIModel, PriceProposal
from usage.services.what_if import ask

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)
MARKUP = {
    "id": None,
    "is_deleted": False,
    "fields": {
        "provider": "",
        "model_id": None,
        "starts_at": (f.NOW + 40 * DAY).isoformat(),
        "factor": "2",
    },
}
"""What the form of a markup proposes."""
USUAL = re.compile(r"_(changelist|add|change|history|delete|export|views|view|autocomplete)$")
"""Pages that every table has: the matrix of pages is of them."""
EVERYBODYS = {
    *("index", "login", "logout", "password_change_done", "jsi18n", "search"),
    *("autocomplete", "view_on_site", "app_list"),
}
"""What is about who asks, or asks further what they may see."""
DOORS = {
    "auth_user_reset_second_factor": ("GET", "M"),
    "credits_billingperiod_month": ("GET", ALL),
    "credits_billingperiod_month_lines": ("GET", ALL),
    "credits_billingperiod_month_movements": ("GET", ALL),
    "credits_billingperiod_statement": ("GET", ALL),
    "credits_rehearsal_csv": ("GET", ALL),
    "credits_rehearsal_run": ("POST", "OM"),
    "credits_reservation_many release-holds": ("GET", "OM"),
    "organizations_actor_many set-limit": ("GET", "OAM"),
    "organizations_actor_many switch-off": ("GET", "OM"),
    "organizations_alert_acknowledge": ("GET", "SOFAM"),
    "organizations_alert_end-silence": ("GET", "SOFAM"),
    "organizations_alert_many acknowledge": ("GET", "SOFAM"),
    "organizations_alert_many silence": ("GET", "SOFAM"),
    "organizations_alert_reopen": ("GET", "SOFAM"),
    "organizations_alert_silence": ("GET", "SOFAM"),
    "organizations_bulkaction_confirm": ("POST", "SFAM"),
    "organizations_bulkaction_csv": ("GET", ALL),
    "organizations_bulkaction_decide": ("POST", "AM"),
    "organizations_bulkaction_go-on": ("POST", ALL),
    "organizations_bulkaction_look": ("POST", "AM"),
    "organizations_failure_try_again": ("POST", "M"),
    "organizations_import_problems": ("GET", "OM"),
    "organizations_import_report": ("GET", "OM"),
    "organizations_import_start": ("POST", "OM"),
    "organizations_import_stop": ("POST", "OM"),
    "organizations_import_template": ("GET", "OM"),
    "organizations_organization_many grant": ("GET", "SFAM"),
    "organizations_organization_many set-cap": ("GET", "OAM"),
    "organizations_proposal_decide": ("POST", "AM"),
    "organizations_proposal_waiting": ("GET", ALL),
    "usage_aimodel_accept-difference": ("GET", "AM"),
    "usage_aimodel_new-prices": ("GET", "AM"),
    "usage_aimodel_take-back": ("GET", "AM"),
    "usage_denial_many forgive": ("GET", "SOAM"),
    "usage_denial_now": ("POST", ALL),
    "usage_monthlyuse_csv": ("GET", ALL),
    "usage_priceproposal_decide": ("POST", "AM"),
    "usage_whatif_csv": ("GET", ALL),
}
"""For each address, with the action where it is of many at once: how it is asked, and whom it answers."""


class TestMatrix:
    def test_is_complete(self) -> None:
        buttons = {f"organizations_organization_{action.slug}" for action in ACTIONS}
        found = set(named(admin.site.urls[0]))

        doors = {name.split()[0] for name in DOORS}
        assert found >= EVERYBODYS
        assert {name for name in found if not USUAL.search(name)} == doors | buttons | EVERYBODYS

    @pytest.mark.parametrize("letter", LETTERS)
    def test_is_what_each_role_is_answered(
        self, rows: dict[str, list[object]], letter: str
    ) -> None:
        client = who_is(letter)
        wrong = []
        for door, (method, who) in DOORS.items():
            answer = knock(client, door, method, rows)
            assert answer.status_code < 500, door
            if (answer.status_code != 403) != (letter in who):
                wrong.append((door, answer.status_code))
        assert wrong == []


def named(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from named(each.url_patterns)
        elif each.name:
            yield each.name


def knock(client: Client, door: str, method: str, rows: dict[str, list[object]]) -> Any:
    name, _, slug = door.partition(" ")
    args = [slug] if slug else rows.get(name, rows.get(name.rpartition("_")[0], []))
    where = reverse(f"admin:{name}", args=args)
    return client.get(where) if method == "GET" else client.post(where, {"decision": "refuse"})


@pytest.fixture
def rows(world: Organization, ana: Client) -> dict[str, list[object]]:
    """A row behind every door, proposed or brought by somebody else than who knocks."""
    forget_the_calendar()
    f.spend(f.make_organization("Debtor", overdraft_limit=50), 30)
    look()
    alert = the_alert("in_debt")
    alerts.acknowledge(alert=alert, note="x", performed_by="staff:ana", now=f.NOW)
    failure = Failure.objects.create(
        kind="expire", organization=world, error="no", first_failed_at=f.NOW, last_failed_at=f.NOW
    )
    asked = PriceProposal(
        action="markup", payload=MARKUP, subject="x", effect="y", reason="z", proposed_by="ana"
    )
    grant = Proposal(
        organization=world, action="grant", payload={}, amount=5, reason="z", proposed_by="ana"
    )
    month = date(f.NOW.year, f.NOW.month, 1)
    what = ask(
        changes=what_if.Changes({}), month=month, organization=world, asked_by="ana", now=f.NOW
    )
    until = f.NOW + 40 * DAY
    rehearsal = rehearsing.begin_rehearsal(until=until, reason="x", performed_by="ana", now=f.NOW)
    return {
        "auth_user_reset_second_factor": [User.objects.create_user("cy").pk],
        "credits_billingperiod_statement": [BillingPeriod.objects.earliest("pk").pk],
        "credits_rehearsal": [rehearsal.pk],
        "organizations_alert": [alert.pk],
        "organizations_bulkaction": [ask_for_many(ana, "grant", [world], amount="5").pk],
        "organizations_failure_try_again": [failure.pk],
        "organizations_import": [looked_at("people", "organization,name\nx,Ana\n").pk],
        "organizations_import_template": ["people", "csv"],
        "organizations_proposal_decide": [proposals.propose(grant, now=f.NOW).pk],
        "usage_aimodel": [AIModel.objects.earliest("pk").pk],
        "usage_denial_now": [refuse(world, 90_000).pk],
        "usage_priceproposal_decide": [proposals.propose(asked, now=f.NOW).pk],
        "usage_whatif": [what.pk],
    }


def test_what_is_done_to_many_is_among_them() -> None:
    assert {door.split()[1] for door in DOORS if " " in door} == {
        *BY_SLUG,
        *("acknowledge", "silence"),
    }
