"""The first page: whether all is well, in a sentence that is true, and who needs somebody; each panel for who may see its rows, all of it bounded."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags
from django_celery_beat.models import PeriodicTask

from credits.ledger import open_period
from organizations import proposals
from organizations.models import Failure, Finding, Job, Organization, Proposal, Tick
from tests import factories as f
from tests.admin.people import client_of, staff_who_may
from tests.admin.test_refusals import refuse
from tests.usage import people as p
from tests.usage.test_outlook import START, use_daily
from usage.admin import attention, wellbeing
from usage.models import Stock, Vitals
from usage.services import rollups, stock, vitals

pytestmark = pytest.mark.django_db(transaction=True)

HOME = reverse("admin:index")
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def ticking(transactional_db: None) -> None:
    """Let the calendar be on time: every task was rung for just now."""
    PeriodicTask.objects.update(date_changed=f.NOW - DAY)
    for task in PeriodicTask.objects.values_list("task", flat=True):
        Tick.objects.update_or_create(task=task, defaults={"ticked_at": f.NOW})


def sentence() -> str:
    clauses = wellbeing.wellbeing(now=f.NOW).clauses
    return ". ".join(strip_tags(clause.text) for clause in clauses)


def tone() -> str:
    return wellbeing.wellbeing(now=f.NOW).tone


def job(kind: str, *, ago: timedelta = timedelta(hours=12), is_open: bool = False, **n: int) -> Job:
    begun = f.NOW - ago
    done = {"total": 10, "done": 10} | n
    ended = None if is_open else begun + timedelta(seconds=20)
    return Job.objects.create(
        kind=kind, due_at=begun, started_at=begun, finished_at=ended, is_handed_out=True, **done
    )


class TestSentence:
    def test_of_an_installation_where_nothing_ran_yet(self) -> None:
        assert sentence() == (
            "No renewal has been due yet. The ledger has not been verified yet: it is every night"
        )
        assert tone() == "good"

    def test_of_last_night(self) -> None:
        job("renew", total=10_000, done=10_000)
        job("verify the ledger", ago=timedelta(hours=8))

        assert sentence() == "All renewals ran, 10,000 at 00:00:20. Ledger verified 04:00:20"

    def test_adds_the_renewals_of_a_day_up(self) -> None:
        job("renew", done=7)
        job("renew", ago=timedelta(hours=2), done=2)

        assert "All renewals ran, 9 in 24 hours, the last at 10:00:20" in sentence()

    def test_of_a_day_without_renewals(self) -> None:
        job("renew", ago=9 * DAY, done=4)

        assert "No renewal was due in 24 hours; the last, 4, ran 1 May, 12:00:20" in sentence()

    def test_while_they_run(self) -> None:
        job("renew", ago=timedelta(seconds=9), is_open=True, total=10_000, done=4_000)

        assert "Renewals run now: 4,000 of 10,000 done" in sentence()

    def test_where_some_failed(self) -> None:
        ran = job("renew", done=9, failed=1)
        failure("renew", f.make_organization(), ran)

        assert sentence().startswith("Of the renewals 1 failed; the others ran, 9 at 00:00:20")
        assert tone() == "bad"

    def test_where_some_wait(self) -> None:
        f.make_organization(now=f.NOW - 40 * DAY)

        assert sentence().startswith("Of the renewals 1 wait for the worker")
        assert tone() == "warn"

    def test_where_they_are_late(self) -> None:
        f.make_organization(now=f.NOW - 40 * DAY)
        Tick.objects.filter(task="credits.tasks.renew").update(ticked_at=f.NOW - DAY)

        assert sentence().startswith("Renewals are late, due since 9 May, 12:00:20; 1 wait")
        assert tone() == "bad"

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("renew", "Renewals are switched off"),
            ("verify the ledger", "Verifying the ledger is switched off, never done yet"),
            ("prune", "Switched off: prune"),
        ],
    )
    def test_where_a_task_is_switched_off(self, name: str, said: str) -> None:
        PeriodicTask.objects.filter(name=name).update(enabled=False)

        assert said in sentence()
        assert tone() == ("warn" if name == "prune" else "bad")

    def test_where_another_task_is_late(self) -> None:
        Tick.objects.filter(task="usage.tasks.roll_up_usage").update(ticked_at=f.NOW - DAY)

        assert "Late: roll up usage" in sentence()

    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            ("verify the ledger", "Verifying the ledger found 2 that do not fit, at 00:00:20"),
            ("reconcile", "The job “reconcile” found 2 that should not be, at 00:00:20"),
            ("seal the ledger", "The job “seal the ledger” found 2 that should not be"),
        ],
    )
    def test_where_an_audit_found_something(self, kind: str, said: str) -> None:
        found = job(kind)
        for number in range(2):
            Finding.objects.create(job=found, check_name="x", subject=f"{number}", detail="y")

        assert said in sentence()
        assert tone() == "bad"

    def test_forgets_what_a_later_audit_did_not_find(self) -> None:
        Finding.objects.create(job=job("reconcile"), check_name="x", subject="1", detail="y")
        job("reconcile", ago=timedelta(hours=1))

        assert tone() == "good"

    def test_where_work_is_left_to_staff(self) -> None:
        failure("lapse grants", f.make_organization(), job("lapse grants"))

        assert "Failed and left to staff: “lapse grants” 1×" in sentence()

    def test_stands_on_the_page(self, ana: Client) -> None:
        html = ana.get(HOME).content.decode()

        assert "All is well" in html
        assert "Nothing waits for you" in html


def failure(kind: str, organization: Organization, of: Job) -> Failure:
    return Failure.objects.create(
        kind=kind,
        organization=organization,
        job=of,
        attempts=3,
        error="Broken: it is",
        first_failed_at=f.NOW,
        last_failed_at=f.NOW,
    )


def concerns(client: Client) -> dict[str, list[str]]:
    found = client.get(HOME).context["concerns"]
    return {
        each.slug: [
            f"{row.organization.name} {strip_tags(str(figure))}" for row, figure in each.rows
        ]
        for each in found
    }


def measure() -> None:
    for organization in Organization.objects.all():
        rollups.roll_up(organization=organization, now=f.NOW)
    stock.take_all(now=f.NOW)


class TestAttention:
    def test_names_who_is_near_the_cap_the_fullest_first(self, ana: Client) -> None:
        for name, used in (("Ample", 10), ("Near", 80), ("Nearer", 95)):
            f.spend(f.make_organization(name, funded=1_000, monthly_cap=100), used)
        measure()

        assert concerns(ana)["cap"] == ["Nearer 95 %", "Near 80 %"]

    def test_names_who_is_in_debt(self, ana: Client) -> None:
        f.spend(f.make_organization("Debtor", overdraft_limit=None), 7)
        measure()

        assert concerns(ana) == {"debt": ["Debtor −7"]}

    def test_names_who_is_likely_dry_soon(self, ana: Client) -> None:
        for name, funded in (("Dry", 250), ("Ample", 1_000)):
            use_daily(f.make_organization(name, funded=funded, now=START))
        measure()

        assert concerns(ana)["dry"] == ["Dry in 5 days"]

    def test_names_whose_cap_is_likely_reached_soon(self, ana: Client) -> None:
        for name, left in (("Full", 30), ("Ample", 1_000)):
            busy = f.make_organization(name, funded=5_000, now=START)
            use_daily(busy)
            used = open_period(f.wallet_of(busy)).used
            f.set_terms(busy, monthly_cap=used + left)
        measure()

        assert concerns(ana)["capped"] == ["Full in 3 days"]

    def test_does_not_call_dry_whom_an_allowance_comes_to_before(self, ana: Client) -> None:
        terms: dict[str, Any] = {"allowance": 500, "anchored_on": f.at("2026-04-12").date()}
        renewed = f.make_organization("Renewed", now=START, **terms)
        use_daily(renewed)
        f.spend(renewed, f.wallet_of(renewed).balance - 50)
        measure()
        assert "dry" not in concerns(ana)

        f.set_terms(renewed, cancel_at_period_end=True)
        measure()
        assert concerns(ana)["dry"] == ["Renewed in 36 h"]

    def test_names_who_is_refused_most(self, ana: Client) -> None:
        poor = f.make_organization("Poor")
        for _ in range(3):
            refuse(poor, 5)
        measure()

        assert concerns(ana)["refused"] == ["Poor 3×"]

    def test_names_whose_credits_end(self, ana: Client) -> None:
        owner = f.make_organization("Owner", allowance=50)
        f.grant(owner, 20, expires_at=f.later(days=3))
        f.grant(owner, 30, expires_at=f.later(days=10))
        f.grant(owner, 40, expires_at=f.later(days=15))
        measure()

        assert concerns(ana)["ending"] == ["Owner 50 from 13 May"]

    def test_says_what_concerns_nobody(self, ana: Client) -> None:
        f.make_organization()
        measure()

        assert "nobody in debt" in ana.get(HOME).context["nobody"]

    def test_leaves_out_who_is_suspended_and_sandboxes(self, ana: Client) -> None:
        debtor = f.make_organization("Debtor", overdraft_limit=None)
        f.spend(debtor, 7)
        f.spend(f.sandbox_of(debtor), 5)
        measure()
        f.suspend(debtor)
        measure()

        assert concerns(ana) == {}
        assert not Vitals.objects.exists()

    def test_leads_to_the_list_of_all_of_them(self, ana: Client) -> None:
        for number in range(attention.ROWS + 2):
            poor = f.make_organization(f"Debtor {number}", monthly_cap=8, overdraft_limit=None)
            f.spend(poor, 7)
            refuse(poor, 5)
            f.grant(poor, 1, expires_at=f.later(days=3))
        f.make_organization("Other")
        measure()
        rights = ("organizations.view_organization", "credits.view_wallet", "usage.view_denial")

        for client in (ana, staff_who_may(*rights)):
            found = client.get(HOME).context["concerns"]
            assert {"debt", "cap", "refused"} <= {each.slug for each in found}
            for each in found:
                listed = client.get(each.url).context["cl"].result_list
                assert len(listed) == int(each.many), each

    def test_is_for_who_may_see_what_it_was_measured_from(self) -> None:
        f.spend(f.make_organization("Debtor", overdraft_limit=None), 7)
        measure()
        reader = staff_who_may("organizations.view_organization", "usage.view_denial")

        assert concerns(reader) == {}
        listed = reader.get(
            reverse("admin:organizations_organization_changelist"), {"concern": "debt"}
        )
        assert listed.status_code in (200, 302)
        assert "nobody in debt" not in reader.get(HOME).context["nobody"]


class TestUse:
    @pytest.fixture
    def busy(self) -> Organization:
        sonnet, haiku = p.make_models()
        busy = f.make_organization("Busy", funded=1_000, now=f.NOW - 70 * DAY)
        for days, model, credits in (
            (40, haiku, 50),
            (9, sonnet, 20),
            (2, sonnet, 60),
            (1, haiku, 40),
        ):
            p.use(p.work(busy, credits, model=model), credits, now=f.NOW - days * DAY)
        measure()
        return busy

    def test_is_that_of_thirty_days_beside_the_thirty_before(
        self, ana: Client, busy: Organization
    ) -> None:
        burn = ana.get(HOME).context["burn"]

        assert (burn.total, burn.before, burn.percent, burn.direction) == (120, 50, "140", "up")
        assert "sonnet" in burn.chart
        assert "chart-before" in burn.chart

    def test_names_whose_changed_most(self, ana: Client, busy: Organization) -> None:
        (mover,) = ana.get(HOME).context["movers"]

        assert (mover.vitals.organization, mover.vitals.week, mover.vitals.week_before) == (
            busy,
            100,
            20,
        )
        assert mover.percent == "+400 %"

    def test_is_for_who_may_see_work(self, busy: Organization) -> None:
        context = staff_who_may("credits.view_wallet").get(HOME).context

        assert "burn" not in context
        assert context["stock"].held == 830

    def test_of_a_day_follows_a_correction_of_it(self, busy: Organization) -> None:
        held = stock.days_to_add_up(now=f.NOW)

        turns = range(stock.DAYS)
        seen = {
            day for n in turns for day in stock.days_to_add_up(now=f.NOW + n * timedelta(minutes=5))
        }
        assert {f.NOW.date(), f.NOW.date() - DAY} <= set(held)
        assert len(held) <= 4
        assert len(seen) >= stock.DAYS


class TestStock:
    def test_counts_what_all_hold(self, ana: Client) -> None:
        one = f.make_organization(funded=100)
        f.reserve(one, 30)
        f.spend(f.make_organization("In debt", overdraft_limit=None), 7)
        f.suspend(f.make_organization("Stopped"))
        measure()

        found = ana.get(HOME).context["stock"]

        assert (found.held, found.debt, found.reserved, found.open_holds) == (100, 7, 30, 1)
        assert (found.active, found.suspended, found.archived) == (2, 1, 0)

    def test_is_taken_in_portions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(vitals, "PORTION", 2)
        for number in range(5):
            f.make_organization(f"No. {number}")

        stock.take_all(now=f.NOW)

        assert Vitals.objects.count() == 5
        assert Stock.objects.get().active == 5


class TestWaiting:
    @pytest.fixture
    def proposal(self) -> Any:
        asked = Proposal(
            organization=f.make_organization("Nordwind"),
            action="grant",
            payload={},
            amount=Decimal(9_000),
            reason="a present",
            proposed_by="ben",
        )
        return proposals.propose(asked, now=f.NOW)

    def test_are_the_proposals_of_others_that_one_may_decide(self, proposal: Any) -> None:
        approver = staff_who_may(
            "organizations.approve", "credits.grant", "credits.grant_more", name="cy"
        )
        other = staff_who_may("organizations.approve", name="dee")
        own = client_of(User.objects.create_superuser("ben"))

        assert [each.id for each in approver.get(HOME).context["approvals"]] == [proposal.pk]
        assert "<b>1</b> waits for you" in approver.get(HOME).content.decode()
        assert other.get(HOME).context["waits"] == own.get(HOME).context["waits"] == 0

    def test_are_failures_for_who_may_try_again(self, ana: Client) -> None:
        failed = failure("renew", f.make_organization(), job("renew"))

        assert ana.get(HOME).context["left_to_staff"] == [failed]
        reader = staff_who_may("organizations.view_failure", "organizations.view_job")
        assert reader.get(HOME).context["waits"] == 0


class TestPage:
    def test_of_a_new_installation_says_what_to_do_first(self, ana: Client) -> None:
        steps = ana.get(HOME).context["steps"]

        assert [step.is_done for step in steps] == [False] * 4
        f.make_organization(funded=10)
        assert [s.is_done for s in ana.get(HOME).context["steps"]] == [True, True, False, False]

    def test_says_it_no_more_once_work_was_done(self, ana: Client) -> None:
        p.use(p.work(f.make_organization(funded=10), 5), 5)

        assert ana.get(HOME).context["steps"] == []

    def test_without_rights_is_a_page(self) -> None:
        answer = staff_who_may().get(HOME)

        assert answer.status_code == 200
        assert not any(name in answer.context for name in ("stock", "burn", "entries", "wellbeing"))

    def test_asks_as_often_for_many_as_for_few(self, ana: Client) -> None:
        def make(count: int) -> None:
            for number in range(count):
                each = f.make_organization(f"No. {number}", monthly_cap=10, overdraft_limit=None)
                f.grant(each, 5, expires_at=f.later(days=3))
                f.spend(each, 9)
                failure("renew", each, ran)
            measure()

        ran = job("renew")
        make(attention.ROWS)
        few = asked(ana)
        make(12)
        assert asked(ana) == few
        assert few <= 50

    @pytest.fixture(autouse=True)
    def still(self) -> Iterator[None]:
        with time_machine.travel(f.NOW, tick=False):
            yield


def asked(client: Client) -> int:
    client.get(HOME)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(HOME).status_code == 200
    return len(captured)


def test_refusals_of_the_day_before_yesterday_concern_nobody(ana: Client) -> None:
    refused = refuse(f.make_organization("Poor"), 5)
    refused.created_at = f.NOW - 2 * DAY
    refused.save()
    measure()

    assert concerns(ana) == {}
