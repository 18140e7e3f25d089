"""The page of a refusal: why, limit by limit, what would admit the work, and whether it would pass now."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credits.models import CreditConfig
from organizations.models import Actor, Organization
from tests import factories as f
from tests.admin.people import fill_in, send, staff_who_may
from tests.usage import people as p
from usage import services
from usage.models import AIModel, Denial, Limit, UsageEvent
from usage.services import denials

pytestmark = pytest.mark.django_db(transaction=True)

VIEW = ["usage.view_denial"]


@pytest.fixture
def organization() -> Organization:
    organization = f.make_organization(funded=1_000)
    f.set_terms(organization, monthly_cap=100)
    return organization


def refuse(organization: Organization, amount: int, request_id: str = "", **fields: Any) -> Denial:
    """Ask for more than there is, as the API does, and return what is kept of it."""
    work = services.Work(organization, credits=Decimal(amount), **fields)
    refused = services.check(work, now=f.NOW)
    assert not isinstance(refused, services.Decision)
    denials.record(work, refused, now=f.NOW, request_id=request_id)
    return Denial.objects.latest("id")


def page_of(client: Client, denial: Denial) -> Any:
    return client.get(reverse("admin:usage_denial_change", args=[denial.pk]))


def html(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def ask_now(client: Client, denial: Denial) -> Any:
    answer = client.post(reverse("admin:usage_denial_now", args=[denial.pk]))
    assert answer.status_code == 200
    return answer.context["now"]


class TestWhy:
    def test_says_by_the_cap_what_was_needed_and_what_was_left(
        self, organization: Organization
    ) -> None:
        f.reserve(organization, 61)
        denial = refuse(organization, 150)

        answer = page_of(staff_who_may(*VIEW), denial)

        assert answer.context["why"] == (
            "The work needed 150 credits; the cap of 100 in a billing period had 39 left."
        )
        assert "At most <b>39</b> credits would have been admitted." in html(answer)

    def test_says_whose_limit_it_was(self, organization: Organization) -> None:
        ada = p.make_actor(organization, name="Ada")
        p.limit(organization, 5, "actor", actor=ada)

        answer = page_of(staff_who_may(*VIEW), refuse(organization, 6, actor=ada))

        assert answer.context["why"] == (
            "The work needed 6 credits; the limit of Ada, 5 a month, had 5 left."
        )

    def test_says_of_a_budget_and_of_the_pool(self, organization: Organization) -> None:
        p.limit(organization, 2, "resource", resource_type="app", resource_id="writer")
        client = staff_who_may(*VIEW)
        budget = refuse(organization, 3, resource_type="app", resource_id="writer")
        f.set_terms(organization, monthly_cap=None)
        pool = refuse(organization, 1_001)

        assert page_of(client, budget).context["why"] == (
            "The work needed 3 credits; the budget of app writer, 2 a month, had 2 left."
        )
        assert page_of(client, pool).context["why"] == (
            f"The work needed 1,001 credits; {organization} had 1,000 left to spend."
        )

    def test_shows_the_limits_in_the_order_in_which_they_are_asked(
        self, organization: Organization
    ) -> None:
        ada = p.make_actor(organization, name="Ada")
        p.limit(organization, 500, "actor", actor=ada)

        rungs = page_of(staff_who_may(*VIEW), refuse(organization, 150, actor=ada)).context[
            "ladder"
        ]

        assert [rung.scope for rung in rungs] == ["actor", "organization", "pool"]
        assert [rung.passes for rung in rungs] == [True, False, True]
        assert [rung.refused for rung in rungs] == [False, True, False]
        assert [rung.left for rung in rungs] == [500, 100, 1_000]

    def test_of_the_terms_alone_is_what_the_service_said(self, organization: Organization) -> None:
        model = p.make_model("sonnet", tier="strategic")
        plain = p.make_profile(organization, "plain", cap=None)
        ada = p.make_actor(organization, name="Ada", profile=plain)
        work = services.Work(organization, credits=Decimal(1), model=model, actor=ada)
        refused = services.check(work, now=f.NOW)
        assert isinstance(refused, services.NotAllowed)
        denials.record(work, refused, now=f.NOW)

        answer = page_of(staff_who_may(*VIEW), Denial.objects.get())

        assert (
            answer.context["why"]
            == "Sonnet is of tier strategic; the profile allows advanced and everyday."
        )
        assert answer.context["ladder"] == []

    def test_of_a_retired_model_says_since_when(self, organization: Organization) -> None:
        model = p.make_model("sonnet")
        AIModel.objects.update(retired_at=f.NOW)
        work = services.Work(organization, credits=Decimal(1), model=model)
        refused = services.check(work, now=f.NOW)
        assert isinstance(refused, services.ModelRetired)
        denials.record(work, refused, now=f.NOW)
        (denial,) = Denial.objects.all()
        staff = staff_who_may(*VIEW)

        why = page_of(staff, denial).context["why"]

        assert why == f"Sonnet was retired at {f.NOW:%Y-%m-%d %H:%M} UTC."
        assert ask_now(staff, denial) == (False, why)

    def test_says_how_often_it_was_refused_in_its_minute(self, organization: Organization) -> None:
        for _ in range(3):
            denial = refuse(organization, 150)

        assert "Refused <b>3 times</b> in this minute" in html(
            page_of(staff_who_may(*VIEW), denial)
        )


class TestNow:
    def test_says_no_as_long_as_nothing_changed(self, organization: Organization) -> None:
        denial = refuse(organization, 150)

        said = ask_now(staff_who_may(*VIEW), denial)

        assert said == (
            False,
            "The work needed 150 credits; the cap of 100 in a billing period had 100 left.",
        )

    def test_says_yes_once_the_cap_is_raised_and_holds_nothing(
        self, organization: Organization
    ) -> None:
        denial = refuse(organization, 150)
        f.set_terms(organization, monthly_cap=150)

        said = ask_now(staff_who_may(*VIEW), denial)

        assert said == (True, "150 credits would be held.")
        assert f.wallet_of(organization).reserved == 0

    def test_asks_for_the_same_budget(self, organization: Organization) -> None:
        p.limit(organization, 2, "resource", resource_type="app", resource_id="writer")
        denial = refuse(organization, 3, resource_type="app", resource_id="writer")

        assert "budget of app writer" in ask_now(staff_who_may(*VIEW), denial).sentence

    def test_says_that_the_organization_is_suspended(self, organization: Organization) -> None:
        denial = refuse(organization, 150)
        f.suspend(organization)

        passes, sentence = ask_now(staff_who_may(*VIEW), denial)

        assert not passes
        assert "suspended" in sentence

    def test_is_for_who_may_see_the_refusal(self, organization: Organization) -> None:
        denial = refuse(organization, 150)
        url = reverse("admin:usage_denial_now", args=[denial.pk])

        assert staff_who_may("usage.view_limit", name="eve").post(url).status_code == 404
        assert staff_who_may(*VIEW).get(url).status_code == 405


class TestRemedies:
    def remedies(self, client: Client, denial: Denial) -> dict[str, str]:
        found = page_of(client, denial).context["remedies"]
        return {remedy.title: remedy.url for remedy in found}

    def test_raise_the_cap_to_the_least_that_admits_it(self, organization: Organization) -> None:
        f.reserve(organization, 61)
        denial = refuse(organization, 150)
        right = "credits.change_creditconfig"
        client = staff_who_may(*VIEW, right)
        [(title, url)] = self.remedies(client, denial).items()
        assert title == "Raise the cap…"
        assert url.endswith("set-cap/?monthly_cap=211")

        data = fill_in(client, "set-cap", organization, monthly_cap="211", reason="they asked")
        preview = send(client, "set-cap", organization, data, step="preview")
        effects = {
            effect.what: (effect.before, effect.after) for effect in preview.context["effects"]
        }
        send(client, "set-cap", organization, data)

        assert effects["Cap of a billing period"] == ("100", "211")
        assert effects["Left of the cap"] == ("39", "150")
        assert CreditConfig.objects.get(wallet__organization=organization).monthly_cap == 211
        assert ask_now(client, denial).passes

    def test_raise_the_limit_or_forgive(self, organization: Organization) -> None:
        ada = p.make_actor(organization, name="Ada")
        p.limit(organization, 5, "actor", actor=ada)
        denial = refuse(organization, 6, actor=ada)
        rights = ("usage.change_limit", "usage.forgive")
        client = staff_who_may(*VIEW, *rights)
        assert list(self.remedies(client, denial)) == ["Raise the limit…", "Forgive usage…"]

        data = fill_in(
            client, "set-limit", organization, whose=ada.public_id, cap="6", reason="they asked"
        )
        preview = send(client, "set-limit", organization, data, step="preview")
        send(client, "set-limit", organization, data)

        told = {
            (each.whose, each.what): (each.before, each.after)
            for each in preview.context["effects"]
        }
        again = f"{organization}: the work of May again"
        assert told.pop(("Ada", "Credits in a calendar month")) == ("5", "6")
        assert list(told) == [
            *(("Ada", what) for what in ("Used this month", "New work")),
            *((again, what) for what in ("Comes to", "Done that was refused")),
        ]
        assert Limit.objects.get(actor=ada).cap == 6
        assert ask_now(client, denial).passes

    def test_grant_what_is_missing(self, organization: Organization) -> None:
        f.set_terms(organization, monthly_cap=None)
        denial = refuse(organization, 1_001)

        [(title, url)] = self.remedies(staff_who_may(*VIEW, "credits.grant"), denial).items()

        assert title == "Grant…"
        assert url.endswith("grant/?amount=1")

    def test_are_shown_only_to_who_may(self, organization: Organization) -> None:
        assert self.remedies(staff_who_may(*VIEW), refuse(organization, 150)) == {}


class TestSetLimit:
    def test_makes_one_where_there_was_none_of_its_own(self, organization: Organization) -> None:
        client = staff_who_may("usage.change_limit", "organizations.view_organization")

        data = fill_in(
            client, "set-limit", organization, whose="app/writer", cap="", reason="unlimited"
        )
        send(client, "set-limit", organization, data)

        limit = Limit.objects.get(organization=organization)
        assert (limit.resource_type, limit.resource_id, limit.cap) == ("app", "writer", None)

    def test_refuses_whom_the_organization_does_not_have(self, organization: Organization) -> None:
        client = staff_who_may("usage.change_limit")
        foreign: Actor = p.make_actor(f.make_organization())

        data = fill_in(
            client, "set-limit", organization, whose=foreign.public_id, cap="6", reason="x"
        )
        answer = send(client, "set-limit", organization, data)

        assert "whose" in answer.context["form"].errors
        assert not Limit.objects.exists()


class TestRecord:
    def test_keeps_the_request_ids_of_a_minute_and_counts_them(
        self, organization: Organization
    ) -> None:
        for number in range(3):
            refuse(organization, 150, f"req_{number}")

        [denial] = Denial.objects.all()
        assert denial.times == 3
        assert denial.request_ids == ["req_0", "req_1", "req_2"]
        assert denial.code == "BILLING_EXHAUSTED"
        assert [denial.needed, denial.affordable] == [150, 100]
        assert denial.unblocks_at is None or denial.unblocks_at > f.NOW

    def test_writes_no_more_than_so_often_in_a_minute(self, organization: Organization) -> None:
        denial = refuse(organization, 150, "req_0")
        Denial.objects.update(times=Denial.TIMES, request_ids=["req_x"] * Denial.REQUEST_IDS)

        again = refuse(organization, 150, "req_1")

        assert again.pk == denial.pk
        assert again.times == Denial.TIMES
        assert len(again.request_ids) == Denial.REQUEST_IDS

    def test_begins_anew_with_the_next_minute(self, organization: Organization) -> None:
        denial = refuse(organization, 150)
        Denial.objects.update(minute=denial.minute - timedelta(minutes=1))

        refuse(organization, 150)

        assert Denial.objects.count() == 2
        assert not UsageEvent.objects.exists()


class TestSearch:
    def test_finds_a_refusal_by_what_the_customer_has_in_hand(
        self, organization: Organization
    ) -> None:
        refuse(organization, 150, "req_01a21a28-130e-7000-947d-6641b66bf05b")
        client = staff_who_may(*VIEW)
        url = reverse("admin:usage_denial_changelist")

        found = client.get(url, {"q": " REQ_01a21a28-130e-7000-947d-6641b66bf05b"})
        other = client.get(url, {"q": "req_01a21a28-130e-7000-947d-6641b66bf05c"})

        assert len(found.context["cl"].result_list) == 1
        assert len(other.context["cl"].result_list) == 0
