"""How much one person does alone: money that is moved by hand, and limits that are raised, added up over a day."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from config.settings import amount as read_amount
from credits.models import CreditConfig
from organizations.models import Organization, Proposal
from tests.admin.browser import fill_in_page
from tests.admin.people import client_of, fill_in, send, staff_who_may, use
from tests.factories import (
    entries_of,
    grant,
    later,
    make_family,
    make_organization,
    money_of,
    wallet_of,
)
from tests.parallel import at_once
from tests.usage import people

pytestmark = pytest.mark.django_db(transaction=True)

GRANT, MORE, APPROVE = "credits.grant", "credits.grant_more", "organizations.approve"


@pytest.fixture(autouse=True)
def limit(settings: Any) -> None:
    settings.SECOND_PERSON_ABOVE = Decimal(1_000)


@pytest.fixture
def bob(transactional_db: None) -> Client:
    """Bob may do everything, too."""
    return client_of(User.objects.create_superuser("bob"))


def page_of(proposal: Proposal) -> str:
    return reverse("admin:organizations_proposal_change", args=[proposal.pk])


def decide(client: Client, proposal: Proposal, decision: str = "approve") -> Any:
    url = reverse("admin:organizations_proposal_decide", args=[proposal.pk])
    return client.post(url, {"decision": decision})


def proposed(client: Client, action: str, organization: Organization, **fields: Any) -> Proposal:
    before = money_of(organization)
    answer = use(client, action, organization, **fields)
    proposal = Proposal.objects.latest("proposed_at", "id")
    assert answer.headers["location"] == page_of(proposal)
    assert money_of(organization) == before
    return proposal


class TestLimit:
    def test_is_landed_on_by_one_person(self, ana: Client) -> None:
        organization = make_organization()

        use(ana, "grant", organization, amount="1000")

        assert money_of(organization)[0] == 1_000

    @pytest.mark.parametrize(
        ("action", "amount"),
        [
            ("grant", "1000.000001"),
            ("adjust", "1001"),
            ("adjust", "-1001"),
            ("recharge", "1001"),
        ],
    )
    def test_is_crossed_by_nobody_alone(self, ana: Client, action: str, amount: str) -> None:
        organization = make_organization(funded=5_000, recharge_limit=9_000)

        proposal = proposed(ana, action, organization, amount=amount)

        assert (proposal.action, proposal.state) == (action, "waiting")
        assert proposal.amount == abs(Decimal(amount))
        assert proposal.expires_at - proposal.proposed_at == timedelta(hours=24)

    def test_holds_for_allocations_too(self, ana: Client) -> None:
        _, child = make_family(funded=5_000)

        assert proposed(ana, "allocate", child, amount="1001").amount == 1_001

    def test_holds_for_reversals_too(self, ana: Client) -> None:
        organization = make_organization()
        entry = grant(organization, 1_001)

        assert proposed(ana, "reverse", organization, entry=entry.pk).amount == 1_001

    def test_adds_up_what_one_person_moves_in_a_day(self, ana: Client) -> None:
        organization = make_organization()
        use(ana, "grant", organization, amount="600")

        assert proposed(ana, "grant", organization, amount="600").amount == 600
        use(ana, "grant", make_organization("Another"), amount="600")
        with time_machine.travel(later(hours=24), tick=False):
            again = client_of(User.objects.get(username="ana"))
            use(again, "grant", organization, amount="600")

        assert money_of(organization)[0] == 1_200

    def test_of_small_grants_is_a_lower_one(self, bob: Client, settings: Any) -> None:
        settings.GRANT_ALONE_UP_TO = Decimal(50)
        organization = make_organization()
        cleo = staff_who_may(GRANT, name="cleo")
        use(cleo, "grant", organization, amount="50")

        proposal = proposed(cleo, "grant", organization, amount="0.000001")
        use(staff_who_may(GRANT, MORE, name="dora"), "grant", organization, amount="51")
        decide(cleo, proposal)
        assert Proposal.objects.get().state == "waiting"
        decide(bob, proposal)

        assert money_of(organization)[0] == Decimal("101.000001")

    def test_may_be_none(self, ana: Client, settings: Any) -> None:
        settings.SECOND_PERSON_ABOVE = None
        organization = make_organization()

        use(ana, "grant", organization, amount="1000000")

        assert money_of(organization)[0] == 1_000_000

    def test_is_not_walked_around_by_a_new_organization(self, ana: Client) -> None:
        url = reverse("admin:organizations_organization_add")
        form = ana.get(url).context["form"]
        data = {field.name: field.value() or "" for field in form}

        page = ana.post(url, {**data, "name": "New", "term": "month", "allowance": "1001"})

        assert list(page.context["form"].errors) == ["allowance"]
        assert not Organization.objects.exists()

    def test_is_said_by_the_preview(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "grant", organization, amount="1001")

        page = send(ana, "grant", organization, data, step="preview")

        assert page.context["needs_second_person"]
        assert "not for one person alone" in page.content.decode()
        assert not Proposal.objects.exists()

    @pytest.mark.race
    def test_is_not_crossed_by_two_at_once(self, ana: Client) -> None:
        organization = make_organization()
        forms = [fill_in(ana, "grant", organization, amount="600") for _ in range(4)]

        at_once(4, lambda n: send(ana, "grant", organization, forms[n]))

        assert money_of(organization)[0] == 600
        assert [proposal.amount for proposal in Proposal.objects.all()] == [600] * 3


class TestProposed:
    def test_is_made_once_however_often_it_is_sent(self, ana: Client, bob: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "grant", organization, amount="1001")

        for _ in range(3):
            send(ana, "grant", organization, data)
        decide(bob, Proposal.objects.get())
        send(ana, "grant", organization, data)

        assert Proposal.objects.count() == 1
        assert money_of(organization)[0] == 1_001

    def test_does_it_in_the_names_of_both(self, ana: Client, bob: Client) -> None:
        organization = make_organization()
        proposal = proposed(
            ana,
            "grant",
            organization,
            amount="1001",
            expires_at_0="2026-06-01",
            expires_at_1="12:00",
        )

        decide(bob, proposal)

        (entry,) = entries_of(organization)
        assert entry.amount == 1_001
        assert entry.reason == "asked for by mail"
        assert entry.performed_by == "staff:ana, approved by staff:bob"
        proposal.refresh_from_db()
        assert (proposal.state, proposal.decided_by) == ("approved", "bob")
        told = LogEntry.objects.latest("id")
        assert str(told.user) == "bob"
        assert "Proposal of ana approved" in told.change_message


class TestSetting:
    @pytest.mark.parametrize(
        ("text", "value"), [("", None), ("0", 0), ("2500.5", Decimal("2500.5"))]
    )
    def test_is_an_amount_or_none(
        self, monkeypatch: pytest.MonkeyPatch, text: str, value: Decimal | None
    ) -> None:
        monkeypatch.setenv("SECOND_PERSON_ABOVE", text)

        assert read_amount("SECOND_PERSON_ABOVE", default="1") == value

    @pytest.mark.parametrize("text", ["NaN", "-1", "Infinity", "much"])
    def test_stops_the_start_when_it_is_not(
        self, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        monkeypatch.setenv("SECOND_PERSON_ABOVE", text)

        with pytest.raises(ImproperlyConfigured, match="not an amount of credits"):
            read_amount("SECOND_PERSON_ABOVE", default="1")


class TestRule:
    @pytest.mark.parametrize(
        ("action", "field", "value"),
        [
            ("set-cap", "monthly_cap", "1600"),
            ("set-cap", "monthly_cap", ""),
            ("set-overdraft", "overdraft_limit", "1001"),
        ],
    )
    def test_is_not_raised_so_much_by_one_person(
        self, ana: Client, bob: Client, action: str, field: str, value: str
    ) -> None:
        organization = make_organization(monthly_cap=500, overdraft_limit=0)
        wait_a_day(organization)

        proposal = proposed(ana, action, organization, **{field: value})
        decide(ana, proposal)
        assert Proposal.objects.get().state == "waiting"
        decide(bob, proposal)

        config = wallet_of(organization).config
        assert getattr(config, field) == (Decimal(value) if value else None)
        last = config.history.latest()
        assert last.history_change_reason == "staff:ana, approved by staff:bob"
        assert last.history_why == "asked for by mail"

    def test_adds_up_over_a_day_and_over_both_of_its_pages(self, ana: Client) -> None:
        organization = make_organization(monthly_cap=500)
        wait_a_day(organization)
        use(ana, "set-cap", organization, monthly_cap="1200")
        page = reverse("admin:credits_creditconfig_change", args=[wallet_of(organization).pk])

        answer = ana.post(page, fill_in_page(ana, page, monthly_cap="1501"))

        assert "set-cap/?monthly_cap=1501" in answer.context["proposing"]
        assert wallet_of(organization).config.monthly_cap == 1_200
        assert proposed(ana, "set-cap", organization, monthly_cap="1501").amount == 301
        ana.post(page, fill_in_page(ana, page, monthly_cap="1500"))
        assert wallet_of(organization).config.monthly_cap == 1_500

    def test_is_lowered_by_anybody(self, ana: Client) -> None:
        organization = make_organization(monthly_cap=500_000)

        use(ana, "set-cap", organization, monthly_cap="0")

        assert wallet_of(organization).config.monthly_cap == 0

    @pytest.mark.parametrize("scope", ["actor", "actor_default"])
    def test_of_a_person_waits_too(self, ana: Client, bob: Client, scope: str) -> None:
        organization = make_organization()
        whose = {"actor": people.make_actor(organization)} if scope == "actor" else {}
        limit = people.limit(organization, 10, scope, **whose)
        page = reverse("admin:usage_limit_change", args=[limit.pk])

        answer = ana.post(page, fill_in_page(ana, page, cap="1011"))
        filled = dict(parse_qsl(urlsplit(answer.context["proposing"]).query))
        proposal = proposed(ana, "set-limit", organization, **filled)
        decide(bob, proposal)

        limit.refresh_from_db()
        assert limit.cap == 1_011

    def test_of_a_person_is_compared_with_what_holds_without_it(self, ana: Client) -> None:
        organization = make_organization()
        ada = people.make_actor(organization)
        people.limit(organization, 10, "actor_default")

        use(ana, "set-limit", organization, whose=ada.public_id, cap="1010")
        proposal = proposed(ana, "set-limit", organization, whose=ada.public_id, cap="1011")
        use(ana, "set-limit", organization, whose="app/writer", cap="")

        assert proposal.amount == 1
        assert ada.limits.get().cap == 1_010

    def test_is_not_approved_by_who_may_not_change_it(self, ana: Client) -> None:
        organization = make_organization(monthly_cap=500)
        proposal = proposed(ana, "set-cap", organization, monthly_cap="9000")
        cleo = staff_who_may(APPROVE, GRANT, MORE, name="cleo")

        assert decide(cleo, proposal).status_code == 403
        assert wallet_of(organization).config.monthly_cap == 500


def wait_a_day(organization: Organization) -> None:
    """Have the terms be as old as the limit looks back."""
    CreditConfig.history.update(history_date=later(hours=-24))
