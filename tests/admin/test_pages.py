"""Every page of the admin: that it opens, what it shows, who may see it, and that nobody writes money on it."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits.models import (
    BillingPeriod,
    CreditConfig,
    Grant,
    GrantDraw,
    LedgerEntry,
    Reservation,
    Wallet,
)
from organizations import idempotency
from organizations.idempotency import Answer, Key
from organizations.models import ApiKey, IdempotencyKey, Organization
from tests.admin.people import page_of, staff_who_may
from tests.factories import (
    NOW,
    adjust,
    allocate,
    archive,
    grant,
    later,
    make_family,
    make_key,
    make_organization,
    release,
    reserve,
    set_terms,
    settle,
    spend,
    suspend,
    wallet_of,
)

pytestmark = pytest.mark.django_db(transaction=True)

MONEY: list[type[Model]] = [Wallet, Grant, LedgerEntry, GrantDraw, BillingPeriod, Reservation]
VIEW_ONLY: list[type[Model]] = [*MONEY, IdempotencyKey, ApiKey]
TABLES: list[type[Model]] = [*VIEW_ONLY, CreditConfig, Organization, User, Group]


def world() -> Organization:
    """Make a row of every kind, and return the child that most of them belong to."""
    parent, child = make_family(funded=10_000, monthly_cap=500, allowance=50)
    suspend(make_organization("Suspended", parent=parent))
    archive(make_organization("Archived", parent=parent))
    allocate(child, 1_000)
    adjust(child, -5)
    grant(child, 20, expires_at=later(days=3))
    settle(reserve(child, 30), "12.345678")
    release(reserve(child, 10))
    reserve(child, 400)
    spend(make_organization("In debt", overdraft_limit=None), 7)
    set_terms(child, refill_threshold=10, refill_amount=100)
    make_key(child)
    Group.objects.create(name="Helpers")
    key = Key.of(parent, "k-1", "POST", "/somewhere", {})
    idempotency.run(lambda: Answer(200, {"done": True}), key=key, now=NOW)
    return child


def list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page(model: type[Model], what: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)


def first(model: type[Model]) -> Model:
    row = model._default_manager.first()
    assert row is not None, f"the world has no {model.__name__}"
    return row


def queries_of(client: Client, url: str) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(url).status_code == 200
    return [query["sql"] for query in captured]


class TestEveryPage:
    def test_opens(self, ana: Client) -> None:
        world()

        answers = {}
        for model in admin.site._registry:
            answers[list_of(model)] = ana.get(list_of(model)).status_code
            for row in model._default_manager.all()[:3]:
                url = page(model, "change", row.pk)
                answers[url] = ana.get(url).status_code

        assert set(answers.values()) == {200}, answers
        assert set(TABLES) <= set(admin.site._registry)

    def test_opens_where_there_is_nothing(self, ana: Client) -> None:
        for model in admin.site._registry:
            assert ana.get(list_of(model)).status_code == 200

    def test_asks_no_other_host_for_anything(self, ana: Client) -> None:
        child = world()
        urls = [reverse("admin:index"), page_of(child), list_of(LedgerEntry)]
        urls += [page(CreditConfig, "change", wallet_of(child).pk), page(Organization, "add")]

        for url in urls:
            html = ana.get(url).content.decode()
            assert not re.search(r'(src|href|action)="(https?:)?//', html), url

    def test_is_closed_to_staff_without_its_permission(self) -> None:
        world()
        client = staff_who_may()

        for model in TABLES:
            assert client.get(list_of(model)).status_code == 403, model
            assert client.get(page(model, "change", first(model).pk)).status_code == 403, model

    def test_sends_strangers_to_the_login(self) -> None:
        assert "/login/" in Client().get(list_of(LedgerEntry)).headers["location"]


class TestMoney:
    @pytest.mark.parametrize("model", VIEW_ONLY)
    def test_is_not_written_by_post(self, ana: Client, model: type[Model]) -> None:
        world()
        row = first(model)
        before = list(model._default_manager.order_by("pk").values())

        answers = [
            ana.post(page(model, "add"), {"amount": "1"}),
            ana.post(page(model, "change", row.pk), {"amount": "1"}),
            ana.post(page(model, "delete", row.pk), {"post": "yes"}),
        ]
        ana.post(list_of(model), {"action": "delete_selected", "_selected_action": [row.pk]})

        assert [answer.status_code for answer in answers] == [403, 403, 403]
        assert list(model._default_manager.order_by("pk").values()) == before

    @pytest.mark.parametrize(
        "model",
        [*(model for model in VIEW_ONLY if model is not Reservation), CreditConfig],
    )
    def test_has_no_action_on_many_rows(self, ana: Client, model: type[Model]) -> None:
        world()

        assert 'name="action"' not in ana.get(list_of(model)).content.decode()


class TestLogin:
    def test_leads_to_the_first_page(self, transactional_db: None) -> None:
        User.objects.create_superuser("ana", password="a good one")

        answer = Client().post("/admin/login/", {"username": "ana", "password": "a good one"})

        assert answer.headers["location"] == "/admin/"


class TestOrganization:
    def test_shows_its_money_as_it_is_at_this_moment(self, ana: Client) -> None:
        child = make_organization(funded=100, now=later(days=-40), allowance=30)

        context = ana.get(page_of(child)).context

        stored = wallet_of(child).period
        assert stored is not None
        assert stored.starts_at < context["period"].starts_at
        assert context["wallet"].allowance_remaining == 30

    def test_shows_children_grants_holds_entries_and_keys(self, ana: Client) -> None:
        child = world()
        assert child.parent is not None

        money = ana.get(page_of(child, "money")).context
        keys = ana.get(page_of(child, "keys")).context
        children = ana.get(page_of(child.parent, "children")).context

        assert [hold.credits for hold in money["holds"]] == [400]
        sources = {lot.source for lot, _, _ in money["grants"]}
        assert sources == {"allowance", "allocation", "grant"}
        assert [entry.number for entry, _, _ in money["entries"]] == [5, 4, 3, 2, 1]
        assert len(keys["keys"]) == 1
        assert child in children["children"]

    def test_masks_its_keys(self, ana: Client) -> None:
        organization = make_organization()
        key, text = make_key(organization)

        html = ana.get(page_of(organization, "keys")).content.decode()

        assert key.prefix in html
        assert text.rsplit("_", 1)[1] not in html

    def test_shows_the_buttons_that_fit_and_that_one_may_use(self) -> None:
        parent, child = make_family()
        money = ("grant", "adjust", "recharge", "allocate")
        client = staff_who_may("organizations.view_organization", *(f"credits.{m}" for m in money))

        def buttons(organization: Organization) -> list[str]:
            shown = client.get(page_of(organization)).context["buttons"]
            return [button.action.slug for button in shown]

        assert buttons(parent) == ["grant", "recharge", "adjust"]
        assert buttons(child) == ["grant", "allocate", "adjust", "reclaim"]

    def test_escapes_what_customers_wrote(self, ana: Client) -> None:
        organization = make_organization("<script>alert(1)</script>")
        make_key(organization, name="<img src=x>")

        for url in (page_of(organization), list_of(Organization), reverse("admin:index")):
            html = ana.get(url).content.decode()
            assert "<script>alert" not in html
            assert "<img src=x" not in html


class TestLists:
    def test_ask_as_often_for_many_rows_as_for_few(self, ana: Client) -> None:
        world()
        models: list[type[Model]] = [*VIEW_ONLY, Organization, CreditConfig]
        few = {model: len(queries_of(ana, list_of(model))) for model in models}
        for number in range(4):
            organization = make_organization(f"More {number}", funded=100, allowance=5)
            spend(organization, 3)
            make_key(organization)
            key = Key.of(organization, "k", "POST", "/", {})
            idempotency.run(lambda: Answer(200, {}), key=key, now=NOW)

        many = {model: len(queries_of(ana, list_of(model))) for model in models}

        assert many == few
        assert max(many.values()) < 14, many

    def test_never_count_what_only_grows(self, ana: Client) -> None:
        world()

        for model in (LedgerEntry, Reservation, GrantDraw):
            queries = queries_of(ana, list_of(model))

            assert not [sql for sql in queries if "COUNT(" in sql and model._meta.db_table in sql]

    def test_find_a_reservation_by_its_id_with_and_without_prefix(self, ana: Client) -> None:
        world()
        hold = Reservation.objects.first()
        assert hold is not None

        for text in (hold.public_id, str(hold.id), f"  {hold.public_id.upper()} "):
            assert found(ana, Reservation, text) == [hold]

    def test_find_entries_by_their_id_their_organization_and_their_reservation(
        self, ana: Client
    ) -> None:
        child = world()
        entry = LedgerEntry.objects.get(kind="settle", wallet__organization=child)
        assert entry.reservation is not None

        assert found(ana, LedgerEntry, entry.public_id) == [entry]
        assert found(ana, LedgerEntry, entry.reservation.public_id) == [entry]
        assert len(found(ana, LedgerEntry, child.public_id)) == 5
        assert len(found(ana, LedgerEntry, "nordwind")) == 5
        assert found(ana, LedgerEntry, "nobody") == []

    def test_filter_entries_by_kind_and_time(self, ana: Client) -> None:
        world()
        grant(make_organization("Later"), 1, now=later(days=2))

        by_kind = ana.get(list_of(LedgerEntry), {"kind__exact": "allocate"})
        by_time = ana.get(
            list_of(LedgerEntry),
            {"posted_at_from_0": "2026-05-11", "posted_at_from_1": "00:00:00"},
        )

        assert {entry.kind for entry in by_kind.context["cl"].result_list} == {"allocate"}
        assert [e.wallet.organization.name for e in by_time.context["cl"].result_list] == ["Later"]

    @pytest.mark.parametrize(
        ("window", "amounts"),
        [
            ({"to_0": "2026-05-10", "to_1": "12:00:00"}, []),
            ({"to_0": "2026-05-10", "to_1": "12:00:01"}, [1]),
            ({"from_0": "2026-05-10", "from_1": "12:00:00"}, [1, 2]),
            ({"to_0": "2026-05-10"}, [1]),
            ({"from_0": "2026-05-11"}, [2]),
            ({"from_0": "2026-05-10", "to_0": "2026-05-11"}, [1, 2]),
            ({"to_0": "9999-12-31"}, [1, 2]),
            ({"from_0": "soon", "to_0": "2026-05-40", "to_1": "12:00:00"}, [1, 2]),
        ],
    )
    def test_end_a_window_before_its_end(
        self, ana: Client, window: dict[str, str], amounts: list[int]
    ) -> None:
        one = make_organization()
        grant(one, 1)
        grant(one, 2, now=later(days=1))

        asked = {f"posted_at_{name}": value for name, value in window.items()}
        found = ana.get(list_of(LedgerEntry), asked).context["cl"].result_list

        assert sorted(entry.amount for entry in found) == amounts

    def test_filter_reservations_by_status(self, ana: Client) -> None:
        world()

        answer = ana.get(list_of(Reservation), {"status__exact": "open"})

        assert [hold.credits for hold in answer.context["cl"].result_list] == [400]

    @pytest.mark.parametrize("text", ["\0", "%", "org_", "'", "rsv_" + "0" * 36, "x" * 5_000])
    def test_survive_any_search(self, ana: Client, text: str) -> None:
        assert ana.get(list_of(LedgerEntry), {"q": text}).status_code == 200


def found(client: Client, model: type[Model], text: str) -> list[Model]:
    return list(client.get(list_of(model), {"q": text}).context["cl"].result_list)


class TestEntry:
    def test_leads_to_all_it_belongs_to(self, ana: Client) -> None:
        child = world()
        entry = LedgerEntry.objects.get(kind="settle", wallet__organization=child)

        html = ana.get(page(LedgerEntry, "change", entry.pk)).content.decode()

        for target in (
            entry.wallet,
            entry.reservation,
            entry.period,
            *Grant.objects.filter(draws__entry=entry),
        ):
            assert target is not None
            assert page(type(target), "change", target.pk) in html

    def test_leads_to_the_other_side_of_a_transfer(self, ana: Client) -> None:
        world()
        sent, received = LedgerEntry.objects.filter(kind="allocate").order_by("amount")

        html = ana.get(page(LedgerEntry, "change", received.pk)).content.decode()

        assert page(LedgerEntry, "change", sent.pk) in html


class TestStaff:
    def test_are_edited_under_the_theme(self, ana: Client) -> None:
        answer = ana.get(page(User, "add"))

        assert answer.status_code == 200
        assert "unfold" in answer.content.decode()
