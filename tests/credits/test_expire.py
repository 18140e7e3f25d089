"""Expiring: holds that nobody settled or released give their credits back in time."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import ledger, services, tasks
from credits.ledger import holds
from credits.models import Reservation, UsageCounter
from organizations import jobs
from tests.factories import (
    amounts,
    at,
    entries_of,
    expire,
    later,
    make_organization,
    money_of,
    periods_of,
    release,
    reserve,
    settle,
    spend,
    suspend,
    wallet_of,
)
from tests.races.threads import of, together
from tests.usage import people as p

pytestmark = pytest.mark.django_db(transaction=True)


class TestExpire:
    @pytest.mark.parametrize(
        ("moment", "expired"),
        [
            (later(minutes=15, microseconds=-1), 0),
            (later(minutes=15), 1),
            (later(minutes=15, microseconds=1), 1),
        ],
    )
    def test_gives_back_what_is_due_at_its_moment(self, moment: datetime, expired: int) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 8)

        assert expire(organization, now=moment) == expired

        assert money_of(organization) == (amounts(10, 0, 10) if expired else amounts(10, 8, 2))

    def test_closes_the_hold_and_writes_no_entry(self) -> None:
        organization = make_organization(funded=10)
        reservation = reserve(organization, 8)
        before = entries_of(organization)

        expire(organization, now=later(hours=1))

        reservation.refresh_from_db()
        assert (reservation.status, reservation.closed_at) == ("expired", later(hours=1))
        assert (reservation.credits, reservation.settled_credits) == (Decimal(8), None)
        assert entries_of(organization) == before

    def test_takes_all_that_are_due_and_leaves_the_rest(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 1, ttl=timedelta(minutes=1))
        reserve(organization, 2, ttl=timedelta(minutes=2))
        reserve(organization, 4, ttl=timedelta(minutes=3))

        assert expire(organization, now=later(minutes=2)) == 2

        assert money_of(organization) == amounts(10, 4, 6)

    def test_does_nothing_the_second_time(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 8)
        expire(organization, now=later(minutes=15))

        assert expire(organization, now=later(minutes=16)) == 0

        assert money_of(organization) == amounts(10, 0, 10)

    def test_leaves_closed_holds_as_they_are(self) -> None:
        organization = make_organization(funded=10)
        settled = settle(reserve(organization, 2), 2)
        released = release(reserve(organization, 2))

        assert expire(organization, now=later(days=1)) == 0

        statuses = Reservation.objects.in_bulk([settled.id, released.id])
        assert statuses[settled.id].status == Reservation.Status.SETTLED
        assert statuses[released.id].status == Reservation.Status.RELEASED

    def test_frees_the_counters_of_the_periods_that_held_them(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 1, now=at("2026-05-31 23:50"))
        reserve(organization, 2, now=at("2026-05-31 23:51"))
        reserve(organization, 4, now=at("2026-06-01 00:01"))

        assert expire(organization, now=at("2026-06-01 00:06")) == 2

        assert [each.reserved for each in periods_of(organization)] == [0, 4]

    def test_touches_nobody_else(self) -> None:
        organization, other = make_organization(funded=10), make_organization(funded=10)
        reserve(organization, 8)
        reserve(other, 8)

        expire(organization, now=later(minutes=15))

        assert money_of(other) == amounts(10, 8, 2)

    def test_goes_on_while_suspended(self) -> None:
        organization = make_organization(funded=10)
        reserve(organization, 8)
        suspend(organization)

        assert expire(organization, now=later(minutes=15)) == 1


class TestManyAtOnce:
    """Holds end set-wise, so many at a time as a lock may last, and the wallet is free in between."""

    def test_go_portion_by_portion(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ledger, "EXPIRED_AT_ONCE", 3)
        monkeypatch.setattr(holds, "EXPIRED_AT_ONCE", 3)
        organization = make_organization(funded=100)
        for number in range(7):
            reserve(organization, 1, ttl=timedelta(minutes=1 + number))

        swept = [expire(organization, now=later(hours=1)) for _ in range(4)]

        assert swept == [3, 3, 1, 0]
        assert money_of(organization) == amounts(100, 0, 100)
        assert wallet_of(organization).open_holds == 0

    def test_are_ended_by_one_run_of_the_job(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(holds, "EXPIRED_AT_ONCE", 3)
        monkeypatch.setattr(tasks, "EXPIRED_AT_ONCE", 3)
        organization = make_organization(funded=100)
        for _ in range(7):
            reserve(organization, 1)

        run = jobs.run(tasks.EXPIRE, now=lambda: later(hours=1), worker="w")

        assert run is not None
        assert run.job.finished_at is not None
        assert not Reservation.objects.filter(status="open").exists()

    def test_leave_the_wallet_to_others_in_between(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(holds, "EXPIRED_AT_ONCE", 3)
        monkeypatch.setattr(tasks, "EXPIRED_AT_ONCE", 3)
        organization = make_organization(funded=100)
        for _ in range(7):
            reserve(organization, 1)
        spent: list[object] = []

        def spend_first(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if "FOR NO KEY UPDATE" in sql and "credits_wallet" in sql:
                spent.extend(together(lambda: spend(organization, 1)))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(spend_first):
            jobs.run(tasks.EXPIRE, now=lambda: later(hours=1), worker="w")

        assert not of(Exception, spent)
        assert len(spent) == 3
        assert money_of(organization) == amounts(97, 0, 97)

    def test_never_stand_in_the_way_however_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ledger, "EXPIRED_AT_ONCE", 3)
        monkeypatch.setattr(holds, "EXPIRED_AT_ONCE", 3)
        organization = make_organization(funded=7)
        for _ in range(7):
            reserve(organization, 1)

        assert reserve(organization, 7, now=later(hours=1)).credits == 7

    def test_take_as_many_statements_as_one(self) -> None:
        counts = []
        for number in (1, 40):
            organization = make_organization(funded=100)
            for _ in range(number):
                reserve(organization, 1)
            with CaptureQueriesContext(connection) as captured:
                assert expire(organization, now=later(hours=1)) == number
            counts.append(len(captured))

        assert counts[0] == counts[1] < 15

    def test_free_the_counters_of_all_that_they_counted_in(self) -> None:
        organization = make_organization(funded=100)
        ada, bob = p.make_actor(organization), p.make_actor(organization, "Bob")
        app = {"resource_type": "app", "resource_id": "a"}
        for actor, credits in ((ada, 1), (ada, 2), (bob, 4)):
            p.hold(p.work(organization, credits, actor=actor, **app))
        p.hold(p.work(organization, 8, actor=ada), now=later(minutes=50))

        expire(organization, now=later(hours=1))

        reserved = {
            (each.actor_id, each.resource_id): each.reserved for each in UsageCounter.objects.all()
        }
        assert reserved == {(None, ""): 8, (ada.id, ""): 8, (bob.id, ""): 0, (None, "a"): 0}

    def test_are_subtracted_by_a_read_and_not_ended(self) -> None:
        organization = make_organization(funded=100)
        for _ in range(5):
            reserve(organization, 1)

        with CaptureQueriesContext(connection) as captured:
            reading = services.wallet_as_of(organization, now=later(hours=1))

        assert (reading.wallet.available, reading.period.reserved) == amounts(100, 0)
        assert not any("UPDATE" in (query["sql"] or "") for query in captured.captured_queries)
        assert Reservation.objects.filter(status="open").count() == 5
