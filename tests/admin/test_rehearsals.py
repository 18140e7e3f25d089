"""Renewals that are rehearsed in the admin: looked at by a job, kept, written to a file, and run."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from credits.models import Rehearsal, RehearsedRenewal
from credits.services import rehearsing
from organizations.models import Organization
from tests import factories as f
from tests.admin.people import staff_who_may
from usage import tasks

pytestmark = pytest.mark.django_db(transaction=True)
ADD = reverse("admin:credits_rehearsal_add")
JUNE = f.at("2026-06-01")


@pytest.fixture
def clock() -> object:
    with time_machine.travel(f.NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def organizations(clock: Any) -> list[Organization]:
    """One with an allowance of which something rolls over, one in debt, one whose child is renewed with it."""
    first = f.make_organization("First", allowance=10, rollover_limit=2)
    f.spend(first, 3)
    owing = f.make_organization("Owing", allowance=5)
    f.adjust(owing, -20, into_debt=True)
    parent, child = f.make_family(funded=7, allowance=1)
    return [first, owing, parent, child]


def asked(until: datetime = JUNE, **fields: str) -> dict[str, str]:
    return {
        "until_0": f"{until:%Y-%m-%d}",
        "until_1": f"{until:%H:%M}",
        "reason": "before the month turns",
    } | fields


def made(client: Client, **fields: Any) -> Rehearsal:
    answer = client.post(ADD, asked(**fields))
    assert answer.status_code == 302, answer.context["form"].errors
    return Rehearsal.objects.latest("created_at")


def page(rehearsal: Rehearsal, name: str = "change") -> str:
    return reverse(f"admin:credits_rehearsal_{name}", args=[rehearsal.pk])


def work() -> None:
    tasks.resume.apply(throw=True)


class TestRehearsal:
    def test_says_what_each_renewal_would_do_and_does_nothing(
        self, ana: Client, organizations: list[Organization]
    ) -> None:
        rehearsal = made(ana)
        before = [f.money_of(each) for each in organizations]
        assert "not looked at yet" in ana.get(page(rehearsal)).content.decode()

        work()

        rows = RehearsedRenewal.objects.filter(rehearsal_id=rehearsal.pk)
        found = {row.organization.name: row for row in rows.select_related("organization")}
        first = found["First"]
        assert (first.balance_before, first.lapsed, first.rolled_over) == f.amounts(7, 5, 2)
        assert (first.granted, first.balance_after) == f.amounts(10, 12)
        assert found["Owing"].balance_after == -10
        assert [f.money_of(each) for each in organizations] == before
        totals = rehearsing.totals_of(rehearsal)
        assert (totals.rehearsed, totals.granted, totals.debt) == (4, Decimal(16), Decimal(10))
        html = ana.get(page(rehearsal)).content.decode()
        assert "First" in html
        assert "http-equiv" not in html

    def test_of_one_organization_and_its_children(
        self, ana: Client, organizations: list[Organization]
    ) -> None:
        rehearsal = made(ana, root=organizations[2].public_id)

        assert rehearsal.total == 2

    def test_is_a_file(self, ana: Client) -> None:
        rehearsal = made(ana)
        work()

        answer = ana.get(page(rehearsal, "csv"))

        lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
        assert lines[0].startswith("organization_id,name,periods,balance_before,lapsed")
        assert len(lines) == 5

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"until": f.at("2026-05-20")}, "until"),
            ({"until": f.at("2028-01-01")}, "until"),
            ({"root": "org_nobody"}, "root"),
            ({"root": "org_01980000-0000-7000-8000-000000000000"}, "root"),
            ({"reason": " "}, "reason"),
        ],
    )
    def test_names_what_is_wrong(self, ana: Client, fields: dict[str, Any], field: str) -> None:
        answer = ana.post(ADD, asked(**fields))

        assert list(answer.context["form"].errors) == [field]
        assert Rehearsal.objects.count() == 0


class TestRun:
    def test_does_what_was_rehearsed_once(
        self, ana: Client, organizations: list[Organization], clock: Any
    ) -> None:
        rehearsal = made(ana)
        work()
        clock.move_to(JUNE)
        ana.force_login(User.objects.get(username="ana"))
        f.grant(organizations[2], 1, now=JUNE)  # which renews it before
        assert "Run these 4 renewals" in ana.get(page(rehearsal)).content.decode()

        ana.post(page(rehearsal, "run"))
        ana.post(page(rehearsal, "run"))
        work()

        assert f.money_of(organizations[0])[0] == 12
        assert f.money_of(organizations[1])[0] == -10
        html = ana.get(page(rehearsal)).content.decode()
        assert "Run these" not in html
        assert "it moved meanwhile" in html
        assert rehearsing.totals_of(rehearsal).ran == 4

    def test_not_before_its_moment_and_not_unseen(self, ana: Client, clock: Any) -> None:
        rehearsal = made(ana)
        answer = ana.post(page(rehearsal, "run"), follow=True)
        assert "which is to come" in answer.content.decode()
        clock.move_to(JUNE)
        ana.force_login(User.objects.get(username="ana"))

        answer = ana.post(page(rehearsal, "run"), follow=True)

        assert "Not all of them were rehearsed yet." in answer.content.decode()
        rehearsal.refresh_from_db()
        assert rehearsal.run_at is None

    def test_is_for_who_may(self, ana: Client) -> None:
        rehearsal = made(ana)
        ben = staff_who_may("credits.view_rehearsal")

        assert ben.get(page(rehearsal)).status_code == 200
        assert ben.get(ADD).status_code == 403
        assert ben.post(page(rehearsal, "run")).status_code == 403


class TestPrune:
    def test_forgets_what_is_older_than_90_days(
        self, ana: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = made(ana)
        rehearsing.begin_rehearsal(
            until=JUNE, reason="again", performed_by=f.STAFF, now=f.later(days=1)
        )
        monkeypatch.setattr(rehearsing, "WRITTEN_AT_ONCE", 2)

        assert rehearsing.prune(now=f.later(days=90)) == 0
        assert rehearsing.prune(now=f.later(days=90, seconds=1)) == 1
        assert not RehearsedRenewal.objects.filter(rehearsal_id=old.pk).exists()
        assert Rehearsal.objects.count() == 1
        assert RehearsedRenewal.objects.count() == 4

    def test_leaves_one_that_is_being_run(self, ana: Client) -> None:
        rehearsal = made(ana)
        rows = RehearsedRenewal.objects.filter(rehearsal_id=rehearsal.pk)
        rows.filter(pk=rows[0].pk).update(is_to_run=True)

        assert rehearsing.prune(now=f.later(days=400)) == 0

        rows.update(ran_at=f.NOW)
        assert rehearsing.prune(now=f.later(days=400)) == 1
