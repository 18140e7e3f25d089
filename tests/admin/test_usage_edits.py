"""What staff edit of usage: thresholds, limits, profiles, actors, groups, models and rates, each change with its history."""

from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from organizations.models import Actor, Group, Membership, UsageProfile
from tests.admin.browser import CONFIRMED, errors_of, fill_in_page
from tests.admin.people import staff_who_may
from tests.factories import (
    NOW,
    archive,
    at,
    entries_of,
    later,
    make_organization,
    money_of,
)
from tests.usage.people import (
    hold,
    limit,
    make_actor,
    make_group,
    make_model,
    make_models,
    make_profile,
    set_price,
    set_rate,
    settle,
    thresholds,
    use,
    work,
)
from usage.models import AIModel, Limit, Rate, Thresholds

pytestmark = pytest.mark.django_db(transaction=True)


def page(row: Model, what: str = "change") -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_{what}"
    return reverse(name, args=[row.pk])


def adding(model: type[Model], **chosen: Any) -> str:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
    query = "&".join(f"{name}={value}" for name, value in chosen.items())
    return f"{url}?{query}" if query else url


def edit(client: Client, row: Model, **fields: Any) -> Any:
    return client.post(page(row), fill_in_page(client, page(row), **fields))


def add(client: Client, url: str, **fields: Any) -> Any:
    return client.post(url, fill_in_page(client, url, **fields))


class TestWhose:
    @pytest.mark.parametrize("model", [Limit, Thresholds, Group, UsageProfile, Actor])
    def test_is_asked_before_the_form_of_a_new_row(self, ana: Client, model: type[Model]) -> None:
        page = ana.get(adding(model))

        assert page.templates[0].name == "admin/choose_organization.html"
        assert not page.context["form"].is_bound

    @pytest.mark.parametrize(
        "organization", ["x", "system", "00000000-0000-0000-0000-000000000000"]
    )
    def test_is_not_anybody(self, ana: Client, organization: str) -> None:
        page = ana.get(adding(Group, organization=organization))

        assert list(page.context["form"].errors) == ["organization"]

    def test_is_not_an_archived_organization(self, ana: Client) -> None:
        organization = make_organization()
        archive(organization)
        url = adding(Thresholds, organization=organization.pk)

        assert list(ana.get(url).context["form"].errors) == ["organization"]
        assert ana.post(url, {"shutoff": "5"}).status_code == 200
        assert not Thresholds.objects.exists()

    def test_needs_the_permission_to_add(self) -> None:
        client = staff_who_may("usage.view_limit")

        assert client.get(adding(Limit)).status_code == 403


class TestThresholds:
    def test_are_set_and_keep_who_set_them(self, ana: Client) -> None:
        organization = make_organization()

        answer = add(
            ana, adding(Thresholds, organization=organization.pk), downgrade="800", shutoff="1200.5"
        )

        assert answer.status_code == 302
        found = Thresholds.objects.get()
        assert (found.organization, found.downgrade, found.shutoff) == (
            organization,
            Decimal(800),
            Decimal("1200.5"),
        )
        assert Thresholds.history.get().history_change_reason == "staff:ana"

    def test_show_before_and_after_in_the_history(self, ana: Client) -> None:
        found = thresholds(make_organization(), downgrade=800, shutoff=1_200)

        edit(ana, found, downgrade="", shutoff="1500")

        html = ana.get(page(found, "history")).content.decode()
        assert '<span class="before">800</span>' in html
        assert '<span class="after">none</span>' in html
        assert '<span class="after">1,500</span>' in html
        assert "staff:ana" in html

    def test_say_which_is_above_the_other(self, ana: Client) -> None:
        found = thresholds(make_organization(), downgrade=800, shutoff=1_200)

        answer = edit(ana, found, downgrade="1300")

        assert errors_of(answer) == {"downgrade": ["It may not be above the shutoff."]}
        found.refresh_from_db()
        assert found.downgrade == 800

    def test_may_be_equal(self, ana: Client) -> None:
        found = thresholds(make_organization(), downgrade=800, shutoff=1_200)

        assert edit(ana, found, downgrade="1200").status_code == 302

    def test_say_so_when_somebody_else_lowered_the_other_meanwhile(self, ana: Client) -> None:
        found = thresholds(make_organization(), downgrade=800, shutoff=1_200)
        opened_before = fill_in_page(ana, page(found), downgrade="1000")
        Thresholds.objects.update(shutoff=900)

        answer = ana.post(page(found), opened_before, follow=True)

        assert "1000 is above" in answer.content.decode()
        found.refresh_from_db()
        assert found.downgrade == 800

    def test_want_at_least_one(self, ana: Client) -> None:
        organization = make_organization()

        answer = add(ana, adding(Thresholds, organization=organization.pk))

        assert list(errors_of(answer)) == ["downgrade"]

    def test_are_one_page_for_each_organization(self, ana: Client) -> None:
        found = thresholds(make_organization(), shutoff=5)

        answer = ana.get(adding(Thresholds, organization=found.pk))

        assert answer.headers["location"] == page(found)


class TestLimit:
    def test_of_an_actor_is_made_with_its_history(self, ana: Client) -> None:
        ada = make_actor(make_organization())
        url = adding(Limit, organization=ada.organization_id, scope="actor")

        answer = add(ana, url, actor=str(ada.pk), cap="50")

        assert answer.status_code == 302
        made = Limit.objects.get()
        assert (made.actor, made.cap, made.created_at) == (ada, Decimal(50), NOW)
        assert Limit.history.get().history_change_reason == "staff:ana"

    @pytest.mark.parametrize("scope", ["actor_default", "team_default", "entity_default"])
    def test_by_default_has_no_subject(self, ana: Client, scope: str) -> None:
        organization = make_organization()
        url = adding(Limit, organization=organization.pk, scope=scope)

        assert add(ana, url, cap="").status_code == 302

        made = Limit.objects.get()
        assert (made.scope, made.cap, made.actor, made.group) == (scope, None, None, None)

    def test_of_a_resource_names_it(self, ana: Client) -> None:
        organization = make_organization()
        url = adding(Limit, organization=organization.pk, scope="resource")

        add(ana, url, resource_type="dataset", resource_id="sales", cap="0", slug="Sales")

        made = Limit.objects.get()
        assert (made.resource_type, made.resource_id, made.cap) == ("dataset", "sales", Decimal(0))
        assert made.slug == "Sales"

    @pytest.mark.parametrize(
        ("scope", "missing"), [("actor", "actor"), ("group", "group"), ("resource", "resource_id")]
    )
    def test_names_the_subject_that_is_missing(self, ana: Client, scope: str, missing: str) -> None:
        organization = make_organization()

        answer = add(ana, adding(Limit, organization=organization.pk, scope=scope), cap="5")

        assert list(errors_of(answer)) == [missing]

    def test_refuses_another_organizations_actor_and_group(self, ana: Client) -> None:
        stranger = make_actor(make_organization("Other"))
        theirs = make_group(stranger.organization, "acme", kind="entity")
        mine = {"organization": make_organization().pk}

        of_actor = add(ana, adding(Limit, **mine, scope="actor"), actor=str(stranger.pk), cap="5")
        of_group = add(ana, adding(Limit, **mine, scope="group"), group=str(theirs.pk), cap="5")

        assert list(errors_of(of_actor)) == ["actor"]
        assert list(errors_of(of_group)) == ["group"]
        assert not Limit.objects.exists()

    def test_is_one_for_each_subject(self, ana: Client) -> None:
        ada = make_actor(make_organization())
        limit(ada.organization, 5, "actor", actor=ada)
        limit(ada.organization, 5, "actor_default")
        mine = {"organization": ada.organization_id}

        again = add(ana, adding(Limit, **mine, scope="actor"), actor=str(ada.pk), cap="7")
        default = add(ana, adding(Limit, **mine, scope="actor_default"), cap="7")

        assert list(errors_of(again)) == ["actor"]
        assert list(errors_of(default)) == ["cap"]

    @pytest.mark.parametrize("cap", ["-1", "NaN", "1e-7", "0.0000001"])
    def test_names_the_cap_that_is_wrong(self, ana: Client, cap: str) -> None:
        found = limit(make_organization(), 5, "actor_default")

        assert list(errors_of(edit(ana, found, cap=cap))) == ["cap"]

    def test_shows_before_and_after_in_the_history(self, ana: Client) -> None:
        found = limit(make_organization(), 5, "actor_default")

        edit(ana, found, cap="7.5")

        html = ana.get(page(found, "history")).content.decode()
        new = Limit.history.filter(history_type="~").get()
        assert (new.cap, new.history_change_reason) == (Decimal("7.5"), "staff:ana")
        assert '<span class="after">7.50</span>' in html

    def test_keeps_its_subject(self, ana: Client) -> None:
        ada = make_actor(make_organization())
        found = limit(ada.organization, 5, "actor", actor=ada)

        edit(ana, found, cap="6", scope="actor_default", actor="")

        found.refresh_from_db()
        assert (found.scope, found.actor, found.cap) == ("actor", ada, Decimal(6))

    def test_is_deleted_with_who_did_it(self, ana: Client) -> None:
        found = limit(make_organization(), 5, "actor_default")

        answer = ana.post(page(found, "delete"), {"post": "yes", **CONFIRMED})

        assert answer.status_code == 302
        gone = Limit.history.get(history_type="-")
        assert (gone.cap, gone.history_change_reason) == (5, "staff:ana")
        assert not Limit.objects.exists()

    def test_of_an_archived_organization_is_closed(self, ana: Client) -> None:
        found = limit(make_organization(), 5, "actor_default")
        data = fill_in_page(ana, page(found), cap="7")
        archive(found.organization)

        assert ana.get(page(found)).status_code == 200
        assert ana.post(page(found), data).status_code == 403
        assert ana.post(page(found, "delete"), {"post": "yes", **CONFIRMED}).status_code == 403


class TestProfile:
    def test_is_made_for_an_organization(self, ana: Client) -> None:
        organization = make_organization()

        answer = add(
            ana,
            adding(UsageProfile, organization=organization.pk),
            name="Trainee",
            slug="trainee",
            credit_cap_per_month="200",
            allowed_model_tiers=["everyday"],
            features="search, export",
        )

        assert answer.status_code == 302, errors_of(answer)
        made = organization.usage_profiles.get()
        assert (made.slug, made.credit_cap_per_month) == ("trainee", Decimal(200))
        assert (made.allowed_model_tiers, made.features) == (["everyday"], ["search", "export"])
        assert UsageProfile.history.get(slug="trainee").history_change_reason == "staff:ana"

    def test_is_changed_only_where_the_page_was(self, ana: Client) -> None:
        found = make_profile(make_organization(), "trainee", cap=200)
        opened_before = fill_in_page(
            ana, page(found), allowed_model_tiers=["everyday", "strategic"]
        )
        UsageProfile.objects.filter(pk=found.pk).update(credit_cap_per_month=9)

        ana.post(page(found), opened_before)

        found.refresh_from_db()
        assert found.allowed_model_tiers == ["everyday", "strategic"]
        assert found.credit_cap_per_month == 9
        html = ana.get(page(found, "history")).content.decode()
        assert "everyday, strategic" in html

    def test_of_the_system_is_changed_by_a_superuser(self, ana: Client) -> None:
        standard = UsageProfile.objects.get(slug="standard", organization=None)

        answer = edit(ana, standard, credit_cap_per_month="6000", slug="other")

        assert answer.status_code == 302
        standard.refresh_from_db()
        assert (standard.credit_cap_per_month, standard.slug) == (Decimal(6_000), "standard")

    def test_of_the_system_is_closed_to_others(self) -> None:
        standard = UsageProfile.objects.get(slug="standard", organization=None)
        client = staff_who_may(
            "organizations.view_usageprofile",
            "organizations.change_usageprofile",
            "organizations.add_usageprofile",
            "organizations.delete_usageprofile",
        )

        assert client.get(page(standard)).status_code == 200
        assert client.post(page(standard), {"name": "x"}).status_code == 403
        url = adding(UsageProfile, organization="system")
        assert list(client.get(url).context["form"].errors) == ["organization"]

    def test_of_the_system_is_made_by_a_superuser(self, ana: Client) -> None:
        url = adding(UsageProfile, organization="system")

        assert add(ana, url, name="Pro", slug="pro").status_code == 302

        assert UsageProfile.objects.get(slug="pro").organization is None

    def test_of_the_system_is_never_deleted(self, ana: Client) -> None:
        standard = UsageProfile.objects.get(slug="standard", organization=None)

        assert ana.post(page(standard, "delete"), {"post": "yes", **CONFIRMED}).status_code == 403

    def test_that_somebody_has_is_not_deleted(self, ana: Client) -> None:
        organization = make_organization()
        found = make_profile(organization, "trainee", cap=5)
        make_actor(organization, profile=found)

        ana.post(page(found, "delete"), {"post": "yes", **CONFIRMED})

        assert UsageProfile.objects.filter(pk=found.pk).exists()

    @pytest.mark.parametrize("slug", ["Trainee", "1st", "a b", "", "x\n"])
    def test_names_the_slug_that_is_wrong(self, ana: Client, slug: str) -> None:
        url = adding(UsageProfile, organization=make_organization().pk)

        answer = add(ana, url, name="x", slug=slug if slug != "x\n" else "-x")

        assert list(errors_of(answer)) == ["slug"]

    def test_has_a_slug_of_its_own(self, ana: Client) -> None:
        organization = make_organization()
        make_profile(organization, "trainee", cap=5)
        url = adding(UsageProfile, organization=organization.pk)

        assert list(errors_of(add(ana, url, name="x", slug="trainee"))) == ["slug"]


class TestActor:
    def test_is_changed_through_the_service(self, ana: Client) -> None:
        ada = make_actor(make_organization(), email="ada@example.org")

        answer = edit(ana, ada, name="Ada Lind", external_id="u-1")

        assert answer.status_code == 302
        ada.refresh_from_db()
        assert (ada.name, ada.external_id, ada.email) == ("Ada Lind", "u-1", "ada@example.org")
        assert Actor.history.first().history_change_reason == "staff:ana"

    def test_brings_a_share_when_it_becomes_active(self, ana: Client) -> None:
        organization = make_organization(allowance_per_user=30)
        ada = make_actor(organization, active=False)

        edit(ana, ada, active="on")

        assert entries_of(organization)[-1].reason == f"seat 1: {ada.public_id}"
        assert money_of(organization)[0] == 30

    def test_takes_nothing_away_when_it_leaves(self, ana: Client) -> None:
        organization = make_organization(allowance_per_user=30)
        ada = make_actor(organization)

        edit(ana, ada, active=None)

        ada.refresh_from_db()
        assert not ada.active
        assert money_of(organization)[0] == 30

    def test_refuses_a_foreign_profile(self, ana: Client) -> None:
        ada = make_actor(make_organization())
        theirs = make_profile(make_organization("Other"), "theirs", cap=5)

        answer = edit(ana, ada, profile=str(theirs.pk))

        assert list(errors_of(answer)) == ["profile"]

    def test_takes_a_profile_of_its_own_or_the_systems(self, ana: Client) -> None:
        ada = make_actor(make_organization())
        own = make_profile(ada.organization, "own", cap=5)
        premium = UsageProfile.objects.get(slug="premium", organization=None)

        for profile in (own, premium):
            assert edit(ana, ada, profile=str(profile.pk)).status_code == 302
            ada.refresh_from_db()
            assert ada.profile == profile

    def test_names_the_external_id_that_is_taken(self, ana: Client) -> None:
        ada = make_actor(make_organization())
        make_actor(ada.organization, "Bob", external_id="u-1")

        assert list(errors_of(edit(ana, ada, external_id="u-1"))) == ["external_id"]

    def test_says_so_when_the_external_id_was_taken_meanwhile(
        self, ana: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ada = make_actor(make_organization())
        make_actor(ada.organization, "Bob", external_id="u-1")
        monkeypatch.setattr("usage.admin.actors.ActorForm.refuse_if_taken", lambda *a, **k: None)

        answer = ana.post(page(ada), fill_in_page(ana, page(ada), external_id="u-1"), follow=True)

        assert "Somebody else saved the same meanwhile" in answer.content.decode()

    def test_is_never_deleted(self, ana: Client) -> None:
        ada = make_actor(make_organization())

        assert ana.post(page(ada, "delete"), {"post": "yes", **CONFIRMED}).status_code == 403

    def test_keeps_its_kind(self, ana: Client) -> None:
        ada = make_actor(make_organization())

        edit(ana, ada, kind="agent", name="A")

        ada.refresh_from_db()
        assert (ada.kind, ada.name) == ("user", "A")


class TestGroup:
    def test_is_made_with_its_members(self, ana: Client) -> None:
        ada = make_actor(make_organization())
        url = adding(Group, organization=ada.organization_id)

        answer = add(ana, url, kind="entity", key="acme", name="Acme", people=[str(ada.pk)])

        assert answer.status_code == 302
        made = Group.objects.get()
        assert (made.kind, made.key, list(made.members.all())) == ("entity", "acme", [ada])
        assert Group.history.get().history_change_reason == "staff:ana"

    def test_tells_who_joined_and_who_left(self, ana: Client) -> None:
        organization = make_organization()
        ada, bob = make_actor(organization, "Ada"), make_actor(organization, "Bob")
        found = make_group(organization, "acme", ada, kind="entity")

        edit(ana, found, people=[str(bob.pk)])

        assert list(found.members.all()) == [bob]
        html = ana.get(page(found, "history")).content.decode()
        assert '<span class="before">Ada</span> left' in html
        assert '<span class="after">Bob</span> joined' in html
        assert html.count("staff:ana") == 2

    def test_names_who_is_in_another_entity_group(self, ana: Client) -> None:
        organization = make_organization()
        ada = make_actor(organization)
        make_group(organization, "first", ada, kind="entity")
        second = make_group(organization, "second", kind="entity")

        answer = edit(ana, second, people=[str(ada.pk)])

        assert errors_of(answer) == {"people": ["Ada is in another entity group: First."]}
        assert Membership.objects.count() == 1

    def test_takes_members_of_its_organization_only(self, ana: Client) -> None:
        found = make_group(make_organization(), "team")
        stranger = make_actor(make_organization("Other"))

        assert list(errors_of(edit(ana, found, people=[str(stranger.pk)]))) == ["people"]

    def test_carries_a_profile_only_as_a_team(self, ana: Client) -> None:
        organization = make_organization()
        own = make_profile(organization, "own", cap=5)
        url = adding(Group, organization=organization.pk)

        answer = add(ana, url, kind="entity", key="acme", name="Acme", profile=str(own.pk))

        assert errors_of(answer) == {"profile": ["Only a team carries a profile."]}

    def test_has_a_key_of_its_own(self, ana: Client) -> None:
        organization = make_organization()
        make_group(organization, "acme", kind="entity")
        url = adding(Group, organization=organization.pk)

        again = add(ana, url, kind="entity", key="acme", name="x")
        other_kind = add(ana, url, kind="team", key="acme", name="x")

        assert list(errors_of(again)) == ["key"]
        assert other_kind.status_code == 302

    def test_is_deleted_if_no_work_was_counted_against_it(self, ana: Client) -> None:
        organization = make_organization(funded=100)
        ada = make_actor(organization)
        unused = make_group(organization, "team", ada)
        used = make_group(organization, "acme", ada, kind="entity")
        settle(hold(work(organization, 5, actor=ada)), 5)

        for group in (unused, used):
            ana.post(page(group, "delete"), {"post": "yes", **CONFIRMED})

        assert list(Group.objects.all()) == [used]


class TestRateCard:
    def adding(self, client: Client, model: AIModel, **fields: Any) -> Any:
        """Say a price of the card that is in force."""
        since = {"starts_at_0": "2026-01-01", "starts_at_1": "00:00:00"}
        return add(client, adding(Rate), **{"model": model.pk, "amount": "3", **since, **fields})

    def test_stays_as_it_is_once_it_is_in_force(self, ana: Client) -> None:
        model = make_model("sonnet")
        to_come = set_rate(model, 5, since=later(days=1))

        for rate in (Rate.objects.get(unit="output_tokens", starts_at__lt=NOW), to_come):
            assert "Save" not in ana.get(page(rate)).content.decode()
            assert ana.post(page(rate), {"amount": "1", **CONFIRMED}).status_code == 403
            assert ana.post(page(rate, "delete"), {"post": "yes", **CONFIRMED}).status_code == 403

        assert Rate.objects.count() == 4

    def test_gets_the_price_of_what_is_refused(self, ana: Client) -> None:
        model = make_model("sonnet")
        rate = set_price(model, None, "web_searches")

        assert edit(ana, rate, amount="0.0000000125").status_code == 302

        rate.refresh_from_db()
        assert rate.amount == Decimal("0.0000000125")
        html = ana.get(page(rate, "history")).content.decode()
        assert "staff:ana" in html

    def test_changes_no_hold(self, ana: Client) -> None:
        make_models()
        organization = make_organization(funded=1_000)
        sonnet = AIModel.objects.get(slug="sonnet")
        before = hold(work(organization, model=sonnet, millions=1))

        self.adding(ana, sonnet, unit="web_searches")

        assert settle(before, millions=1).settled_credits == 10

    def test_gets_the_price_of_what_nothing_charges(self, ana: Client) -> None:
        model = make_model("sonnet")

        answer = self.adding(ana, model, unit="web_searches", amount="1000")

        assert answer.status_code == 302
        assert Rate.objects.get(unit="web_searches").amount == 1_000

    @pytest.mark.parametrize(
        ("step", "sentence"),
        [
            ({"unit": "output_tokens"}, "has a price of this already"),
            ({"unit": "cache_read_tokens"}, "charged by another price of the card"),
            ({"unit": "output_tokens", "variant": "processing=batch"}, "charged by another price"),
            ({"unit": "web_searches", "starts_at_0": "2030-01-01"}, "No card that is in force"),
            ({"unit": "web_searches", "starts_at_0": "2026-02-01"}, "No card that is in force"),
            ({"unit": "cache_write_1h_tokens"}, "of which it is a part"),
            ({"unit": "input_tokens", "hours": "16:30-16:30"}, "they end where they begin"),
            ({"unit": "web_searches", "prompt_tokens_from": "9"}, "no price from 0 tokens"),
        ],
    )
    def test_gets_no_other(self, ana: Client, step: dict[str, str], sentence: str) -> None:
        answer = self.adding(ana, make_model("sonnet"), **step)

        assert sentence in str(errors_of(answer))
        assert Rate.objects.count() == 2

    @pytest.mark.parametrize("name", ["opus", "large"])
    def test_is_not_called_as_another(self, ana: Client, name: str) -> None:
        make_model("opus", credits_per_million=1)
        AIModel.objects.filter(slug="opus").update(aliases=["large"])
        sonnet = make_model("sonnet", credits_per_million=1)

        (sentence,) = errors_of(edit(ana, sonnet, aliases=f"fast,{name}"))["aliases"]

        assert sentence.startswith(f"{name} is ")
        assert edit(ana, sonnet, aliases="fast, faster").status_code == 302
        assert AIModel.objects.get(slug="sonnet").aliases == ["fast", "faster"]
        assert AIModel.history.filter(slug="sonnet").first().aliases == ["fast", "faster"]

    def test_has_one_fallback_for_each_provider(self, ana: Client) -> None:
        make_models()

        answer = edit(ana, AIModel.objects.get(slug="sonnet"), is_fallback="on")

        assert errors_of(answer) == {
            "is_fallback": ["haiku is that of anthropic: take it off that first."]
        }

    def test_makes_a_model_and_keeps_its_id(self, ana: Client) -> None:
        url = adding(AIModel)
        add(ana, url, slug="opus", name="Opus", provider="anthropic", tier="strategic")
        made = AIModel.objects.get()

        edit(ana, made, name="Opus 5", slug="other")

        assert AIModel.objects.get().slug == "opus"
        assert [row.name for row in AIModel.history.all()] == ["Opus 5", "Opus"]

    def test_retires_a_model(self, ana: Client) -> None:
        sonnet, _ = make_models()
        moment = {"retired_at_0": "2026-05-01", "retired_at_1": "00:00:00"}
        sent = fill_in_page(ana, page(sonnet), **moment)
        unconfirmed = {name: value for name, value in sent.items() if name not in CONFIRMED}

        preview = ana.post(page(sonnet), unconfirmed).content.decode()
        edit(ana, sonnet, **moment)

        assert "refused since 2026-05-01 00:00 UTC" in preview
        sonnet.refresh_from_db()
        assert sonnet.retired_at == at("2026-05-01")
        assert AIModel.history.filter(slug="sonnet").first().retired_at == at("2026-05-01")

    def test_keeps_a_model_that_worked(self, ana: Client) -> None:
        sonnet, _ = make_models()
        organization = make_organization(funded=100)
        use(work(organization, model=sonnet, millions=1), 5)

        assert ana.post(page(sonnet, "delete"), {"post": "yes", **CONFIRMED}).status_code == 403


class TestHistory:
    def test_is_not_put_back(self, ana: Client) -> None:
        found = limit(make_organization(), 5, "actor_default")
        edit(ana, found, cap="7")
        old = Limit.history.earliest()
        url = reverse("admin:usage_limit_simple_history", args=[found.pk, old.history_id])

        assert ana.get(url).status_code == 200
        assert ana.post(url, {"cap": "5"}).status_code == 403
