"""Lists for work: pages that go on from where one ends, filters that show, and files of what is left."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, transaction
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.menu import ROOMS
from credits.admin.columns import MoneyAdmin
from credits.models import CreditConfig, LedgerEntry, Wallet
from organizations.admin import change_lists, exports
from organizations.admin.change_lists import NEWER, OLDER
from organizations.models import Actor, ApiKey, Failure, Organization
from tests import factories as f
from tests.admin.people import staff_who_may
from tests.admin.test_pages import list_of, world
from tests.usage import people as p
from usage.models import Denial, Limit, Rate, UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)

NEVER_EMPTY = {
    *("organizations.organization", "organizations.actor", "organizations.group"),
    *("organizations.usageprofile", "organizations.alertrule", "credits.creditconfig"),
    *("credits.billingperiod", "usage.monthlyuse", "usage.aimodel", "usage.rate"),
    *("django_celery_beat.periodictask", "auth.user", "auth.group", "axes.accesslog"),
}
"""Lists that are filled from the first day on, or whose empty page only asks to add something."""


@pytest.fixture
def nordwind() -> Organization:
    nordwind = f.make_organization("Nordwind Games")
    for number in range(1, 8):
        f.grant(nordwind, number, now=f.later(minutes=number))
    return nordwind


def pages(client: Client, url: str, way: str) -> Iterator[list[Any]]:
    """Yield the rows of each page from one on, as its links lead."""
    while url:
        changes = client.get(url).context["cl"]
        yield list(changes.result_list)
        found = getattr(changes, f"{way}_url")
        url = f"{list_of(changes.model)}{found}" if found else ""


def export(client: Client, model: type[Model], **filters: Any) -> Any:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_export")
    return client.get(url, filters)


def table(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(StringIO(text[1:])))


@pytest.mark.parametrize("order", ["", "?o=-1"])
def test_pages_go_through_all_rows_there_and_back(
    ana: Client, nordwind: Organization, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(MoneyAdmin, "list_per_page", 3)

    there = list(pages(ana, list_of(LedgerEntry) + order, "older"))
    last = there[-1][0].pk
    back = list(pages(ana, f"{list_of(LedgerEntry)}?{NEWER}={last}", "newer"))

    assert [len(rows) for rows in there] == [3, 3, 1]
    assert [row.amount for rows in there for row in rows] == [7, 6, 5, 4, 3, 2, 1]
    assert back == [there[1], there[0]]


def test_a_page_passes_over_no_row_and_counts_none(
    ana: Client, nordwind: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MoneyAdmin, "list_per_page", 3)
    entry = LedgerEntry.objects.get(amount=2)

    with CaptureQueriesContext(connection) as seen:
        ana.get(list_of(LedgerEntry), {OLDER: str(entry.pk)})

    asked = [each["sql"] for each in seen if '"credits_ledgerentry"' in each["sql"]]
    assert asked
    assert not [sql for sql in asked if "OFFSET" in sql or "COUNT(" in sql]


@pytest.mark.parametrize(("way", "begins"), [("older", ""), ("newer", "last")])
def test_what_no_index_finds_is_looked_for_so_many_rows_at_a_time(
    ana: Client, nordwind: Organization, monkeypatch: pytest.MonkeyPatch, way: str, begins: str
) -> None:
    monkeypatch.setattr(change_lists, "_in_a_hurry", lambda rows: None)
    monkeypatch.setattr(change_lists, "LOOKED_AT", 3)
    f.adjust(nordwind, 9, now=f.later(hours=1))
    for number in range(8, 15):
        f.grant(nordwind, number, now=f.later(hours=number))
    url = f"{list_of(LedgerEntry)}?kind__exact=adjust"
    if begins:
        url += f"&{NEWER}={LedgerEntry.objects.earliest('id').pk}"

    looked = list(pages(ana, url, way))

    assert [row.amount for rows in looked for row in rows] == [9]
    assert len(looked) > 2
    if way == "older":
        assert "Nothing so far" in ana.get(url).content.decode()


def test_a_list_is_counted_only_so_far(
    ana: Client, nordwind: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MOST_COUNTED", 2)
    for name in ("One", "Two", "Three"):
        f.make_organization(name)

    changes = ana.get(list_of(Organization)).context["cl"]

    assert changes.result_count == 2
    assert changes.full_result_count is None


def test_an_index_is_waited_for_only_so_long(ana: Client, nordwind: Organization) -> None:
    slow = LedgerEntry.objects.extra(where=["pg_sleep(20) IS NOT NULL"])

    with transaction.atomic(), connection.cursor() as cursor:
        assert change_lists._in_a_hurry(slow) is None
        assert change_lists._in_a_hurry(LedgerEntry.objects.all()[:2]) is not None
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() != (f"{change_lists.HURRY_MS}ms",)


def test_rows_that_only_grow_are_ordered_by_nothing_else_than_their_ids(
    ana: Client, nordwind: Organization
) -> None:
    for column in range(1, 10):
        changes = ana.get(list_of(LedgerEntry), {"o": f"{column}"}).context["cl"]
        numbers = [row.number for row in changes.result_list]
        assert numbers in (sorted(numbers), sorted(numbers, reverse=True)), column

    assert ana.get(list_of(LedgerEntry)).context["cl"].sortable_by == ["posted"]


def test_usage_of_one_owner_is_paged_by_when_it_was(
    ana: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MoneyAdmin, "list_per_page", 2)
    nordwind = f.make_organization(funded=100)
    for number in range(1, 6):
        p.use(p.work(nordwind, credits=number), number)

    url = f"{list_of(UsageEvent)}?organization__id__exact={nordwind.pk}"
    there = list(pages(ana, url, "older"))

    assert [row.credits for rows in there for row in rows] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("text", ["x", "\0", "9" * 40, "00000000-0000-0000-0000-000000000000", ""])
@pytest.mark.parametrize("model", [LedgerEntry, Denial])
@pytest.mark.parametrize("way", [OLDER, NEWER])
def test_a_place_that_is_none_is_the_first_page(
    ana: Client, model: type[Model], way: str, text: str
) -> None:
    assert ana.get(list_of(model), {way: text, "p": "9" * 20}).status_code == 200


def test_filters_show_and_can_be_taken_away(ana: Client, nordwind: Organization) -> None:
    asked = {"wallet__id__exact": str(f.wallet_of(nordwind).pk), "kind__exact": "grant"}

    chips = ana.get(list_of(LedgerEntry), asked).context["cl"].chips()

    assert [(chip.label, chip.value) for chip in chips] == [
        ("wallet", str(f.wallet_of(nordwind))),
        ("kind", "grant"),
    ]
    assert chips[0].without == "?kind__exact=grant"
    html = ana.get(list_of(LedgerEntry), asked).content.decode()
    assert 'aria-label="Remove the filter kind: grant"' in html


def test_an_export_has_what_the_filters_leave(ana: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "BATCH", 2)
    child = world()
    f.grant(f.make_organization("=1+1"), "0.5")

    rows = table(export(ana, LedgerEntry, kind__exact="grant"))
    owned = table(export(ana, LedgerEntry, wallet__id__exact=str(f.wallet_of(child).pk)))

    assert len(rows) == LedgerEntry.objects.filter(kind="grant").count() > 2
    assert {row["kind"] for row in rows} == {"grant"}
    assert (rows[0]["organization"], rows[0]["amount"]) == ("'=1+1", "0.500000")
    assert {row["organization"] for row in owned} == {child.name}


@pytest.mark.parametrize("model", [Wallet, UsageEvent, Denial])
def test_balances_usage_and_refusals_are_exported(ana: Client, model: type[Model]) -> None:
    child = world()
    p.use(p.work(child, credits=3), 3)

    rows = table(export(ana, model))

    assert len(rows) == model._default_manager.count()


WITHOUT_A_FILE = {
    "auth.user": "staff and what they may do, with their passwords' hashes: for administrators, on its page",
    "auth.group": "the same",
    "axes.accessattempt": "rows of a few minutes, with what was typed",
    "usage.monthlyuse": "a report, which is a file of its own",
    "organizations.idempotencykey": "answers of a day, some with secrets in them",
}
"""The lists that are no file, and why."""


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label_lower)
def test_every_list_is_a_file_or_says_why_not(ana: Client, model: type[Model]) -> None:
    label = model._meta.label_lower
    rows = admin.site._registry[model]
    if label in WITHOUT_A_FILE:
        assert not getattr(rows, "exported", False)
        return

    answer = export(ana, model)

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert len(table(answer)) == rows.get_queryset(answer.wsgi_request).count()
    page = ana.get(list_of(model)).content.decode()
    assert "Export as CSV" in page


@pytest.mark.parametrize("model", [Organization, Actor, ApiKey, Limit, Rate, CreditConfig])
def test_a_file_asks_no_more_for_more_rows(ana: Client, model: type[Model]) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert table(export(ana, model))
        return len(seen)

    a_customer("First")
    few = queries()
    for number in range(5):
        a_customer(f"Another {number}")

    assert queries() == few


def a_customer(name: str) -> None:
    organization = f.make_organization(name)
    f.make_key(organization)
    p.limit(organization, 9, "actor", actor=p.make_actor(organization, "Ada"))
    if not Rate.objects.exists():
        p.make_models()


def test_a_file_has_no_secret_of_a_key(ana: Client) -> None:
    f.make_key(f.make_organization())

    (row,) = table(export(ana, ApiKey))

    assert not {name for name in row if "secret" in name}


def test_organizations_are_exported_with_what_they_hold(ana: Client) -> None:
    f.make_family(funded=7)

    rows = {row["name"]: row for row in table(export(ana, Organization, level="root"))}

    (row,) = rows.values()
    assert (row["balance"], row["available"], row["parent"]) == ("7.000000", "7.000000", "")
    assert row["public_id"].startswith("org_")


def test_nobody_exports_what_they_may_not_see(nordwind: Organization) -> None:
    client = staff_who_may("credits.view_wallet")

    assert export(client, LedgerEntry).status_code == 403
    assert export(client, Wallet).status_code == 200


def test_a_list_says_what_it_means_that_it_is_empty(ana: Client) -> None:
    html = ana.get(list_of(Denial)).content.decode()
    assert "No refusals. Nobody was held back." in html

    html = ana.get(list_of(Denial), {"q": "nobody"}).content.decode()
    assert "Nothing fits" in html
    assert "yielded" not in html


def test_of_the_menu_say_what_it_means_that_they_are_empty(ana: Client) -> None:
    rows = {model._meta.label_lower: row for model, row in admin.site._registry.items()}
    lists = {f"{page.app}.{page.model}" for room in ROOMS for page in room.pages}

    silent = {label for label in lists if not getattr(rows[label], "nothing", "")}

    assert silent == NEVER_EMPTY
    assert "No failures. All work" in ana.get(list_of(Failure)).content.decode()
