"""What the worker does by the clock: each task finds what is due, does it once, and waits for nobody."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
import time_machine
from celery import Task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, close_old_connections, connection, transaction
from django_celery_beat.models import PeriodicTask

from config.celery import app
from credits import ledger, tasks
from credits.models import CreditConfig, LedgerEntry, Reservation
from credits.reconcile import reconcile
from organizations import jobs
from organizations.models import Organization
from tests.callers import clock as clock
from tests.factories import (
    archive,
    at,
    entries_of,
    grant,
    later,
    make_family,
    make_organization,
    periods_of,
    reserve,
    suspend,
    try_to_reserve,
    wallet_of,
)
from tests.races.crashpoints import IS_KILLED, Killer, dying
from tests.races.threads import of, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

Kind = LedgerEntry.Kind
Clock = time_machine.Traveller
JUNE = at("2026-06-01")


def kinds_of(organization: Organization) -> list[str]:
    return [entry.kind for entry in entries_of(organization)]


def run(task: Any) -> int:
    """Run a task as a worker does, but here."""
    return int(task.apply(throw=True).get())


class TestRenew:
    def test_opens_the_next_period_where_one_has_ended(self, clock: Clock) -> None:
        due = make_organization(allowance=10)
        other = make_organization(allowance=10, anchored_on=at("2026-05-05").date())
        clock.move_to(JUNE)

        assert run(tasks.renew) == 1

        assert [period.starts_at for period in periods_of(due)] == [at("2026-05-01"), JUNE]
        assert kinds_of(due) == [Kind.RENEW, Kind.LAPSE, Kind.RENEW]
        assert len(periods_of(other)) == 1

    def test_does_nothing_before_the_boundary(self, clock: Clock) -> None:
        make_organization(allowance=10)
        clock.move_to(JUNE - timedelta(microseconds=1))

        assert run(tasks.renew) == 0

    def test_renews_a_suspended_organization_and_no_archived_one(self, clock: Clock) -> None:
        suspended, archived = make_organization(allowance=10), make_organization(allowance=10)
        suspend(suspended)
        archive(archived)
        clock.move_to(JUNE)

        run(tasks.renew)

        assert len(periods_of(suspended)) == 2
        assert len(periods_of(archived)) == 1


class TestLapseGrants:
    def test_lapses_what_remains_of_what_has_expired(self, clock: Clock) -> None:
        due, other = make_organization(), make_organization()
        grant(due, 10, expires_at=at("2026-05-20"))
        grant(due, 5, expires_at=at("2026-05-21"))
        grant(other, 10, expires_at=at("2026-05-21"))
        clock.move_to(at("2026-05-20"))

        assert run(tasks.lapse_grants) == 1

        assert wallet_of(due).balance == 5
        assert wallet_of(other).balance == 10

    def test_lapses_in_an_archived_wallet_too(self, clock: Clock) -> None:
        parent, child = make_family(funded=0)
        grant(child, 10, expires_at=at("2026-05-20"))
        hold = reserve(child, 10, ttl=timedelta(days=30))
        archive(child)
        clock.move_to(at("2026-05-20"))

        run(tasks.lapse_grants)

        assert wallet_of(child).balance == wallet_of(parent).balance == 0
        assert wallet_of(child).reserved == hold.credits


class TestExpireReservations:
    def test_gives_back_the_holds_whose_time_has_passed(self, clock: Clock) -> None:
        organization = make_organization(funded=100)
        due = [reserve(organization, 10, ttl=timedelta(minutes=5)) for _ in range(3)]
        reserve(organization, 7, ttl=timedelta(minutes=6))
        clock.move_to(later(minutes=5))

        assert run(tasks.expire_reservations) == 1

        expired = Reservation.objects.filter(status="expired")
        assert {hold.id for hold in expired} == {hold.id for hold in due}
        assert wallet_of(organization).reserved == 7

    def test_sends_what_an_archived_child_held_to_its_parent(self, clock: Clock) -> None:
        parent, child = make_family(funded=0)
        grant(child, 10)
        reserve(child, 10)
        archive(child)
        clock.move_to(later(hours=1))

        run(tasks.expire_reservations)

        assert wallet_of(parent).balance == 10
        assert wallet_of(child).balance == 0


class TestEndRefillCooldowns:
    def test_ends_a_cooldown_and_drains_no_parent_for_an_idle_child(self, clock: Clock) -> None:
        parent, child = make_family(funded=1_000, refill_threshold=100, refill_amount=50)
        reserve(child, 10)
        clock.move_to(later(minutes=5))

        assert run(tasks.end_refill_cooldowns) == 1

        assert wallet_of(child).refill_cooldown_ends_at is None
        assert wallet_of(parent).balance == 950

    def test_tries_again_where_the_parent_was_short(self, clock: Clock) -> None:
        parent, child = make_family(funded=0, refill_threshold=100, refill_amount=50)
        try_to_reserve(child, 10)
        grant(parent, 1_000)
        clock.move_to(later(minutes=5))

        assert run(tasks.end_refill_cooldowns) == 1

        assert wallet_of(child).balance == 50

    def test_looks_at_nothing_while_the_cooldown_lasts(self, clock: Clock) -> None:
        _, child = make_family(funded=1_000, refill_threshold=100, refill_amount=50)
        reserve(child, 10)
        clock.move_to(later(minutes=4, seconds=59))

        assert run(tasks.end_refill_cooldowns) == 0


def everything_due() -> Organization:
    """A family for which every task has something to do in June. Returns the child."""
    parent, child = make_family(funded=10, allowance=10, refill_threshold=1_000, refill_amount=500)
    grant(child, 5, expires_at=at("2026-05-20"))
    reserve(child, 3)
    try_to_reserve(child, 400)
    grant(parent, 2_000)
    return child


class TestEveryTask:
    @pytest.mark.race
    @pytest.mark.parametrize("order", [1, -1])
    def test_does_its_work_once_however_often_and_together_it_runs(
        self, clock: Clock, order: int
    ) -> None:
        children = [everything_due() for _ in range(3)]
        clock.move_to(JUNE)
        calendar: list[Callable[[], int]] = [
            tasks.renew,
            tasks.lapse_grants,
            tasks.expire_reservations,
            tasks.end_refill_cooldowns,
        ]

        outcomes = together(*[task for task in calendar[::order] for _ in range(2)])
        again = [task() for task in calendar]

        assert of(Exception, outcomes) == []
        assert again == [0, 0, 0, 0]
        for child in children:
            assert sorted(kinds_of(child)) == sorted(
                [Kind.RENEW, Kind.GRANT, Kind.LAPSE, Kind.RENEW, Kind.REFILL]
            )
            assert wallet_of(child).balance == 510
            assert wallet_of(child).reserved == 0

    @pytest.mark.broken_books
    def test_does_not_stop_at_an_organization_that_is_broken(
        self, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        organizations = [make_organization(allowance=10) for _ in range(3)]
        CreditConfig.objects.get(wallet__organization=organizations[1]).delete()
        clock.move_to(JUNE)

        assert run(tasks.renew) == 2

        assert [len(periods_of(one)) for one in organizations] == [2, 1, 2]
        (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert organizations[1].public_id in line.getMessage()

    def test_does_not_stop_at_a_wallet_that_somebody_holds(self, clock: Clock) -> None:
        organizations = [make_organization(allowance=10) for _ in range(3)]
        clock.move_to(JUNE)

        with transaction.atomic():
            ledger.lock(organizations[1].id)
            (renewed,) = together(impatient(tasks.renew))

        assert renewed == 2
        assert [len(periods_of(one)) for one in organizations] == [2, 1, 2]
        clock.shift(timedelta(minutes=1))
        assert run(tasks.renew) == 1

    @pytest.mark.race
    def test_loses_nothing_wherever_its_session_is_killed(self, clock: Clock) -> None:
        organizations = [make_organization(allowance=10) for _ in range(4)]
        clock.move_to(JUNE)

        with Killer() as killer:
            for turn in count():
                with dying(turn, IS_KILLED, killer) as death, suppress(DatabaseError):
                    tasks.renew()
                close_old_connections()
                assert reconcile() == []
                clock.shift(jobs.LEASE)
                if death.statement is None:
                    break

        assert turn >= 15
        for one in organizations:
            assert kinds_of(one) == [Kind.RENEW, Kind.LAPSE, Kind.RENEW]

    def test_stops_when_its_time_is_over(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[Organization] = []

        def renew(*, organization: Organization, **_: object) -> None:
            asked.append(organization)
            raise SoftTimeLimitExceeded

        for _ in range(3):
            make_organization()
        clock.move_to(JUNE)
        monkeypatch.setattr(tasks, "RENEW", replace(tasks.RENEW, do=renew, do_together=None))

        with pytest.raises(SoftTimeLimitExceeded):
            run(tasks.renew)

        assert len(asked) == 1

    def test_is_rung_by_the_calendar_under_a_name_that_the_worker_knows(self) -> None:
        ours = {f"credits.tasks.{n}" for n, task in vars(tasks).items() if isinstance(task, Task)}
        app.loader.import_default_modules()

        rung = set(PeriodicTask.objects.values_list("task", flat=True))

        assert ours <= rung <= set(app.tasks)


def impatient(task: Callable[[], int]) -> Callable[[], int]:
    """Run a task on a connection that waits for a lock a tenth of a second, not five."""

    def run_it() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        return task()

    return run_it
