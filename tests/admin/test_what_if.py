"""Asking what a month would have come to by other rules, and reading the answer."""

import csv
import io
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from organizations import clock, jobs
from organizations.models import Organization
from tests import factories as f
from tests.admin.people import staff_who_may
from tests.usage import people as p
from usage.models import WhatIf
from usage.services.what_if import WHAT_IF
from usage.what_if import EVERYBODY, actor_key, changes_of, group_key

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "admin:usage_whatif_add"
MAY = "2026-05-01"


@pytest.fixture
def customer() -> Organization:
    organization = f.make_organization(funded=1_000)
    ada = p.make_actor(organization)
    for _ in range(3):
        p.use(p.work(organization, 10, actor=ada), 10)
    return organization


def sent(**fields: Any) -> dict[str, Any]:
    return {"month": MAY, **fields}


def answer() -> None:
    while jobs.run(WHAT_IF, now=clock.now, worker="w"):
        pass


def errors(page: Any) -> dict[str, list[str]]:
    return dict(page.context["adminform"].form.errors)


def test_from_the_form_to_the_answer_and_its_file(ana: Client, customer: Organization) -> None:
    asked = ana.post(reverse(ADD), sent(organization=customer.public_id, monthly_cap="25"))
    page = asked.headers["Location"]
    assert "0 of 1 done" in ana.get(page).content.decode()

    answer()

    text = strip_tags(ana.get(page).content.decode())
    assert "would have come to 20 credits and not 30" in text
    assert "1 refused that were done" in text
    assert WhatIf.objects.get().asked_by == "ana"
    file = b"".join(ana.get(f"{page.removesuffix('change/')}csv/")).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(file)))
    assert [(row["person"], row["outcome"], row["pieces"]) for row in rows] == [
        ("Ada", "kept", "2"),
        ("Ada", "refused", "1"),
    ]
    assert "answered" in ana.get(reverse("admin:usage_whatif_changelist")).content.decode()


def test_reads_every_rule_of_the_form(ana: Client, customer: Organization) -> None:
    ada = customer.actors.get()
    lab = p.make_group(customer, "lab", ada, kind="entity")
    narrow = p.make_profile(customer, "narrow", cap=5)
    fields = {
        "monthly_cap": "none",
        "overdraft_limit": "5",
        "downgrade": "10",
        "shutoff": "20.5",
        "everybody": "7",
        "profile": narrow.id,
        "prices_of": "2026-12-01",
        "multiplier": "1.25",
    }
    for limit_of, key in ((ada.public_id, actor_key(ada.id)), (lab.public_id, group_key(lab.id))):
        one = {"organization": customer.public_id, "limit_of": limit_of, "limit": "3"}
        ana.post(reverse(ADD), sent(**one, **fields))

        changes = changes_of(WhatIf.objects.latest("id").changes)
        numbers = {"monthly_cap": None, "overdraft_limit": 5, "downgrade": 10}
        assert changes.rules == {**numbers, "shutoff": Decimal("20.5")}
        assert changes.limits == {EVERYBODY: 7, key: 3}
        assert (changes.profile, changes.multiplier) == (narrow.id, Decimal("1.25"))
        assert changes.prices_of is not None
        assert f"{changes.prices_of.astimezone(UTC):%Y-%m-%d}" == "2026-12-01"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"organization": "org_x", "monthly_cap": "1"}, "organization"),
        ({"monthly_cap": "many"}, "monthly_cap"),
        ({"shutoff": "-1"}, "shutoff"),
        ({"multiplier": "0"}, "multiplier"),
        ({"prices_of": "soon"}, "prices_of"),
        ({"month": "2019-01-01", "shutoff": "1"}, "month"),
        ({"limit_of": "act_x"}, "limit"),
        ({"limit": "5"}, "limit_of"),
        ({"limit_of": "act_x", "limit": "5"}, "limit_of"),
        ({}, "__all__"),
    ],
)
def test_names_the_field_that_is_wrong(ana: Client, fields: dict[str, str], field: str) -> None:
    page = ana.post(reverse(ADD), sent(**fields))

    assert list(errors(page)) == [field]
    assert not WhatIf.objects.exists()


def test_is_for_whom_it_is_allowed(customer: Organization) -> None:
    may_look = staff_who_may("usage.view_whatif")

    assert may_look.get(reverse(ADD)).status_code == 403
    assert may_look.get(reverse("admin:usage_whatif_changelist")).status_code == 200
    assert staff_who_may(name="cy").get(reverse("admin:usage_whatif_changelist")).status_code == 403


def test_is_asked_with_what_a_link_says(ana: Client, customer: Organization) -> None:
    page = ana.get(reverse(ADD), {"organization": customer.public_id, "monthly_cap": "25"})

    form = page.context["adminform"].form
    assert form.initial == {"organization": customer.public_id, "monthly_cap": "25"}
