"""Searching tables that only grow: whose the rows are is found first, and what takes too long is given up."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits.models import Grant, LedgerEntry, Reservation, UsageCounter
from organizations.admin import columns
from organizations.models import Organization
from tests import factories as f
from tests.usage import people as p
from usage.admin.events import UsageEventAdmin
from usage.models import Denial, UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)

GROWING: list[type[Model]] = [LedgerEntry, Grant, Reservation, UsageCounter, UsageEvent, Denial]


@pytest.fixture
def nordwind() -> Organization:
    nordwind = f.make_organization("Nordwind Games", funded=100)
    ada = p.make_actor(nordwind, "Ada Lovelace")
    p.use(p.work(nordwind, credits=3, actor=ada), 3)
    f.settle(f.reserve(f.make_organization("Südwind", funded=9), 1), 1)
    return nordwind


def search(client: Client, model: type[Model], text: str) -> Any:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return client.get(url, {"q": text})


def found(client: Client, model: type[Model], text: str) -> list[Any]:
    return list(search(client, model, text).context["cl"].result_list)


@pytest.mark.parametrize("model", GROWING[:-1])
def test_finds_the_rows_of_whoever_is_called_so(
    ana: Client, nordwind: Organization, model: type[Model]
) -> None:
    rows = found(ana, model, "nordw games")

    assert rows
    assert {_owner_of(row) for row in rows} == {nordwind}


@pytest.mark.parametrize("model", [UsageCounter, UsageEvent])
def test_finds_the_rows_of_a_person(
    ana: Client, nordwind: Organization, model: type[Model]
) -> None:
    assert [row.actor.name for row in found(ana, model, "lovelace")] == ["Ada Lovelace"]


@pytest.mark.parametrize("model", GROWING)
def test_of_a_name_that_is_not_there_reads_no_row_of_the_table(
    ana: Client, nordwind: Organization, model: type[Model]
) -> None:
    with CaptureQueriesContext(connection) as seen:
        assert found(ana, model, "nobody") == []

    table = model._meta.db_table
    exact = ("external_id", "resource_id", "reason", "credits_reference", '"model"')
    reads = [
        each["sql"]
        for each in seen.captured_queries
        if f'FROM "{table}"' in each["sql"]
        and not any(name in each["sql"].partition("WHERE")[2] for name in exact)
    ]
    assert reads == []


def test_says_that_more_are_called_so_than_are_looked_for(
    ana: Client, nordwind: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "MOST_OWNERS", 1)
    f.make_organization("Nordwind Films")

    page = search(ana, LedgerEntry, "nordwind").content.decode()

    assert "More than 1 are called so: type more of it." in page


def test_gives_up_what_takes_too_long_and_says_so(
    ana: Client, nordwind: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "LIST_TIMEOUT_MS", 50)

    def slow(self: Any, request: HttpRequest, queryset: QuerySet[Any], text: str) -> Any:
        return queryset.extra(where=["pg_sleep(5) IS NOT NULL"]), False

    monkeypatch.setattr(UsageEventAdmin, "get_search_results", slow)

    answer = search(ana, UsageEvent, "x")

    assert answer.status_code == 302
    assert answer["Location"] == reverse("admin:usage_usageevent_changelist")
    assert [str(each) for each in get_messages(answer.wsgi_request)] == [columns.TOO_MUCH]
    assert found(ana, Denial, "") == []


def _owner_of(row: Any) -> Organization:
    owner: Organization = (
        row.organization if hasattr(row, "organization") else row.wallet.organization
    )
    return owner
