"""The clock of the doors: one for all machines, whatever their own clocks say."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import OperationalError, connection
from pytest_django import Settings

from credits import tasks
from credits.models import LedgerEntry
from organizations import clock
from organizations.clock import Clock
from tests.callers import caller_of, ok
from tests.factories import make_organization, periods_of

MIDNIGHT = datetime(2026, 6, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


class Server:
    """A database server whose clock, and a machine whose count, are set by hand."""

    def __init__(self) -> None:
        self.moment = MIDNIGHT
        self.counted = 1_000.0
        self.asked = 0
        self.is_down = False

    def time(self) -> datetime:
        self.asked += 1
        if self.is_down:
            raise OperationalError("gone")
        return self.moment

    def pass_(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.counted += seconds


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(clock, "database_time", server.time)
    monkeypatch.setattr(clock, "seconds_counted", lambda: server.counted)
    return server


class TestClock:
    def test_tells_the_databases_time(self, server: Server) -> None:
        assert Clock().now() == MIDNIGHT

    def test_carries_it_on_for_a_minute_without_asking_again(self, server: Server) -> None:
        mine = Clock()
        mine.now()

        server.pass_(59)

        assert mine.now() == MIDNIGHT + timedelta(seconds=59)
        assert server.asked == 1

    def test_asks_again_after_a_minute(self, server: Server) -> None:
        mine = Clock()
        mine.now()
        server.pass_(60)
        server.moment += timedelta(seconds=3)

        assert mine.now() == MIDNIGHT + timedelta(seconds=63)
        assert server.asked == 2

    @pytest.mark.parametrize("leap", [YEAR, -YEAR], ids=["ahead", "back"])
    def test_does_not_believe_a_leap_and_says_so(self, server: Server, leap: timedelta) -> None:
        mine = Clock()
        mine.now()
        server.pass_(60)
        server.moment += leap

        assert mine.now() == MIDNIGHT + timedelta(seconds=60)
        assert mine.doubt == leap

        server.pass_(60)
        server.moment -= leap

        assert mine.now() == MIDNIGHT + timedelta(seconds=120)
        assert mine.doubt is None

    def test_goes_on_while_the_database_is_gone(self, server: Server) -> None:
        mine = Clock()
        mine.now()
        server.is_down = True
        server.pass_(600)

        assert mine.now() == MIDNIGHT + timedelta(seconds=600)

    def test_knows_no_time_before_the_database_answered(self, server: Server) -> None:
        server.is_down = True

        with pytest.raises(OperationalError):
            Clock().now()


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


@pytest.mark.django_db(transaction=True)
class TestDoors:
    @pytest.fixture(autouse=True)
    def _ask_the_database(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.CLOCK = "database"
        monkeypatch.setattr(clock, "clock", Clock())

    @pytest.mark.parametrize(
        "off",
        [timedelta(seconds=90), timedelta(seconds=-90), YEAR, -YEAR],
        ids=["90s-ahead", "90s-behind", "a-year-ahead", "a-year-behind"],
    )
    def test_open_and_close_nothing_when_the_machines_clock_is_off(self, off: timedelta) -> None:
        now = database_now()
        organization = make_organization(funded=10, allowance=100, now=now)
        caller = caller_of(organization)

        for moment in (now + off, now):
            with time_machine.travel(moment):
                held = ok(caller.reserve(3), 201)["id"]
                ok(caller.settle(held, 2))
                for task in (tasks.renew, tasks.lapse_grants, tasks.expire_reservations):
                    task()

        (period,) = periods_of(organization)
        assert period.starts_at <= now < period.ends_at
        assert period.closed_at is None
        posted = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.SETTLE)
        assert all(abs(e.posted_at - now) < timedelta(minutes=1) for e in posted)
