"""The report of who used most, as staff see it: two clicks from the first page, by month, model and order, and as a file."""

import csv
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from organizations.models import Organization
from tests import factories as f
from tests.admin.people import staff_who_may
from tests.usage import people as p
from usage.services import rollups

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = reverse("admin:usage_monthlyuse_changelist")
FILE = reverse("admin:usage_monthlyuse_csv")


@pytest.fixture
def busy(transactional_db: None) -> Organization:
    """Ada used most in April, on two models; Bob did more pieces of work."""
    sonnet, haiku = p.make_models()
    busy = f.make_organization("Nordwind", funded=1_000, now=f.at("2026-04-01"))
    ada, bob = (p.make_actor(busy, name, now=f.at("2026-04-01")) for name in ("Ada", "=Bob"))
    pieces = [(ada, sonnet, 60), (ada, haiku, 20), *[(bob, haiku, 10)] * 3]
    for day, (actor, model, credits) in enumerate(pieces, start=10):
        now = f.at(f"2026-04-{day} 09:00")
        p.use(p.work(busy, credits, actor=actor, model=model), credits, now=now)
    rollups.roll_up(organization=busy, now=f.NOW)
    return busy


def rows(client: Client, **asked: str) -> list[tuple[str, Any, int, str]]:
    found = client.get(PAGE, asked).context["rows"]
    return [
        (
            str(row.used.actor or row.used.organization),
            row.used.credits,
            row.used.events,
            row.mostly,
        )
        for row in found
    ]


def test_shows_last_month_first(ana: Client, busy: Organization) -> None:
    assert rows(ana) == [("Ada", 80, 2, "sonnet 75 %"), ("=Bob", 30, 3, "haiku")]
    assert rows(ana, month="2026-05") == []


def test_is_ordered_and_narrowed_down(ana: Client, busy: Organization) -> None:
    assert [row[0] for row in rows(ana, order="work")] == ["=Bob", "Ada"]
    assert [row[:2] for row in rows(ana, model="haiku")] == [("=Bob", 30), ("Ada", 20)]
    assert rows(ana, who="organizations") == [("Nordwind", 110, 5, "sonnet 55 %")]


@pytest.mark.parametrize("month", ["x", "2026-13", "0001-01", "99999-01", "\0"])
def test_survives_what_is_no_month(ana: Client, busy: Organization, month: str) -> None:
    assert ana.get(PAGE, {"month": month, "model": "\0", "who": "x"}).status_code == 200


def test_is_a_file_of_every_person_and_model(ana: Client, busy: Organization) -> None:
    answer: Any = ana.get(FILE, {"month": "2026-04"})

    text = b"".join(answer.streaming_content).decode().removeprefix("\ufeff")
    lines = list(csv.DictReader(StringIO(text)))
    assert {(line["person"], line["model"], line["credits"], line["pieces"]) for line in lines} == {
        ("Ada", "sonnet", "60.000000", "1"),
        ("Ada", "haiku", "20.000000", "1"),
        ("'=Bob", "haiku", "30.000000", "3"),
    }
    assert {line["organizationId"] for line in lines} == {busy.public_id}


def test_is_for_those_who_may_see_it(busy: Organization) -> None:
    stranger = staff_who_may("organizations.view_organization")
    reader = staff_who_may("usage.view_monthlyuse", name="cy")

    assert [stranger.get(url).status_code for url in (PAGE, FILE)] == [403, 403]
    assert [reader.get(url).status_code for url in (PAGE, FILE)] == [200, 200]


def test_says_the_parts_of_a_bar(ana: Client, busy: Organization) -> None:
    assert 'aria-label="sonnet 60, haiku 20"' in ana.get(PAGE).content.decode()
