"""Who used most in a month, of all: adds up to what was charged, whoever is asked about, and reads a bounded number of rows."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from organizations.models import Organization
from tests import factories as f
from tests.usage import people as p
from usage.models import AIModel, MonthlyUse, RollupMark
from usage.services import most, rollups
from usage.services.most import Of

pytestmark = pytest.mark.django_db(transaction=True)

APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)


@pytest.fixture
def models(transactional_db: None) -> tuple[AIModel, AIModel]:
    return p.make_models()


def work_of(
    organization: Organization, name: str, model: AIModel, credits: int, *, on: str
) -> None:
    actor = organization.actors.filter(name=name).first() or p.make_actor(organization, name)
    now = f.at(f"{on} 12:00")
    p.use(p.work(organization, credits, actor=actor, model=model), credits, now=now)


def asked(of: Of, **filters: Any) -> Any:
    usual = {"month": MAY, "before": APRIL, "count": 10}
    return most.most(of, **{**usual, **filters})


@pytest.fixture
def two(models: tuple[AIModel, AIModel]) -> list[Organization]:
    """Two organizations: Ada used most in May, on two models; Bob most in April."""
    sonnet, mini = models
    one = f.make_organization("One", funded=1_000, now=f.at("2026-04-01"))
    other = f.make_organization("Other", funded=1_000, now=f.at("2026-04-01"))
    work_of(other, "Bob", mini, 90, on="2026-04-20")
    work_of(other, "Bob", mini, 40, on="2026-05-02")
    work_of(one, "Ada", sonnet, 30, on="2026-05-03")
    work_of(one, "Ada", mini, 15, on="2026-05-04")
    work_of(one, "Eve", mini, 5, on="2026-05-04")
    for each in (one, other):
        rollups.roll_up(organization=each, now=f.NOW)
    return [one, other]


class TestMost:
    def test_names_people_with_their_models(self, two: list[Organization]) -> None:
        ada, bob, eve = asked(Of.PERSON)

        assert [(str(each.actor), each.credits) for each in (ada, bob, eve)] == [
            ("Ada", 45),
            ("Bob", 40),
            ("Eve", 5),
        ]
        assert [(share.model, share.credits) for share in ada.shares] == [
            ("sonnet", 30),
            ("haiku", 15),
        ]
        assert (ada.events, ada.before, bob.before) == (2, 0, 90)

    def test_names_organizations(self, two: list[Organization]) -> None:
        assert [(each.organization, each.credits) for each in asked(Of.ORGANIZATION)] == [
            (two[0], 50),
            (two[1], 40),
        ]

    def test_on_one_model_orders_by_that_one(self, two: list[Organization]) -> None:
        found = asked(Of.PERSON, model="haiku")

        assert [(str(each.actor), each.credits) for each in found] == [
            ("Bob", 40),
            ("Ada", 15),
            ("Eve", 5),
        ]

    def test_orders_by_work_too(self, two: list[Organization]) -> None:
        assert next(str(each.actor) for each in asked(Of.PERSON, by="events")) == "Ada"

    def test_adds_up_to_what_was_charged(self, two: list[Organization]) -> None:
        charged = sum(1_000 - f.wallet_of(each).balance for each in two)

        for of in Of:
            lines = [*most.every(of, month=MAY), *most.every(of, month=APRIL)]
            assert sum(line.credits for line in lines) == charged
        whole = MonthlyUse.objects.filter(of=Of.PERSON, is_whole=True)
        assert sum((row.credits for row in whole), Decimal(0)) == charged

    def test_leaves_sandboxes_out(self, two: list[Organization], models: list[AIModel]) -> None:
        sandbox = f.sandbox_of(two[0])
        f.grant(sandbox, 500)
        p.use(p.work(sandbox, 100, model=models[0]), 100)
        rollups.roll_up(organization=sandbox, now=f.NOW)

        assert [each.organization for each in asked(Of.ORGANIZATION)] == two
        assert {line.organization.name for line in most.every(Of.PERSON, month=MAY)} == {
            "One",
            "Other",
        }

    def test_counts_nothing_of_what_is_being_added_up_anew(self, two: list[Organization]) -> None:
        MonthlyUse.objects.filter(organization=two[0]).delete()

        assert not RollupMark.objects.filter(organization=two[0]).exists()
        assert [each.organization for each in asked(Of.ORGANIZATION)] == [two[1]]
        rollups.roll_up(organization=two[0], now=f.NOW)
        assert len(asked(Of.ORGANIZATION)) == 2

    def test_asks_as_often_for_many_as_for_few(self, two: list[Organization]) -> None:
        with CaptureQueriesContext(connection) as few:
            asked(Of.PERSON, count=1)
        with CaptureQueriesContext(connection) as many:
            asked(Of.PERSON)

        assert len(few) == len(many) == 4
