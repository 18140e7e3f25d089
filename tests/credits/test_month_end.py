"""The statements of a month of everybody: a line for each, that adds up by itself, by category and over all; and every movement in them."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import services
from credits.services import month_end
from organizations.models import Organization
from tests import factories as f

pytestmark = pytest.mark.django_db(transaction=True)

APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)
CATEGORIES = ("paid", "promotional", "goodwill", "correction")


@pytest.fixture
def world(transactional_db: None) -> list[Organization]:
    """A parent that bought and sent on, a child that used, owes and lost some, and one where nothing happened."""
    begun = f.at("2026-04-03")
    parent = f.make_organization("Parent", funded=1_000, now=begun)
    child = f.make_organization(
        "Child",
        parent=parent,
        now=begun,
        allowance=50,
        overdraft_limit=None,
        anchored_on=begun.date(),
    )
    f.allocate(child, 100, now=f.at("2026-04-04"))
    f.grant(child, 30, category="goodwill", expires_at=f.at("2026-04-20"), now=f.at("2026-04-05"))
    f.spend(child, 60, now=f.at("2026-04-10"))
    f.adjust(child, -5, now=f.at("2026-04-11"))
    f.adjust(child, 7, now=f.at("2026-04-12"))
    f.renew(child, now=f.at("2026-05-03 01:00"))
    f.spend(child, 400, now=f.at("2026-05-04"))
    f.make_organization("Quiet", now=begun)
    f.grant(f.sandbox_of(parent, now=begun), 500, now=begun)
    return [parent, child]


def lines(month: date) -> dict[str, dict[str, Any]]:
    head, *rows = services.month_lines(month)
    return {str(row[0]): dict(zip(map(str, head), row, strict=True)) for row in rows}


def closing(line: dict[str, Any]) -> Decimal:
    came = line["granted"] + line["received"] + line["adjusted"] + line["reversed"]
    total: Decimal = line["opening"] + came - line["used"] - line["lapsed"] - line["sent"]
    return total


@pytest.mark.parametrize("month", [APRIL, MAY])
def test_lines_add_up_each_and_together(world: list[Organization], month: date) -> None:
    found = lines(month)

    for line in found.values():
        assert closing(line) == line["closing"]
        of_categories = sum(line[f"{each}Change"] for each in CATEGORIES)
        assert line["closing"] - line["opening"] == of_categories + line["debtChange"]
        for each in CATEGORIES:
            came, used, lapsed = (line[f"{each}{name}"] for name in ("Came", "Used", "Lapsed"))
            assert came - used - lapsed == line[f"{each}Change"]
    whole = found.pop("all")
    for name in ("opening", "granted", "used", "closing", "paidUsed", "debtChange"):
        assert whole[name] == sum(line[name] for line in found.values())


def test_lines_say_what_became_of_each_category(world: list[Organization]) -> None:
    child, debtor = lines(APRIL)["Child"], lines(MAY)["Child"]

    assert (child["goodwillCame"], child["correctionCame"]) == (30, 7)
    assert child["goodwillUsed"] + child["goodwillLapsed"] == 30
    assert sum(child[f"{each}Used"] for each in CATEGORIES) == child["used"] == 60
    assert debtor["debtChange"] == debtor["closing"] < 0


def test_are_those_that_are_shown_one_by_one(world: list[Organization]) -> None:
    found = lines(APRIL)

    assert set(found) == {"Parent", "Child", "Quiet", "all"}
    for organization in world:
        statement = services.statement_of(f.periods_of(organization)[0])
        line = found[organization.name]
        assert [line[name] for name in month_end.LINES] == list(statement[:-1])
        assert line["organizationId"] == organization.public_id


def test_movements_are_every_entry_of_them(world: list[Organization]) -> None:
    head, *rows = map(list, services.month_entries(APRIL))
    whose, moved = head.index("organization"), head.index("amount")
    amounts: dict[Any, Any] = {}
    for row in rows:
        amounts[row[whose]] = amounts.get(row[whose], 0) + row[moved]

    found = lines(APRIL)
    for name, amount in amounts.items():
        assert amount == found[name]["closing"] - found[name]["opening"]


def test_one_statement_says_its_categories(world: list[Organization]) -> None:
    period = f.periods_of(world[1])[0]

    rows = list(services.statement_rows(period))

    (head,) = (row for row in rows if row[:1] == ["category"])
    assert head == ["category", "came", "used", "lapsed", "change"]
    goodwill = next(row for row in rows if row[:1] == ["goodwill"])
    assert goodwill[1] == 30


def test_reads_a_few_at_a_time(world: list[Organization], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(services.month_lines(APRIL))
    monkeypatch.setattr(month_end, "AT_ONCE", 2)

    with CaptureQueriesContext(connection) as captured:
        assert sorted(map(str, services.month_lines(APRIL))) == sorted(map(str, whole))

    # Two portions, of two wallets and of one: the wallets, the periods, the entries, the draws.
    assert len(captured) == 8
