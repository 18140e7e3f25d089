"""Sandboxes in the admin: shown where somebody asks for them, left out of everything else."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.test import Client
from django.urls import reverse

from credits import ledger
from credits.models import CreditConfig, Grant, LedgerEntry, Reservation, Wallet
from organizations.admin import PublicIdSearch
from organizations.models import Actor, ApiKey, Failure, Finding, Job, Organization
from tests import factories as f
from tests.admin.people import fill_in, page_of, send, staff_who_may, url_of, use
from tests.usage import people as p
from usage.models import UsageEvent
from usage.services import stock
from usage.services.storing import store

pytestmark = pytest.mark.django_db(transaction=True)

WITH_AN_ORGANIZATION = [
    model
    for model, its in admin.site._registry.items()
    if isinstance(its, PublicIdSearch) and "org" in its.public_ids
]


def list_of(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def rows(client: Client, model: Any, **query: str) -> list[Any]:
    answer = client.get(list_of(model), query)
    assert answer.status_code == 200
    return list(answer.context["cl"].queryset)


def world() -> tuple[Organization, Organization]:
    """Make a live organization and its sandbox, with the same in both."""
    live = f.make_organization(funded=100)
    made = f.sandbox_of(live)
    for each in (live, made):
        f.make_key(each)
        f.reserve(each, 5)
        f.spend(each, 3)
        p.make_actor(each, external_id="u-1")
    return live, made


class TestLists:
    @pytest.mark.parametrize("model", WITH_AN_ORGANIZATION, ids=lambda model: model.__name__)
    def test_open_whatever_is_asked(self, ana: Client, model: Any) -> None:
        world()

        for query in ({}, {"sandbox": "only"}, {"sandbox": "too"}, {"q": "org"}):
            assert ana.get(list_of(model), query).status_code == 200

    @pytest.mark.parametrize(
        "model",
        [Organization, Wallet, CreditConfig, Grant, LedgerEntry, Reservation, Actor, ApiKey],
        ids=lambda model: model.__name__,
    )
    def test_show_what_is_live_unless_asked(self, ana: Client, model: Any) -> None:
        world()

        live, both, only = (
            rows(ana, model),
            rows(ana, model, sandbox="too"),
            rows(ana, model, sandbox="only"),
        )

        assert live
        assert only
        assert not {row.pk for row in live} & {row.pk for row in only}
        assert {row.pk for row in both} == {row.pk for row in (*live, *only)}
        assert len(both) == model.objects.count()

    def test_show_a_sandbox_that_is_named(self, ana: Client) -> None:
        _, made = world()
        wallet = f.wallet_of(made)

        assert rows(ana, Organization, q=made.public_id) == [made]
        assert len(rows(ana, LedgerEntry, q=made.public_id)) == 2
        assert len(rows(ana, LedgerEntry, wallet__id__exact=str(wallet.pk))) == 2
        assert len(rows(ana, Actor, organization__id__exact=str(made.pk))) == 1
        assert rows(ana, Organization, q="sandbox") == []

    def test_keep_what_is_nobodys(self, ana: Client) -> None:
        job = Job.objects.create(kind="reconcile", due_at=f.NOW, total=1, started_at=f.NOW)
        Finding.objects.create(job=job, check_name="sums", subject="all", detail="wrong")

        assert len(rows(ana, Finding)) == 1

    def test_offer_no_sandbox_while_one_types(self, ana: Client) -> None:
        live, made = world()
        query = {"app_label": "organizations", "model_name": "actor", "field_name": "organization"}

        def found(term: str) -> list[str]:
            answer = ana.get("/admin/autocomplete/", {**query, "term": term})
            return [one["id"] for one in answer.json()["results"]]

        assert found("Nordwind") == [str(live.pk)]
        assert found(made.public_id) == [str(made.pk)]


class TestFirstPage:
    def test_counts_no_play_money(self, ana: Client) -> None:
        live, made = world()
        f.make_organization("Tried", parent=made)
        Failure.objects.create(
            kind="renew",
            organization=made,
            error="no",
            first_failed_at=f.NOW,
            last_failed_at=f.NOW,
        )

        stock.take_all(now=f.NOW)
        shown = ana.get("/admin/").context

        assert (shown["stock"].held, shown["stock"].reserved) == (97, 5)
        assert (shown["stock"].open_holds, shown["stock"].active) == (1, 1)
        assert {entry.wallet.organization for entry, *_ in shown["entries"]} == {live}
        assert not shown["left_to_staff"]
        assert "failed" not in " ".join(clause.text for clause in shown["wellbeing"].clauses)

    def test_says_nothing_of_a_sandbox_in_trouble(self, ana: Client) -> None:
        live = f.make_organization(monthly_cap=10, overdraft_limit=None)
        made = f.sandbox_of(live)
        f.spend(made, 9)
        f.grant(made, 5, expires_at=f.later(days=3))

        stock.take_all(now=f.NOW)

        assert not ana.get("/admin/").context["concerns"]


class TestPage:
    def test_of_a_live_one_leads_to_its_sandbox_and_shows_its_test_keys(self, ana: Client) -> None:
        live = f.make_organization()
        key, _ = f.make_key(live, env="test")

        page, keys = (ana.get(page_of(live, tab)).content.decode() for tab in ("", "keys"))

        assert page_of(f.sandbox_of(live)) in page
        assert key.prefix[:20] in keys

    def test_of_a_sandbox_says_of_whom_it_is(self, ana: Client) -> None:
        live = f.make_organization("Acme")

        page = ana.get(page_of(f.sandbox_of(live))).content.decode()

        assert page_of(live) in page
        assert "sandbox of" in page


class TestMint:
    def test_makes_a_test_key_in_a_sandbox(self, ana: Client) -> None:
        organization = f.make_organization()

        page = use(
            ana,
            "mint-key",
            organization,
            name="gateway",
            scopes=["*", "org:admin"],
            env="test",
            tier="pilot",
        )

        key = ApiKey.objects.get()
        assert page.context["secret"].startswith("lp_test_")
        assert key.organization == f.sandbox_of(organization)
        assert (key.env, key.rate_limit_tier) == ("test", "sandbox")

    def test_leaves_no_sandbox_after_a_preview(self, ana: Client) -> None:
        organization = f.make_organization()
        data = fill_in(ana, "mint-key", organization, name="k", scopes=["*"], env="test")

        send(ana, "mint-key", organization, data, step="preview")

        assert not Organization.objects.filter(env="test").exists()

    def test_of_a_personal_test_key_is_for_the_sandboxs_page(self, ana: Client) -> None:
        organization = f.make_organization()
        ada, bob = p.make_actor(organization), p.make_actor(f.sandbox_of(organization))
        wanted = {"name": "k", "scopes": ["*"], "env": "test"}

        data = fill_in(ana, "mint-key", organization, actor=str(ada.pk), **wanted)
        refused = send(ana, "mint-key", organization, data)
        use(ana, "mint-key", bob.organization, actor=str(bob.pk), **wanted)

        assert "actor" in refused.context["form"].errors
        assert ApiKey.objects.get().actor == bob

    def test_on_a_sandboxs_page_makes_test_keys_only(self, ana: Client) -> None:
        made = f.sandbox_of(f.make_organization())
        data = fill_in(ana, "mint-key", made, name="k", scopes=["*"])

        assert data["env"] == "test"
        refused = send(ana, "mint-key", made, {**data, "env": "live"})
        assert "env" in refused.context["form"].errors


class TestReset:
    def test_makes_another_once(self, ana: Client) -> None:
        live = f.make_organization()
        key, _ = f.make_key(live, env="test")
        old = f.sandbox_of(live)
        data = fill_in(ana, "reset-sandbox", live)

        pages = [send(ana, "reset-sandbox", live, data) for _ in range(2)]

        key.refresh_from_db()
        new = f.sandbox_of(live)
        assert new != old
        assert key.organization == new
        assert [page.url for page in pages] == [page_of(live)] * 2
        assert live.sandboxes.count() == 2
        assert "1 test keys go on in it" in str(LogEntry.objects.get())

    def test_previews_what_it_would_do(self, ana: Client) -> None:
        live = f.make_organization()
        old = f.sandbox_of(live)

        page = send(ana, "reset-sandbox", live, fill_in(ana, "reset-sandbox", live), step="preview")

        shown = {effect.what: (effect.before, effect.after) for effect in page.context["effects"]}
        assert shown["Sandboxes archived"] == ("0", "1")
        assert shown["Sandbox"][0] == old.public_id
        assert f.sandbox_of(live) == old

    def test_from_the_sandboxs_page_leads_to_the_new_one(self, ana: Client) -> None:
        live = f.make_organization()

        page = use(ana, "reset-sandbox", f.sandbox_of(live))

        assert page.url == page_of(f.sandbox_of(live))

    def test_is_offered_where_there_is_one(self, ana: Client) -> None:
        live = f.make_organization()
        button = url_of("reset-sandbox", live)

        assert button not in ana.get(page_of(live)).content.decode()
        f.sandbox_of(live)
        assert button in ana.get(page_of(live)).content.decode()

    def test_needs_the_right_to_change_organizations(self) -> None:
        live = f.make_organization()

        assert (
            staff_who_may("organizations.view_organization")
            .get(url_of("reset-sandbox", live))
            .status_code
            == 403
        )


def test_an_event_of_a_sandbox_is_left_out(ana: Client) -> None:
    _, made = world()
    told = UsageEvent(
        organization=made,
        source="s",
        external_id="1",
        credits=0,
        list_credits=0,
        month=f.NOW.date().replace(day=1),
        occurred_at=f.NOW,
        created_at=f.NOW,
    )
    with transaction.atomic():
        (wallet,) = ledger.lock(made.id)
        store(wallet, [told])

    assert told not in rows(ana, UsageEvent)
    assert told in rows(ana, UsageEvent, sandbox="only")
