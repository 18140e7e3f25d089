"""The buttons that concern actors: a new one, forgiving, a personal key; and on what terms an organization uses AI."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from organizations.models import Actor, ApiKey, Organization
from tests.admin.people import fill_in, page_of, send, staff_who_may, url_of, use
from tests.admin.test_actions import effects, errors
from tests.factories import amounts, archive, entries_of, make_organization, money_of
from tests.usage.people import counted, hold, limit, make_actor, make_profile, settle, work
from usage.models import UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)


def spender(organization: Organization, credits: int) -> Actor:
    """Return an actor who used so much this month, and may use 100."""
    ada = make_actor(organization)
    limit(organization, 100, "actor", actor=ada)
    settle(hold(work(organization, credits, actor=ada)), credits)
    return ada


def page_of_actor(actor: Actor) -> str:
    return reverse("admin:organizations_actor_change", args=[actor.pk])


class TestNewActor:
    def test_brings_its_share_of_the_allowance(self, ana: Client) -> None:
        organization = make_organization(allowance_per_user=30)

        answer = use(ana, "new-actor", organization, name="Ada", external_id="u-1")

        assert answer.headers["location"] == page_of(organization)
        made = Actor.objects.get()
        assert (made.name, made.kind, made.external_id) == ("Ada", "user", "u-1")
        assert entries_of(organization)[-1].reason == f"seat 1: {made.public_id}"
        assert money_of(organization)[0] == 30
        assert Actor.history.get().history_change_reason == "staff:ana"

    def test_shows_the_share_before(self, ana: Client) -> None:
        organization = make_organization(allowance_per_user=30)
        data = fill_in(ana, "new-actor", organization, name="Ada")

        page = send(ana, "new-actor", organization, data, step="preview")

        assert effects(page)[organization.name, "Allowance"] == ("0", "30")
        assert effects(page)[organization.name, "Active actors"] == ("0", "1")
        assert not Actor.objects.exists()

    def test_brings_nothing_as_an_agent(self, ana: Client) -> None:
        organization = make_organization(allowance_per_user=30)

        use(ana, "new-actor", organization, name="Bot", kind="agent")

        assert money_of(organization)[0] == 0

    def test_happens_once_when_confirmed_twice(self, ana: Client) -> None:
        organization = make_organization(allowance_per_user=30)
        data = fill_in(ana, "new-actor", organization, name="Ada", external_id="u-1")

        answers = [send(ana, "new-actor", organization, data) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [302, 302]
        assert Actor.objects.count() == 1
        assert money_of(organization)[0] == 30

    def test_refuses_a_foreign_profile(self, ana: Client) -> None:
        organization = make_organization()
        theirs = make_profile(make_organization("Other"), "theirs", cap=5)
        data = fill_in(ana, "new-actor", organization, name="Ada", profile=str(theirs.pk))

        page = send(ana, "new-actor", organization, data)

        assert list(errors(page)) == ["profile"]
        assert not Actor.objects.exists()

    def test_names_the_external_id_that_is_taken(self, ana: Client) -> None:
        organization = make_organization()
        make_actor(organization, external_id="u-1")
        data = fill_in(ana, "new-actor", organization, name="Bob", external_id="u-1")

        for step in ("preview", "confirm"):
            page = send(ana, "new-actor", organization, data, step=step)
            assert errors(page) == {"external_id": ["Another actor is u-1."]}

        assert Actor.objects.count() == 1

    def test_is_where_the_list_of_actors_leads(self, ana: Client) -> None:
        organization = make_organization()
        url = reverse("admin:organizations_actor_add")

        answer = ana.get(url, {"organization": str(organization.pk)})

        assert answer.headers["location"] == url_of("new-actor", organization)

    def test_is_not_for_archived_organizations(self, ana: Client) -> None:
        organization = make_organization()
        assert url_of("new-actor", organization) in ana.get(page_of(organization)).content.decode()
        archive(organization)
        data = fill_in(ana, "new-actor", organization, name="Ada")

        assert list(errors(send(ana, "new-actor", organization, data))) == ["__all__"]
        assert "new-actor" not in ana.get(page_of(organization)).content.decode()

    def test_needs_its_permission(self) -> None:
        client = staff_who_may("organizations.view_organization", "organizations.change_actor")

        assert client.get(url_of("new-actor", make_organization())).status_code == 403


class TestForgive:
    def test_gives_a_cap_room_again_and_leaves_the_ledger(self, ana: Client) -> None:
        organization = make_organization(funded=1_000)
        ada = spender(organization, 100)
        before = len(entries_of(organization))

        answer = use(ana, "forgive", organization, actor=str(ada.pk), amount="40")

        assert answer.headers["location"] == page_of_actor(ada)
        assert counted(organization, "2026-05", actor=ada) == amounts(60, 0)
        event = UsageEvent.objects.get(source="forgiven")
        assert event.metadata == {"reason": "asked for by mail", "performedBy": "staff:ana"}
        assert len(entries_of(organization)) == before
        assert f"40 credits forgiven to {ada.public_id}." in LogEntry.objects.get().change_message

    def test_shows_what_it_changes_and_what_it_does_not(self, ana: Client) -> None:
        organization = make_organization(funded=1_000)
        ada = spender(organization, 100)
        data = fill_in(ana, "forgive", organization, actor=str(ada.pk), amount="40")

        page = send(ana, "forgive", organization, data, step="preview")

        assert effects(page) == {
            ("Ada", "Used this month"): ("100", "60"),
            ("Ada", "Left of its cap"): ("0", "40"),
        }
        assert page.context["back"] == page_of_actor(ada)
        assert not UsageEvent.objects.filter(source="forgiven").exists()

    def test_happens_once_when_confirmed_twice(self, ana: Client) -> None:
        organization = make_organization(funded=1_000)
        ada = spender(organization, 100)
        data = fill_in(ana, "forgive", organization, actor=str(ada.pk), amount="70")

        first = send(ana, "forgive", organization, data)
        second = send(ana, "forgive", organization, data)

        assert (first.status_code, second.status_code) == (302, 302)
        assert UsageEvent.objects.filter(source="forgiven").count() == 1
        assert counted(organization, "2026-05", actor=ada) == amounts(30, 0)

    def test_says_how_much_was_used(self, ana: Client) -> None:
        organization = make_organization(funded=1_000)
        ada = spender(organization, 100)
        data = fill_in(ana, "forgive", organization, actor=str(ada.pk), amount="100.5")

        page = send(ana, "forgive", organization, data, step="preview")

        assert errors(page) == {"amount": ["100 used this month, 100.5 to forgive."]}

    @pytest.mark.parametrize("actor", ["", "x", "00000000-0000-0000-0000-000000000000"])
    def test_names_an_actor_who_is_none(self, ana: Client, actor: str) -> None:
        organization = make_organization()
        data = fill_in(ana, "forgive", organization, actor=actor, amount="5")

        assert list(errors(send(ana, "forgive", organization, data))) == ["actor"]

    def test_refuses_another_organizations_actor(self, ana: Client) -> None:
        ada = spender(make_organization("Other", funded=1_000), 100)
        organization = make_organization()
        data = fill_in(ana, "forgive", organization, actor=str(ada.pk), amount="5")

        assert list(errors(send(ana, "forgive", organization, data))) == ["actor"]

    def test_is_offered_on_the_page_of_the_actor(self, ana: Client) -> None:
        ada = make_actor(make_organization())
        url = f"{url_of('forgive', ada.organization)}?actor={ada.pk}"

        assert url in ana.get(page_of_actor(ada)).content.decode()
        assert ana.get(url).context["form"]["actor"].value() == str(ada.pk)

    def test_needs_its_permission(self) -> None:
        ada = make_actor(make_organization())
        client = staff_who_may("organizations.view_organization", "organizations.view_actor")

        assert client.get(url_of("forgive", ada.organization)).status_code == 403
        assert "forgive" not in client.get(page_of_actor(ada)).content.decode()


class TestMint:
    def test_makes_a_personal_key(self, ana: Client) -> None:
        ada = make_actor(make_organization())

        use(
            ana,
            "mint-key",
            ada.organization,
            actor=str(ada.pk),
            name="Ada's",
            scopes=["usage:write"],
        )

        assert ApiKey.objects.get().actor == ada
        html = ana.get(page_of(ada.organization, "keys")).content.decode()
        assert "personal: Ada" in html

    def test_refuses_a_foreign_actor(self, ana: Client) -> None:
        stranger = make_actor(make_organization("Other"))
        organization = make_organization()
        data = fill_in(ana, "mint-key", organization, name="x", scopes=["usage:write"])

        page = send(ana, "mint-key", organization, {**data, "actor": str(stranger.pk)})

        assert list(errors(page)) == ["actor"]
        assert not ApiKey.objects.exists()


class TestEdit:
    def test_says_on_what_terms_an_organization_uses_ai(self, ana: Client) -> None:
        organization = make_organization()
        own = make_profile(organization, "own", cap=5)

        use(
            ana,
            "edit",
            organization,
            ai_enabled="",
            byok="on",
            enabled_providers="anthropic, openai, anthropic",
            entitled_until_0="2026-12-31",
            entitled_until_1="23:00",
            default_profile=str(own.pk),
        )

        organization.refresh_from_db()
        assert (organization.ai_enabled, organization.byok) == (False, True)
        assert organization.enabled_providers == ["anthropic", "openai"]
        assert organization.default_profile == own
        assert str(organization.entitled_until) == "2026-12-31 23:00:00+00:00"

    def test_says_what_another_default_profile_means(self, ana: Client) -> None:
        organization = make_organization(funded=100)
        ada = make_actor(organization, "Ada")
        for _ in range(2):
            settle(hold(work(organization, 10, actor=ada)), 10)
        narrow = make_profile(organization, "narrow", cap=15)
        data = fill_in(ana, "edit", organization, default_profile=str(narrow.pk))

        page = send(ana, "edit", organization, data, step="preview")
        unchanged = send(
            ana, "edit", organization, fill_in(ana, "edit", organization), step="preview"
        )

        shown = {each.what: (each.before, each.after) for each in page.context["effects"]}
        assert shown["People who can spend no more this month"] == ("0 of 1", "1 of 1: Ada")
        assert shown["Refused that was done"] == ("none", "1, since 10 May: Ada 1")
        told = {each.what for each in unchanged.context["effects"]}
        assert not told & {"People who can spend no more this month", "Comes to"}

    def test_keeps_before_and_after_in_the_history(self, ana: Client) -> None:
        organization = make_organization()

        use(ana, "edit", organization, byok="on")

        assert "Own provider keys (no → yes)" in LogEntry.objects.get().change_message

    @pytest.mark.parametrize(
        ("providers", "shown", "stored"),
        [(None, "", None), ([], "none", []), (["openai"], "openai", ["openai"])],
    )
    def test_tells_all_providers_from_none(
        self, ana: Client, providers: Any, shown: str, stored: Any
    ) -> None:
        organization = make_organization()
        Organization.objects.update(enabled_providers=providers)
        data = fill_in(ana, "edit", organization)

        send(ana, "edit", organization, data)

        assert data.get("enabled_providers", "") == shown
        organization.refresh_from_db()
        assert organization.enabled_providers == stored

    def test_refuses_a_foreign_profile(self, ana: Client) -> None:
        organization = make_organization()
        theirs = make_profile(make_organization("Other"), "theirs", cap=5)
        data = fill_in(ana, "edit", organization, default_profile=str(theirs.pk))

        assert list(errors(send(ana, "edit", organization, data))) == ["default_profile"]

    def test_refuses_a_provider_with_too_long_a_name(self, ana: Client) -> None:
        organization = make_organization()
        data = fill_in(ana, "edit", organization, enabled_providers="x" * 41)

        assert list(errors(send(ana, "edit", organization, data))) == ["enabled_providers"]
