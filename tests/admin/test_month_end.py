"""The statements of a month, as staff get them: one in two clicks from the first page, all of them in two or three."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits.admin import wallets
from organizations.models import Organization
from tests import factories as f
from tests.admin.people import staff_who_may

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = reverse("admin:credits_billingperiod_month")
LINES = reverse("admin:credits_billingperiod_month_lines")
MOVEMENTS = reverse("admin:credits_billingperiod_month_movements")


@pytest.fixture
def nordwind(transactional_db: None) -> Organization:
    nordwind = f.make_organization("Nordwind Games", funded=100, now=f.at("2026-04-03"))
    f.spend(nordwind, 40, now=f.at("2026-04-10"))
    f.make_organization("Other", now=f.at("2026-04-03"))
    return nordwind


def text(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def test_stands_on_the_first_page(ana: Client, nordwind: Organization) -> None:
    assert f'href="{PAGE}"' in ana.get(reverse("admin:index")).content.decode()


def test_shows_the_month_before_with_a_file_of_each(ana: Client, nordwind: Organization) -> None:
    answer = ana.get(PAGE)

    rows = {row.period.wallet.organization.name: row for row in answer.context["rows"]}
    assert set(rows) == {"Nordwind Games", "Other"}
    mine = rows["Nordwind Games"].statement
    assert (mine.opening, mine.came, mine.used, mine.went, mine.closing) == (0, 100, 40, 0, 60)
    one = reverse("admin:credits_billingperiod_statement", args=[rows["Nordwind Games"].period.pk])
    assert f'href="{one}"' in answer.content.decode()
    assert "goodwill" in text(ana.get(one))


def test_finds_a_customer(ana: Client, nordwind: Organization) -> None:
    rows = ana.get(PAGE, {"q": "nordw"}).context["rows"]

    assert [row.period.wallet.organization for row in rows] == [nordwind]
    assert ana.get(PAGE, {"q": "nobody"}).context["rows"] == []


def test_has_all_as_files(ana: Client, nordwind: Organization) -> None:
    lines = text(ana.get(LINES, {"month": "2026-04"})).splitlines()
    movements = text(ana.get(MOVEMENTS, {"month": "2026-04"})).splitlines()

    assert len(lines) == 1 + 2 + 1
    assert lines[-1].startswith("all,")
    assert len(movements) == 1 + 2


@pytest.mark.parametrize("month", ["x", "0001-01", "9999-12", "2026-13"])
def test_survives_what_is_no_month(ana: Client, nordwind: Organization, month: str) -> None:
    asked = {"month": month, "after": "x", "q": "\0"}

    assert ana.get(PAGE, asked).status_code == 200
    assert ana.get(LINES, asked).status_code == 200


def test_is_for_who_may_see_statements(nordwind: Organization) -> None:
    stranger = staff_who_may("credits.view_wallet")
    reader = staff_who_may("credits.view_billingperiod", name="cy")

    urls = (PAGE, LINES, MOVEMENTS)
    assert [stranger.get(url).status_code for url in urls] == [403] * 3
    assert [reader.get(url).status_code for url in urls] == [200, 200, 403]


def test_a_period_shows_what_became_of_each_category(ana: Client, nordwind: Organization) -> None:
    period = f.periods_of(nordwind)[0]

    html = ana.get(reverse("admin:credits_billingperiod_change", args=[period.pk])).content.decode()

    assert "Of the credits" in html
    assert "promotional" in html or "paid" in html


def test_a_long_period_leaves_what_became_of_each_category_to_its_file(
    ana: Client, nordwind: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    period = f.periods_of(nordwind)[0]
    monkeypatch.setattr(wallets, "MOST_BY_CATEGORY", 0)

    html = ana.get(reverse("admin:credits_billingperiod_change", args=[period.pk])).content.decode()

    assert "Of the credits" not in html
    assert "Opening balance" in html
    file = reverse("admin:credits_billingperiod_statement", args=[period.pk])
    assert f'tells <a class="text-link" href="{file}">' in html


def test_a_statement_is_added_up_once_on_its_page(ana: Client, nordwind: Organization) -> None:
    period = f.periods_of(nordwind)[0]

    with CaptureQueriesContext(connection) as sent:
        ana.get(reverse("admin:credits_billingperiod_change", args=[period.pk]))

    assert sum('AS "granted"' in each["sql"] for each in sent) == 1
