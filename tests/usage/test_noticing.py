"""What Purser notices by itself: each kind fires of real rows, once, and resolves when it is not true any more."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from credits.ledger import open_period
from organizations import alerts, jobs
from organizations.models import (
    Actor,
    Alert,
    AlertRule,
    BudgetWarning,
    Failure,
    Finding,
    Job,
    Organization,
    Tick,
)
from tests import factories as f
from tests.parallel import at_once
from tests.usage import people as p
from tests.usage.noticed import forget_the_calendar, look, open_alerts, steps_of, the_alert
from usage import services
from usage.services import denials, groups, limits, noticing, rollups, vitals
from usage.services.noticing import NOTICE
from usage.tasks import TAKE_STOCK

pytestmark = pytest.mark.django_db(transaction=True)

Kind, Severity = Alert.Kind, Alert.Severity
DAY = timedelta(days=1)
NEXT = f.later(minutes=5)


@pytest.fixture(autouse=True)
def no_tasks(transactional_db: None) -> None:
    forget_the_calendar()


def capped(used: f.Amount, cap: f.Amount = 100) -> Organization:
    """Return an organization that used so much of its cap."""
    organization = f.make_organization(funded=1_000, monthly_cap=cap)
    f.spend(organization, used)
    return organization


class TestNearTheCap:
    def test_fires_from_four_fifths_on_with_what_it_saw(self) -> None:
        organization = capped(80)

        look()

        alert = the_alert(Kind.NEAR_CAP)
        assert alert.organization == organization
        assert (alert.severity, alert.level) == (Severity.WARNING, 80)
        assert alert.figures == {"used": "80", "cap": "100", "percent": "80"}
        assert steps_of(alert) == ["fired"]

    def test_does_not_fire_below(self) -> None:
        capped(Decimal("79.999999"))

        look()

        assert open_alerts() == []

    def test_fires_once_however_often_it_is_looked_at(self) -> None:
        capped(80)

        look()
        look(NEXT)

        assert steps_of(the_alert(Kind.NEAR_CAP)) == ["fired"]

    def test_becomes_worse_where_the_cap_is_reached_and_asks_for_somebody_anew(self) -> None:
        organization = capped(80)
        look()
        alerts.acknowledge(alert=the_alert(Kind.NEAR_CAP), note="", performed_by="a", now=f.NOW)
        f.spend(organization, 20)

        look(NEXT)

        alert = the_alert(Kind.NEAR_CAP)
        assert (alert.severity, alert.level, alert.acknowledged_at) == (
            Severity.CRITICAL,
            100,
            None,
        )
        assert steps_of(alert) == ["fired", "acknowledged", "worse"]

    def test_resolves_with_another_cap_and_fires_anew_when_it_is_true_again(self) -> None:
        organization = capped(80)
        look()
        f.set_terms(organization, monthly_cap=1_000)
        look(NEXT)
        assert open_alerts() == []

        f.set_terms(organization, monthly_cap=90)
        look(f.later(minutes=10))

        first, second = Alert.objects.order_by("id")
        assert (first.resolved_at, second.resolved_at) == (NEXT, None)
        assert steps_of(first) == ["fired", "resolved"]

    def test_says_nothing_where_nothing_may_be_spent(self) -> None:
        f.make_organization(monthly_cap=0)

        look()

        assert open_alerts() == []

    def test_is_over_with_the_period(self) -> None:
        organization = capped(80)
        look()

        f.renew(organization, now=f.at("2026-06-01"))
        look(f.at("2026-06-01"))

        assert open_alerts(Kind.NEAR_CAP) == []

    def test_goes_by_the_rule_of_the_organization_before_that_for_everybody(self) -> None:
        organization, other = capped(50), capped(50)
        AlertRule.objects.create(organization=organization, near_cap_percent=50)

        look()

        assert [alert.organization for alert in open_alerts(Kind.NEAR_CAP)] == [organization]
        assert other.alerts.count() == 0

    def test_is_never_where_the_rule_for_everybody_says_nothing(self) -> None:
        capped(100)
        AlertRule.objects.filter(organization=None).update(near_cap_percent=None)

        look()

        assert open_alerts(Kind.NEAR_CAP) == []

    def test_is_of_no_sandbox_and_of_nobody_who_is_archived(self) -> None:
        organization = capped(80)
        look()
        sandbox = f.sandbox_of(organization)
        f.set_terms(sandbox, monthly_cap=100)
        f.spend(sandbox, 90)

        f.archive(organization)
        look(NEXT)

        assert open_alerts() == []


def used_for_days(organization: Organization, a_day: int) -> None:
    """Use so much on each of the fourteen days before `NOW`, and add it up."""
    for back in range(14, 0, -1):
        f.spend(organization, a_day, now=f.NOW - back * DAY)
    rollups.roll_up(organization=organization, now=f.NOW)


def since_long(funded: f.Amount, **terms: Any) -> Organization:
    began = f.NOW - 30 * DAY
    return f.make_organization(funded=funded, now=began, **terms)


def nearly_capped(left: int) -> Organization:
    """Return one that uses 10 a day, and may use so much more until its cap resets."""
    organization = since_long(5_000)
    used_for_days(organization, 10)
    used = open_period(f.wallet_of(organization)).used
    f.set_terms(organization, monthly_cap=used + left)
    return organization


class TestCapSoon:
    def test_fires_where_the_cap_is_likely_reached_within_a_week(self) -> None:
        organization = nearly_capped(35)

        look()

        alert = the_alert(Kind.CAP_SOON)
        used = open_period(f.wallet_of(organization)).used
        assert (alert.organization, alert.severity) == (organization, Severity.WARNING)
        assert alert.figures == {
            "used": f"{used.normalize():f}",
            "cap": f"{used.normalize() + 35:f}",
            "aDay": "10",
            "days": "3",
            "earliestDays": "3",
        }

    def test_resolves_with_a_higher_cap(self) -> None:
        organization = nearly_capped(35)
        look()

        f.set_terms(organization, monthly_cap=5_000)
        look(NEXT)

        assert open_alerts(Kind.CAP_SOON) == []

    def test_leaves_a_cap_that_is_reached_to_the_alert_of_that(self) -> None:
        organization = nearly_capped(35)
        look()

        f.spend(organization, 35)
        look(NEXT)

        assert open_alerts(Kind.CAP_SOON) == []
        assert the_alert(Kind.NEAR_CAP).level == 100

    def test_fires_as_far_ahead_as_the_rule_says(self) -> None:
        nearly_capped(35)

        AlertRule.objects.update(cap_within_days=3)
        look()
        assert open_alerts(Kind.CAP_SOON) == []

        AlertRule.objects.update(cap_within_days=4)
        look(NEXT)
        assert len(open_alerts(Kind.CAP_SOON)) == 1

        AlertRule.objects.update(cap_within_days=None)
        look(NEXT)
        assert open_alerts(Kind.CAP_SOON) == []


class TestDrySoon:
    def test_fires_where_a_week_is_likely_not_covered(self) -> None:
        organization = since_long(200)
        used_for_days(organization, 10)

        look()

        alert = the_alert(Kind.DRY_SOON)
        assert alert.figures == {"left": "60", "aDay": "10", "days": "6", "earliestDays": "5"}
        assert (alert.severity, alert.level) == (Severity.WARNING, 1)

    def test_resolves_with_a_grant(self) -> None:
        organization = since_long(200)
        used_for_days(organization, 10)
        look()

        f.grant(organization, 10)
        look(NEXT)

        assert open_alerts(Kind.DRY_SOON) == []

    def test_is_worse_where_nothing_is_left(self) -> None:
        organization = since_long(200)
        used_for_days(organization, 10)
        look()

        f.spend(organization, 60)
        look(NEXT)

        alert = the_alert(Kind.DRY_SOON)
        assert (alert.severity, alert.level) == (Severity.CRITICAL, 2)

    def test_does_not_fire_where_the_next_term_comes_first(self) -> None:
        organization = since_long(200, allowance=100)
        used_for_days(organization, 10)
        period = f.wallet_of(organization).period
        assert period is not None
        ends_in = period.term_ends_at - f.NOW
        AlertRule.objects.update(dry_within_days=90)

        look()

        left = f.wallet_of(organization).unreserved / 10
        assert bool(open_alerts(Kind.DRY_SOON)) == (left < ends_in / DAY)

    def test_does_not_fire_where_the_overdraft_covers_it(self) -> None:
        used_for_days(since_long(200, overdraft_limit=None), 10)
        used_for_days(since_long(200, overdraft_limit=100), 10)

        look()

        assert open_alerts() == []


class TestDebt:
    @pytest.fixture
    def debtor(self) -> Organization:
        organization = f.make_organization(funded=10, overdraft_limit=50)
        f.spend(organization, 30)
        return organization

    def test_fires_and_resolves(self, debtor: Organization) -> None:
        look()
        alert = the_alert(Kind.IN_DEBT)
        assert alert.figures == {"debt": "20", "overdraftLimit": "50"}

        f.grant(debtor, 20)
        look(NEXT)

        assert open_alerts() == []

    def test_is_worse_beyond_the_overdraft(self, debtor: Organization) -> None:
        look()

        f.set_terms(debtor, overdraft_limit=5)
        look(NEXT)

        assert the_alert(Kind.IN_DEBT).severity == Severity.CRITICAL

    def test_that_grew_within_a_day_fires_and_is_over_a_day_later(
        self, debtor: Organization
    ) -> None:
        AlertRule.objects.update(debt_growth=15)
        look(f.later(hours=1))
        alert = the_alert(Kind.DEBT_GROWN)
        assert alert.figures == {"debt": "20", "grownBy": "20"}

        look(f.later(hours=25))

        assert open_alerts(Kind.DEBT_GROWN) == []
        assert len(open_alerts(Kind.IN_DEBT)) == 1

    def test_that_grew_less_does_not_fire(self, debtor: Organization) -> None:
        AlertRule.objects.update(debt_growth=21)

        look()

        assert open_alerts(Kind.DEBT_GROWN) == []


def refused(organization: Organization, times: int, ago: timedelta) -> None:
    """Have work refused so often, once a minute, beginning so long ago."""
    for minute in range(times):
        now = f.NOW - ago + timedelta(minutes=minute)
        work = p.work(organization, 5_000)
        outcome = services.check(work, now=now)
        assert not isinstance(outcome, services.Decision)
        denials.record(work, outcome, now=now)


class TestRefusals:
    def test_fire_from_a_number_on_with_the_reason(self) -> None:
        organization = f.make_organization(funded=1)
        refused(organization, 20, timedelta(hours=2))

        look()

        alert = the_alert(Kind.REFUSALS)
        assert alert.figures == {
            "refused": "20",
            "usualInADay": "0",
            "most": "balance",
        }

    def test_do_not_fire_where_it_is_usual(self) -> None:
        organization = f.make_organization(funded=1, now=f.NOW - 20 * DAY)
        for back in range(2, 9):
            refused(organization, 10, back * DAY)
        refused(organization, 25, timedelta(hours=2))

        look()

        assert open_alerts() == []

    def test_resolve_a_day_later(self) -> None:
        refused(f.make_organization(funded=1), 20, timedelta(hours=2))
        look()

        look(f.later(days=1))

        assert open_alerts() == []


class TestTheCalendar:
    def test_fires_for_work_that_is_left_to_staff_once_for_its_kind(self) -> None:
        for number in range(3):
            organization = f.make_organization(f"Org {number}")
            fail(organization)

        look()

        alert = the_alert(Kind.JOB_FAILED)
        assert (alert.organization, alert.subject) == (None, "renew")
        assert alert.figures == {"failures": "3"}

    def test_becomes_worse_with_ten_times_as_many_and_resolves(self) -> None:
        fail(f.make_organization())
        look()
        for number in range(9):
            fail(f.make_organization(f"Org {number}"))

        look(NEXT)
        assert steps_of(the_alert(Kind.JOB_FAILED)) == ["fired", "worse"]
        Failure.objects.update(resolved_at=NEXT)
        look(f.later(minutes=10))

        assert open_alerts() == []

    def test_fires_for_what_the_last_audit_of_a_kind_found(self) -> None:
        first, second = (
            Job.objects.create(kind="reconcile", due_at=at, total=1, started_at=at, finished_at=at)
            for at in (f.later(days=-1), f.NOW)
        )
        Finding.objects.create(job=second, check_name="balance", subject="wallet", detail="off")

        look()
        assert the_alert(Kind.FINDINGS).subject == "reconcile"
        Finding.objects.update(job=first)
        look(NEXT)

        assert open_alerts() == []

    def test_does_not_resolve_while_the_next_audit_runs(self) -> None:
        done = {"kind": "reconcile", "due_at": f.NOW, "total": 1}
        job = Job.objects.create(**done, started_at=f.NOW, finished_at=f.NOW)
        Finding.objects.create(job=job, check_name="balance", subject="wallet", detail="off")
        look()

        Job.objects.create(**done, started_at=NEXT)
        look(NEXT)

        assert len(open_alerts(Kind.FINDINGS)) == 1

    def test_fires_for_a_task_that_is_late_or_switched_off(self) -> None:
        every, _ = IntervalSchedule.objects.get_or_create(every=60, period="seconds")
        for name, enabled in (("late one", True), ("off one", False)):
            PeriodicTask.objects.create(name=name, task=name, interval=every, enabled=enabled)
            Tick.objects.create(task=name, ticked_at=f.later(hours=-1))

        look(f.later(days=9_000))

        assert the_alert(Kind.TASK_LATE).subject == "late one"
        assert the_alert(Kind.TASK_OFF).subject == "off one"


def fail(organization: Organization) -> None:
    Failure.objects.create(
        kind="renew",
        organization=organization,
        error="no",
        first_failed_at=f.NOW,
        last_failed_at=f.NOW,
    )


class TestTheJob:
    def test_fires_once_where_two_workers_look_at_the_same_moment(self) -> None:
        for used in (80, 90, 100):
            capped(used)

        at_once(4, lambda number: look())

        assert [steps_of(alert) for alert in open_alerts()] == [["fired"]] * 3

    def test_says_once_that_it_is_worse_and_that_it_is_over(self) -> None:
        organization = capped(80)
        look()
        f.spend(organization, 20)
        at_once(4, lambda number: look(NEXT))
        f.set_terms(organization, monthly_cap=None)

        at_once(4, lambda number: look(NEXT))

        assert steps_of(Alert.objects.get()) == ["fired", "worse", "resolved"]

    def test_goes_on_portion_by_portion_from_where_it_was(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for used in (80, 90, 100):
            capped(used)
        monkeypatch.setattr(noticing, "AT_ONCE", 2)
        monkeypatch.setattr(vitals, "PORTION", 2)

        look()
        look(NEXT)

        assert [steps_of(alert) for alert in open_alerts()] == [["fired"]] * 3

    def test_takes_as_many_statements_for_many_as_for_few(self) -> None:
        capped(80)
        with CaptureQueriesContext(
            connection,
        ) as few:
            look()
        for _ in range(12):
            capped(90)

        with CaptureQueriesContext(connection) as many:
            look(NEXT)

        assert len(many) <= len(few) + 1

    def test_takes_no_lock_that_a_request_waits_for(self) -> None:
        organization = capped(80)

        with CaptureQueriesContext(connection) as captured:
            look()

        written = [q["sql"] for q in captured if q["sql"].lstrip().startswith(("UPDATE", "WITH"))]
        assert written
        assert all("organizations_alert" in sql or " SELECT " in sql for sql in written)
        assert not any("FOR UPDATE" in query["sql"] for query in captured)
        assert organization.alerts.count() == 1

    def test_is_a_work_of_the_calendar(self) -> None:
        organization = capped(80)
        p.budget_warning(organization, budget=10)

        for work, kind in ((TAKE_STOCK, Kind.NEAR_CAP), (NOTICE, Kind.BUDGET)):
            run = jobs.run(work, now=lambda: f.NOW, worker="w")

            assert run is not None
            assert run.job.finished_at is not None
            assert len(open_alerts(kind)) == 1


def spent_by(actor: Actor, credits: f.Amount) -> None:
    p.use(p.work(actor.organization, credits, actor=actor), credits)


class TestPeople:
    @pytest.fixture
    def organization(self) -> Organization:
        return f.make_organization(funded=10_000)

    def test_near_their_own_limit_fire(self, organization: Organization) -> None:
        ada, ben = p.make_actor(organization, "Ada"), p.make_actor(organization, "Ben")
        for actor in (ada, ben):
            p.limit(organization, 100, "actor", actor=actor)
        spent_by(ada, 80)
        spent_by(ben, 79)

        look()

        alert = the_alert(Kind.PERSON_NEAR_CAP)
        assert (alert.organization, alert.actor) == (organization, ada)
        assert alert.figures == {"used": "80", "cap": "100", "percent": "80"}

    def test_near_what_a_team_a_profile_or_a_default_gives_them_fire(
        self, organization: Organization
    ) -> None:
        """The caps of many organizations are read together, and come out as those of one."""
        other = f.make_organization("Other", funded=10_000)
        names = ("team", "profile", "default", "standard")
        for each in (organization, other):
            people = {name: p.make_actor(each, name) for name in names}
            atlas = p.make_group(each, "atlas", people["team"])
            p.limit(each, 40, "group", group=atlas)
            trainee = p.make_profile(each, "trainee", cap=30)
            Actor.objects.filter(pk=people["profile"].pk).update(profile=trainee)
            for actor in people.values():
                spent_by(actor, 30)
        p.limit(organization, 20, "actor_default")

        look()

        fired = [alert.actor for alert in open_alerts(Kind.PERSON_NEAR_CAP)]
        assert {(actor.organization.name, actor.name) for actor in fired if actor} == {
            ("Nordwind Games", "profile"),
            ("Nordwind Games", "default"),
            ("Nordwind Games", "standard"),
            ("Other", "profile"),
        }
        for each in (organization, other):
            actors = list(each.actors.select_related("profile", "organization__default_profile"))
            terms = limits.actor_terms(each, actors)
            assert limits.caps_of(actors) == {id: own.cap for id, own in terms.items()}

    def test_who_are_switched_off_resolve(self, organization: Organization) -> None:
        ada = p.make_actor(organization, "Ada")
        p.limit(organization, 100, "actor", actor=ada)
        spent_by(ada, 100)
        look()
        assert the_alert(Kind.PERSON_NEAR_CAP).severity == Severity.CRITICAL

        p.set_active(ada, False)
        look(NEXT)

        assert open_alerts() == []

    def test_begin_a_month_anew(self, organization: Organization) -> None:
        ada = p.make_actor(organization, "Ada")
        p.limit(organization, 100, "actor", actor=ada)
        spent_by(ada, 100)
        look()

        look(f.at("2026-06-01"))

        assert open_alerts(Kind.PERSON_NEAR_CAP) == []

    def test_who_share_a_budget_fire_together(self, organization: Organization) -> None:
        ada = p.make_actor(organization, "Ada")
        design = p.make_group(organization, "design", ada, kind="entity")
        p.limit(organization, 50, "entity_default")
        spent_by(ada, 40)

        look()

        alert = the_alert(Kind.SHARED_NEAR_CAP)
        assert (alert.group, alert.figures["cap"]) == (design, "50")

    def test_take_as_many_statements_for_many_as_for_few(self, organization: Organization) -> None:
        def one_more() -> None:
            actor = p.make_actor(organization, "Ada")
            p.limit(organization, 100, "actor", actor=actor)
            spent_by(actor, 90)

        one_more()
        with CaptureQueriesContext(connection) as few:
            look()
        for _ in range(7):
            one_more()

        with CaptureQueriesContext(connection) as many:
            look(NEXT)

        assert len(open_alerts(Kind.PERSON_NEAR_CAP)) == 8
        assert len(many) <= len(few)


class TestBudgetWarnings:
    @pytest.fixture
    def ada(self) -> Actor:
        return p.make_actor(f.make_organization(funded=10_000), "Ada")

    def test_of_a_budget_of_their_own_fire_at_each_percentage_and_refuse_nothing(
        self, ada: Actor
    ) -> None:
        p.budget_warning(ada.organization, 50, 120, actor=ada, budget=100)
        spent_by(ada, 50)
        look()
        assert the_alert(Kind.BUDGET).level == 50

        spent_by(ada, 70)
        look(NEXT)

        alert = the_alert(Kind.BUDGET)
        assert (alert.level, alert.severity) == (120, Severity.CRITICAL)
        assert steps_of(alert) == ["fired", "worse"]
        spent_by(ada, 1_000)  # and nothing stops it

    def test_of_a_cap_fire_at_their_percentages_in_place_of_the_rule(self, ada: Actor) -> None:
        p.limit(ada.organization, 100, "actor", actor=ada)
        p.budget_warning(ada.organization, 95, actor=ada)
        spent_by(ada, 90)
        look()
        assert open_alerts() == []

        spent_by(ada, 5)
        look(NEXT)

        assert the_alert(Kind.PERSON_NEAR_CAP).level == 95

    def test_of_an_organization_are_of_its_calendar_month(self, ada: Actor) -> None:
        p.budget_warning(ada.organization, budget=200)
        spent_by(ada, 160)

        look()

        alert = the_alert(Kind.BUDGET)
        assert (alert.organization, alert.actor) == (ada.organization, None)
        look(f.at("2026-06-01"))
        assert open_alerts() == []

    def test_of_the_cap_of_an_organization_are_of_its_billing_period(self) -> None:
        p.budget_warning(capped(60), 60)

        look()

        assert the_alert(Kind.NEAR_CAP).level == 60

    def test_of_a_shared_budget_and_of_a_team_count_what_their_members_used(
        self, ada: Actor
    ) -> None:
        own = ada.organization
        ben = p.make_actor(own, "Ben")
        team = p.make_group(own, "atlas", ada, ben)
        design = p.make_group(own, "design", ada, kind="entity")
        p.budget_warning(own, group=team, budget=50)
        p.budget_warning(own, group=design, budget=30)
        spent_by(ada, 25)
        spent_by(ben, 20)

        look()

        fired = {alert.group: alert.figures["used"] for alert in open_alerts(Kind.BUDGET)}
        assert fired == {team: "45", design: "25"}

    def test_that_are_taken_back_resolve(self, ada: Actor) -> None:
        warning = p.budget_warning(ada.organization, actor=ada, budget=10)
        spent_by(ada, 10)
        look()

        warning.delete()
        look(NEXT)

        assert open_alerts() == []

    def test_go_with_the_group(self, ada: Actor) -> None:
        team = p.make_group(ada.organization, "atlas")
        p.budget_warning(ada.organization, group=team, budget=1)

        groups.delete_group(group=team, performed_by=f.STAFF)

        assert not BudgetWarning.objects.exists()
        gone = BudgetWarning.history.latest("history_id")
        assert (gone.history_type, gone.history_change_reason) == ("-", f.STAFF)
